"""What runs behind the gateways: the job runner, the supervisor of replicas, the outbox, the housekeeping.

Imported while the first gateways already start, because it brings most of the platform with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from tholos.accounts.service import create_administrator
from tholos.community import watching
from tholos.community.sending import WebhookSender
from tholos.data.kinds import KINDS as DATA_KINDS
from tholos.data.service import HANDLERS as DATA_HANDLERS
from tholos.evaluation.kinds import KINDS as EVALUATION_KINDS
from tholos.hub import service as hub
from tholos.hub.kinds import KINDS as HUB_KINDS
from tholos.hub.mirror.kinds import KINDS as MIRROR_KINDS
from tholos.hub.mirror.service import sync_due
from tholos.hub.storage.schedule import enqueue_when_due
from tholos.imports.kinds import KINDS as IMPORT_KINDS
from tholos.imports.service import HANDLERS as IMPORT_HANDLERS
from tholos.jobs.kinds import Kinds
from tholos.jobs.runner import JobRunner
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.errors import Unavailable
from tholos.kit.home import announced_url, write_private
from tholos.kit.ids import new_id
from tholos.kit.logs import get_logger
from tholos.kit.outbox import combined, dispatch
from tholos.kit.settings import Settings
from tholos.migrations import migrate
from tholos.optimization.kinds import KINDS as OPTIMIZATION_KINDS
from tholos.scanning import service as scanning
from tholos.scanning.kinds import KINDS as SCANNING_KINDS
from tholos.serving.admission import HANDLERS as SERVING_HANDLERS
from tholos.serving.supervisor import Supervisor
from tholos.training.kinds import KINDS as TRAINING_KINDS

KINDS = (
    *HUB_KINDS,
    *MIRROR_KINDS,
    *DATA_KINDS,
    *IMPORT_KINDS,
    *TRAINING_KINDS,
    *OPTIMIZATION_KINDS,
    *EVALUATION_KINDS,
    *SCANNING_KINDS,
)
_HOUSEKEEPING_S = 600.0
log = get_logger("agent.parts")
_CHANGE_TIMEOUT_S = 1.0


class DatabaseUnusable(Unavailable):
    """The database cannot be reached, or is not one of this program's."""

    code = "database_unusable"


class Parts:
    """The agent's work on one database; ``prepare`` first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.resolved_database_url)
        self._blobs = open_blob_store(settings)

    def prepare(self) -> str | None:
        """Brings the database to today's schema; at the first start makes the administrator and returns its token.

        Raises DatabaseUnusable when the database does not answer or refuses.
        """
        try:
            migrate(self._database)
            with self._database.write() as write:
                token = create_administrator(write)
                if token is not None:
                    write_private(self._settings.admin_token_path, token + "\n")
        except DBAPIError as error:
            raise DatabaseUnusable(
                f"The database cannot be used: {error.orig}",
                next="See that it runs and that THOLOS_DATABASE_URL (or the home folder) names Tholos's own database.",
            ) from error
        return token

    def all(self, stop: asyncio.Event) -> Sequence[Callable[[], Awaitable[None]]]:
        """The parts, each to be run until ``stop``."""
        runner = JobRunner(self._settings, self._database, Kinds(KINDS), owner=_node_id(self._settings.home))
        supervisor = Supervisor(self._settings, self._database, self._blobs)
        webhooks = WebhookSender(self._settings, self._database)
        return [
            lambda: runner.run(stop),
            lambda: supervisor.run(stop),
            lambda: self._deliver_outbox(stop),
            lambda: webhooks.run(stop),
            lambda: self._keep_index(stop),
            lambda: self._keep_house(stop),
            lambda: self._sync_mirrors(stop),
        ]

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    async def _deliver_outbox(self, stop: asyncio.Event) -> None:
        rooms = (DATA_HANDLERS, IMPORT_HANDLERS, scanning.handlers(self._settings), SERVING_HANDLERS)
        with closing(Database(self._settings.resolved_database_url, pool_size=1)) as watch:
            while not stop.is_set():
                # the address is known once the gateways have their port
                handlers = combined(*rooms, watching.handlers(_base_url(self._settings)))
                await asyncio.to_thread(dispatch, self._database, handlers)
                await asyncio.to_thread(watch.wait_for_change, _CHANGE_TIMEOUT_S)

    async def _keep_index(self, stop: asyncio.Event) -> None:
        await asyncio.to_thread(hub.put_missing, self._database)
        with closing(Database(self._settings.resolved_database_url, pool_size=1)) as watch:
            while not stop.is_set():
                if not await asyncio.to_thread(hub.catch_up, self._database, self._blobs):
                    await asyncio.to_thread(watch.wait_for_change, _CHANGE_TIMEOUT_S)

    async def _sync_mirrors(self, stop: asyncio.Event) -> None:
        every_s = self._settings.mirror_sync_s
        while not stop.is_set():
            if every_s:
                await asyncio.to_thread(self._queue_due_mirrors)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(every_s or _HOUSEKEEPING_S, _HOUSEKEEPING_S))

    def _queue_due_mirrors(self) -> None:
        with self._database.write() as write:
            sync_due(write, self._settings.mirror_sync_s)

    async def _keep_house(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await asyncio.to_thread(self._blobs.sweep)
                await asyncio.to_thread(self._maintain_store)
                await asyncio.to_thread(hub.refresh_popularity, self._database)
            except Unavailable as error:  # the bucket is away: that is no reason to stop serving
                log.warning("housekeeping was put off", reason=error.message)
            await asyncio.to_thread(self._database.checkpoint)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _HOUSEKEEPING_S)

    def _maintain_store(self) -> None:
        """Starts what the settings want now and then, as jobs of the first administrator's."""
        with self._database.write() as write:
            enqueue_when_due(write, self._settings)


def _base_url(settings: Settings) -> str:
    """The address that webhooks are told this server has."""
    return settings.public_url or announced_url(settings.run_dir) or f"http://{settings.host}:{settings.port}"


def _node_id(home: Path) -> str:
    """This home's name among the nodes of a database, made at its first start."""
    path = home / "node-id"
    if not path.exists():
        write_private(path, new_id("node"))
    return path.read_text()
