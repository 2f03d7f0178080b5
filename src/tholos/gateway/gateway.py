"""The gateway of one server process: one way in for every prediction, whatever protocol brought it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Action, Actor, permitted
from tholos.gateway.decoding import decode_input, encode_answer, encode_batch
from tholos.gateway.exchange import Answer, Exchange, error_answer
from tholos.gateway.fleet import Fleet, Served
from tholos.kit.database import ReadSession
from tholos.kit.errors import NotAuthenticated, TholosError
from tholos.kit.http import InternalError
from tholos.kit.ids import new_id
from tholos.kit.logs import get_logger
from tholos.kit.services import Services
from tholos.serving import repository
from tholos.serving.errors import DeadlineExceeded, DeploymentNotFound, DeploymentStopped
from tholos.serving.models import Deployment, DeploymentVersion
from tholos.serving.repository import Key, Report
from tholos.serving.warmup import rows_of
from tholos.serving.watch import ChangeWatch
from tholos.tasks.signature import Batch

_LOOK_AGAIN_S = 1.0
_HEARTBEAT_S = 2.0
_STALE_AFTER_S = 10.0
_ON_LOOP_BYTES = 64 * 1024
"""Bodies up to this size are decoded on the loop; it takes well under a millisecond. A small image may be a large one
compressed, so images never are."""
_ON_LOOP_ROWS = 1000
"""Answers of up to so many rows are encoded on the loop."""

log = get_logger("gateway")


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A deployment that the caller may use, and the version that is wanted of it."""

    deployment_id: str
    name: str
    version: int


class Gateway:
    """Admits, dispatches and answers predictions; keeps what it serves level with the database."""

    def __init__(self, services: Services) -> None:
        self.id = new_id("gw")
        self._settings = services.settings
        self._database = services.database
        self._readers = ThreadPoolExecutor(8, thread_name_prefix="admit")
        self._workers = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="predict")
        self._watch = ChangeWatch(services.settings.resolved_database_url, at_most_s=_LOOK_AGAIN_S)
        self._fleet = Fleet(services.settings, services.blobs, self._workers, self._watch.nudge)
        self._published: dict[Key, Report] = {}
        self._beat_at = 0.0
        self._level_at: float | None = None

    # -- predictions

    async def submit(self, exchange: Exchange) -> Answer:
        """The answer to an exchange. Never raises for anything that a caller can do."""
        try:
            async with asyncio.timeout(self._settings.predict_timeout_s):
                return await self._answer(exchange)
        except TimeoutError:
            error: TholosError = DeadlineExceeded(
                f"There was no answer within {self._settings.predict_timeout_s:g} seconds.",
                next="Send fewer rows at once, or raise THOLOS_PREDICT_TIMEOUT_S.",
            )
        except TholosError as refusal:
            error = refusal
        except Exception:  # our own fault: the caller gets the one shape, the log the traceback
            log.exception("unforeseen error in a prediction", request=exchange.request_id)
            error = InternalError(next="Try again; if it stays, look up the request id in the log.")
        return error_answer(error, exchange.request_id)

    async def _answer(self, exchange: Exchange) -> Answer:
        loop = asyncio.get_running_loop()
        admitted = await loop.run_in_executor(self._readers, self._admit, exchange)
        served = await self._fleet.serving(admitted.deployment_id, admitted.version)
        with served.in_use():
            if len(exchange.body) <= _ON_LOOP_BYTES and not served.has_images:
                value, batch = self._decode(served, exchange)
            else:
                value, batch = await loop.run_in_executor(self._workers, self._decode, served, exchange)
            outputs = await served.replica.infer(batch)

        def encode() -> bytes:
            return encode_answer(
                served.signature,
                value,
                outputs,
                model=served.model,
                revision=served.revision,
                deployment=admitted.name,
                request_id=exchange.request_id,
            )

        small = rows_of(batch) <= _ON_LOOP_ROWS
        return Answer(200, encode() if small else await loop.run_in_executor(self._workers, encode))

    def _admit(self, exchange: Exchange) -> _Admitted:
        with self._database.read() as read:
            actor = _authenticate(read, exchange)
            found = repository.by_name(read, exchange.namespace, exchange.deployment)
            asked = f"deployment {exchange.namespace}/{exchange.deployment}"[:220]
            deployment = permitted(actor, Action.PREDICT, found, DeploymentNotFound, asked)
        if deployment.wanted == "stopped":
            raise DeploymentStopped(
                f"The deployment {deployment.full_name} is stopped.",
                next=f"Its owner can start it: POST /api/v1/deployments/{deployment.full_name}/start.",
            )
        return _Admitted(deployment.id, deployment.full_name, deployment.version)

    def _decode(self, served: Served, exchange: Exchange) -> tuple[Any, Batch]:
        value = decode_input(exchange.body, exchange.content_type)
        return value, encode_batch(served.signature, value, self._settings.max_predict_rows)

    # -- keeping level

    @property
    def is_ready(self) -> bool:
        """Whether this process has looked at the database lately and begun whatever it wants."""
        return self._level_at is not None and time.monotonic() - self._level_at < _STALE_AFTER_S

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reconciles for the length of the block; at its end drains and signs off."""
        stopping = asyncio.Event()
        reconciling = asyncio.create_task(self._reconcile(stopping), name="gateway reconcile")
        try:
            yield
        finally:
            stopping.set()
            self._watch.nudge()
            await reconciling  # not cancelled: a pass has threads that use the database
            self._level_at = None
            await self._fleet.close(self._settings.shutdown_grace_s)
            await asyncio.to_thread(self._sign_off)
            await self._watch.close()
            self._readers.shutdown()
            self._workers.shutdown(wait=False)

    async def _reconcile(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                wanted, processes = await asyncio.to_thread(self._look)
                self._fleet.reconcile(wanted, processes)
                await self._publish()
                self._level_at = time.monotonic()
            except Exception:  # the database may be away; what is loaded goes on serving and the next pass looks again
                log.exception("a pass over the deployments failed")
            await self._watch.wait()

    def _look(self) -> tuple[list[tuple[Deployment, DeploymentVersion]], dict[Key, Report]]:
        with self._database.read() as read:
            return repository.wanted_versions(read), repository.process_reports(read)

    async def _publish(self) -> None:
        reports = self._fleet.reports()
        if reports != self._published or time.monotonic() - self._beat_at > _HEARTBEAT_S:
            await asyncio.to_thread(self._write, reports)
            self._published, self._beat_at = reports, time.monotonic()

    def _write(self, reports: dict[Key, Report]) -> None:
        with self._database.write() as write:
            now = self._database.now(write)
            repository.beat(write, self.id, os.getpid(), now)
            repository.publish(write, self.id, reports, now)

    def _sign_off(self) -> None:
        with self._database.write() as write:
            repository.forget(write, [self.id])


def _authenticate(read: ReadSession, exchange: Exchange) -> Actor:
    """Who asks. Nobody predicts unnamed: without credentials the answer is the same whether the deployment exists."""
    if exchange.token is not None:
        return accounts.authenticate(read, exchange.token)
    if exchange.session is not None and (actor := accounts.authenticate_session(read, exchange.session)):
        return actor
    raise NotAuthenticated(next="Send `Authorization: Bearer <token>`; make one with `tholos keys create`.")
