"""The node agent's part of serving: starts, heals and stops replica processes until they are what is wanted.

Level-triggered: every pass compares what the database wants with what runs, so that a missed event heals on the next.
A process is stopped only once no gateway holds its version any more: the switch is theirs to finish.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database
from tholos.kit.errors import TholosError
from tholos.kit.logs import get_logger
from tholos.kit.settings import Settings
from tholos.serving import repository
from tholos.serving.backoff import Backoff
from tholos.serving.errors import NotServable, unforeseen
from tholos.serving.models import AGENT, DeploymentVersion
from tholos.serving.placement import files_from_json, place, sweep
from tholos.serving.replica_process import Status
from tholos.serving.repository import Key, Report
from tholos.serving.sockets import replica_socket
from tholos.serving.watch import ChangeWatch

_LOOK_AGAIN_S = 2.0
_STEADY_AFTER_S = 60.0
_FALLS = 3
"""Processes in a row that may end without a word before the replica counts as failed."""
_HOPELESS_S = 1800.0
"""Seconds until a model is tried again that so many processes in a row said does not load."""
_ENVIRONMENT = frozenset(
    {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ"}
)
_ENVIRONMENT_FAMILIES = ("COVERAGE_", "MKL_", "OMP_", "OPENBLAS_")

log = get_logger("serving.supervisor")


class Supervisor:
    """Owns every replica process of a home folder. Runs on the agent's event loop."""

    def __init__(self, settings: Settings, database: Database, blobs: BlobStore) -> None:
        self._settings = settings
        self._database = database
        self._blobs = blobs
        self._keepers: dict[Key, ReplicaKeeper] = {}
        self._leaving: dict[Key, asyncio.Task[None]] = {}
        self._published: dict[Key, Report] | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Reconciles until ``stopping`` is set, then stops every process."""
        await asyncio.to_thread(self._sweep)
        watch = ChangeWatch(self._settings.resolved_database_url, at_most_s=_LOOK_AGAIN_S)
        stop = asyncio.create_task(_then_nudge(stopping, watch))
        try:
            while not stopping.is_set():
                try:
                    await self._reconcile(watch)
                except Exception:  # the database may be away; the next pass looks again
                    log.exception("a pass over the replicas failed")
                await watch.wait()
        finally:
            stop.cancel()
            await asyncio.gather(*(keeper.stop() for keeper in self._keepers.values()), *self._leaving.values())
            self._keepers.clear()
            await asyncio.to_thread(self._publish, {})
            await watch.close()

    async def _reconcile(self, watch: ChangeWatch) -> None:
        wanted, held = await asyncio.to_thread(self._look)
        for key in [key for key in self._keepers if key not in wanted and key not in held]:
            self._leaving[key] = asyncio.create_task(self._keepers.pop(key).stop())
        for key in [key for key, leaving in self._leaving.items() if leaving.done()]:
            self._leaving.pop(key).result()
        for key, version in wanted.items():
            if key not in self._keepers and key not in self._leaving:  # its socket is taken until it has left
                self._keepers[key] = ReplicaKeeper(version, self._settings, self._blobs, watch)
        reports = {key: keeper.report for key, keeper in self._keepers.items()}
        if reports != self._published:
            await asyncio.to_thread(self._publish, reports)

    def _look(self) -> tuple[dict[Key, DeploymentVersion], set[Key]]:
        with self._database.read() as read:
            wanted = {
                (version.deployment_id, version.version): version
                for _, version in repository.wanted_versions(read)
                if version.place == "process"
            }
            return wanted, repository.held_by_gateways(read, self._database.now(read))

    def _publish(self, reports: dict[Key, Report]) -> None:
        with self._database.write() as write:
            repository.publish(write, AGENT, reports, self._database.now(write))
        self._published = reports

    def _sweep(self) -> None:
        with self._database.read() as read:
            named = repository.revisions_named(read)
        if removed := sweep(self._settings.models_dir, named):
            log.info("removed model folders that nothing serves", folders=removed)


class ReplicaKeeper:
    """Keeps one replica process alive: starts it, learns whether its model loads, starts it again when it ends."""

    def __init__(self, version: DeploymentVersion, settings: Settings, blobs: BlobStore, watch: ChangeWatch) -> None:
        self._version = version
        self._settings = settings
        self._blobs = blobs
        self._watch = watch
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._log = log.bind(deployment=version.deployment_id, version=version.version)
        self.report = Report("loading")
        self._task = asyncio.create_task(self._run(), name=f"replica {version.deployment_id}-{version.version}")

    async def stop(self) -> None:
        """Has the process finish what it has taken and leave; kills it after the grace period."""
        self._stopping.set()
        if self._process is not None:
            _signal(self._process, signal.SIGTERM)
        done, _ = await asyncio.wait([self._task], timeout=self._settings.shutdown_grace_s)
        if not done:
            if self._process is not None:
                _signal(self._process, signal.SIGKILL)
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        backoff, falls, refusals = Backoff(), 0, 0
        while not self._stopping.is_set():
            started = time.monotonic()
            refused = False
            try:
                error = await self._live()
            except TholosError as problem:
                error, refused = problem.message, True
            except Exception as problem:  # a full disk, no processes left: reported, and tried again
                self._log.exception("a replica process could not be started")
                error = unforeseen(problem)
            if self._stopping.is_set():
                return
            was_ready = self.report.state == "ready"
            falls = 0 if was_ready else falls + 1
            refusals = refusals + 1 if refused else 0
            hopeful = was_ready or (not refused and falls < _FALLS)
            self._say(Report("loading" if hopeful else "failed", error))
            if was_ready and time.monotonic() - started > _STEADY_AFTER_S:
                backoff.reset()
            with suppress(TimeoutError):
                # A model that does not load costs as much each time, and will hardly ever load.
                async with asyncio.timeout(backoff.next_s() if refusals < _FALLS else _HOPELESS_S):
                    await self._stopping.wait()

    async def _live(self) -> str:
        """One life of the process, from start to end; returns how it ended. Raises NotServable."""
        version = self._version
        folder = await asyncio.to_thread(
            place, self._settings.models_dir, self._blobs, version.revision, files_from_json(version.files)
        )
        socket = replica_socket(self._settings.run_dir, version.deployment_id, version.version)
        self._process = process = await self._start(folder, socket)
        try:
            status = await self._status(process)
            if status is not None and status.ready and not self._stopping.is_set():
                self._log.info("a replica process is ready", pid=process.pid, batch_ms=status.batch_s * 1e3)
                self._say(Report("ready", pid=process.pid))
            code = await process.wait()
        finally:
            _signal(process, signal.SIGKILL)
            await process.wait()
            self._process = None
        if status is not None and not status.ready:
            self._log.warning("a model does not load", error=status.error)
            raise NotServable(status.error)
        if not self._stopping.is_set():
            self._log.warning("a replica process ended by itself", pid=process.pid, code=code)
        return f"The replica process ended by itself ({_ending(code)}); it is being started again."

    async def _start(self, folder: Path, socket: Path) -> asyncio.subprocess.Process:
        arguments = {
            "--folder": folder,
            "--socket": socket,
            "--parent": os.getpid(),
            "--queue": self._settings.replica_queue,
            "--batch-timeout": self._settings.replica_batch_timeout_s,
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "tholos.serving.replica_process"),
            *(str(word) for pair in arguments.items() for word in pair),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # a Ctrl-C is for the agent, which stops its replicas in order
        )

    async def _status(self, process: asyncio.subprocess.Process) -> Status | None:
        """The status that the process reports, or None when it ended, or took too long, without one."""
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._settings.replica_load_timeout_s):
                line = await process.stdout.readline()
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            return Status(ready=False, error="The model did not load within THOLOS_REPLICA_LOAD_TIMEOUT_S.")
        return msgspec.json.decode(line, type=Status) if line else None

    def _say(self, report: Report) -> None:
        self.report = report
        self._watch.nudge()


async def _then_nudge(stopping: asyncio.Event, watch: ChangeWatch) -> None:
    await stopping.wait()
    watch.nudge()


def _environment() -> dict[str, str]:
    """What a replica process may know of the environment: no settings of the server, and no one's secrets."""
    chosen = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_FAMILIES)
    }
    return {**chosen, "HF_HUB_OFFLINE": "1"}  # what a model's files name elsewhere is not fetched


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"{signal.Signals(-code).name}{hint}"
