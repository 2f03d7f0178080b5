"""What one gateway process serves, brought level with what the database wants.

The new version of a deployment is loaded beside the old one; the switch is one assignment; the old one answers what it
has begun and is closed when its last caller has gone. A version that does not load leaves the old one serving.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tholos.kit.blobs import BlobStore
from tholos.kit.errors import TholosError
from tholos.kit.logs import get_logger
from tholos.kit.settings import Settings
from tholos.runtimes import ModelDescription
from tholos.serving.backoff import Backoff
from tholos.serving.errors import DeploymentFailed, DeploymentStarting, unforeseen
from tholos.serving.models import Deployment, DeploymentVersion
from tholos.serving.placement import files_from_json, place
from tholos.serving.replica import InlineReplica, ProcessReplica, Replica
from tholos.serving.repository import Key, Report
from tholos.serving.sockets import replica_socket
from tholos.tasks.signature import Signature

_LAST_SECOND_S = 1.0

log = get_logger("gateway.fleet")


class Served:
    """One loaded version, counted by the requests that use it."""

    def __init__(self, version: DeploymentVersion, signature: Signature, replica: Replica) -> None:
        self.key: Key = (version.deployment_id, version.version)
        self.model = version.model
        self.revision = version.revision
        self.signature = signature
        self.has_images = any(field.dtype == "image" for field in signature.inputs)
        self.replica = replica
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps the model loaded for the length of the block."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                self._unused.set()

    async def drain(self) -> None:
        """Waits for the last user, then closes; when cancelled, closes at once.

        Nobody new can come: this is no longer anyone's current version.
        """
        try:
            await self._unused.wait()
        finally:
            await self.replica.close()


@dataclass(slots=True)
class _Slot:
    """A deployment in this process."""

    wanted: DeploymentVersion | None
    current: Served | None = None
    loading: asyncio.Task[None] | None = None
    failed: tuple[int, str] | None = None
    """The version that did not load, and why."""
    retry_at: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class Fleet:
    """Every deployment of this gateway process. Used from its event loop only."""

    def __init__(self, settings: Settings, blobs: BlobStore, threads: Executor, on_change: Callable[[], None]) -> None:
        """``threads`` run batches too long for the loop; ``on_change`` is called when ``reports`` say something new."""
        self._settings = settings
        self._blobs = blobs
        self._threads = threads
        self._on_change = on_change
        self._slots: dict[str, _Slot] = {}
        self._draining: dict[Served, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def reconcile(
        self, wanted: Sequence[tuple[Deployment, DeploymentVersion]], processes: Mapping[Key, Report]
    ) -> None:
        """One pass: begins to load what is wanted and not here, lets go of what is not wanted any more."""
        by_id = {version.deployment_id: version for _, version in wanted}
        for deployment_id in self._slots.keys() - by_id.keys():
            self._release(deployment_id)
        for deployment_id, version in by_id.items():
            slot = self._slots.setdefault(deployment_id, _Slot(version))
            if slot.wanted is None or slot.wanted.version != version.version:
                slot.wanted, slot.failed, slot.retry_at, slot.backoff = version, None, 0.0, Backoff()
            if slot.loading is None and (slot.current is None or slot.current.key[1] != version.version):
                self._begin(slot, slot.wanted, processes)
        self._wake()

    async def serving(self, deployment_id: str, version: int) -> Served:
        """What answers for a deployment now; waits for one that is starting, up to THOLOS_PREDICT_START_WAIT_S.

        ``version`` is the one that the caller knows to be wanted. Raises DeploymentStarting and DeploymentFailed.
        """
        deadline = time.monotonic() + self._settings.predict_start_wait_s
        while True:
            slot = self._slots.get(deployment_id)
            if slot is not None and slot.current is not None:
                return slot.current
            if slot is not None and slot.failed is not None and slot.failed[0] >= version:
                raise DeploymentFailed(
                    next="Its owner finds the reason in the deployment's state, and can deploy another revision."
                )
            changed = self._changed
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await changed.wait()
            except TimeoutError:
                raise DeploymentStarting(next="Repeat the request after the time in Retry-After.") from None

    def reports(self) -> dict[Key, Report]:
        """What this process holds: versions that load, serve, have failed or drain."""
        reports = {served.key: Report("ready") for served in self._draining}
        for deployment_id, slot in self._slots.items():
            if slot.current is not None:
                reports[slot.current.key] = Report("ready")
            if slot.wanted is None:
                continue
            key = (deployment_id, slot.wanted.version)
            if slot.failed is not None and slot.failed[0] == key[1]:
                reports[key] = Report("failed", slot.failed[1])
            elif key not in reports:
                reports[key] = Report("loading")
        return reports

    async def close(self, grace_s: float) -> None:
        """Lets go of everything; requests in flight get ``grace_s`` seconds, then fail with ReplicaLost."""
        pending = {slot.loading for slot in self._slots.values() if slot.loading is not None}
        for deployment_id in list(self._slots):
            self._release(deployment_id)
        pending.update(self._draining.values())
        if pending:
            _, pending = await asyncio.wait(pending, timeout=grace_s)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=_LAST_SECOND_S)

    def _begin(self, slot: _Slot, version: DeploymentVersion, processes: Mapping[Key, Report]) -> None:
        if version.place == "process":
            report = processes.get((version.deployment_id, version.version))
            if report is None or report.state != "ready":
                # The agent starts the process and says why it cannot.
                slot.failed = (version.version, report.error) if report and report.state == "failed" else None
                return
        if time.monotonic() >= slot.retry_at:
            slot.loading = asyncio.create_task(self._load(slot, version), name=f"load {version.deployment_id}")

    async def _load(self, slot: _Slot, version: DeploymentVersion) -> None:
        error = ""
        try:
            served = await self._served(version)
        except TholosError as problem:
            error = problem.message
        except Exception as problem:  # a full disk, a bug: the old version goes on serving, and this one is tried again
            log.exception("a version could not be loaded", deployment=version.deployment_id, version=version.version)
            error = unforeseen(problem)
        slot.loading = None
        if error:
            log.warning("a version does not load", deployment=version.deployment_id, error=error)
            if slot.wanted is version:  # else something newer is wanted, which has not failed
                slot.failed = (version.version, error)
                slot.retry_at = time.monotonic() + slot.backoff.next_s()
        elif slot.wanted is None:
            self._retire(served)
        else:
            # Even where something newer is wanted by now: this is newer than what serves.
            old, slot.current = slot.current, served
            if slot.wanted is version:
                slot.failed, slot.retry_at = None, 0.0
            log.info("a version is served", deployment=version.deployment_id, version=version.version)
            if old is not None:
                self._retire(old)
        self._wake()
        self._on_change()

    async def _served(self, version: DeploymentVersion) -> Served:
        files = files_from_json(version.files)
        folder = await asyncio.to_thread(place, self._settings.models_dir, self._blobs, version.revision, files)
        model = await asyncio.to_thread(ModelDescription.read, folder)
        replica: Replica
        if version.place == "process":
            replica = ProcessReplica(replica_socket(self._settings.run_dir, version.deployment_id, version.version))
        else:
            replica = InlineReplica(folder, self._threads)
        await replica.load()
        return Served(version, model.signature, replica)

    def _release(self, deployment_id: str) -> None:
        slot = self._slots.pop(deployment_id)
        slot.wanted = None
        if slot.current is not None:
            self._retire(slot.current)
            slot.current = None

    def _retire(self, served: Served) -> None:
        async def drain() -> None:
            try:
                await served.drain()
            finally:
                del self._draining[served]
                self._on_change()

        self._draining[served] = asyncio.create_task(drain(), name=f"drain {served.key}")

    def _wake(self) -> None:
        """Lets everyone who waits for a deployment to start look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
