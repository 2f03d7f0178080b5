"""What the job tests share: a view of the queue, and a runner on the test's own event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select, update

from tholos.accounts.authorization import Actor
from tholos.accounts.models import AuditEntry
from tholos.jobs import repository, service
from tholos.jobs.folders import log_path
from tholos.jobs.kinds import JobKind
from tholos.jobs.models import Direction, Job, JobState
from tholos.jobs.runner import JobRunner
from tholos.kit.database import Database
from tholos.kit.outbox import OutboxRow
from tholos.kit.settings import Settings

DEADLINE_S = 60.0
POLL_S = 0.05


async def until(condition: Callable[[], object]) -> None:
    """Waits for something that must happen."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(POLL_S)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _number(path: Path) -> int:
    """The number in a file; 0 until it is written."""
    return int(path.read_text() or 0) if path.exists() else 0


class Queue:
    """The queue as ada sees it."""

    def __init__(self, settings: Settings, database: Database, actor: Actor) -> None:
        self.settings = settings
        self.database = database
        self.actor = actor

    def enqueue(self, kind: JobKind, **payload: Any) -> str:
        with self.database.write() as write:
            return service.enqueue(write, self.actor, kind, payload, title=kind.name).id

    def get(self, job_id: str) -> Job:
        with self.database.read() as read:
            return service.get(read, self.actor, job_id)

    def cancel(self, job_id: str) -> Job:
        with self.database.write() as write:
            return service.cancel(write, self.actor, job_id)

    def let_lease_run_out(self, job_id: str) -> None:
        """Makes the lease of a running job end now, as if its runner had said nothing for its length."""
        with self.database.write() as write:
            write.execute(update(Job).where(Job.id == job_id).values(lease_until=repository.database_now(-1.0)))

    async def until(self, job_id: str, condition: Callable[[Job], bool]) -> Job:
        """The job, once the condition holds."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition(job := self.get(job_id)):
            assert time.monotonic() < deadline, (
                f"{job.kind} is {job.state}; {job.step!r}; {job.error}; {self.log(job_id)}"
            )
            await asyncio.sleep(POLL_S)
        return job

    async def until_ended(self, job_id: str) -> Job:
        return await self.until(job_id, lambda job: job.state.ended)

    async def until_working(self, job_id: str, pid_file: Path) -> int:
        """Waits until the work itself runs; returns its process id."""
        await self.until(job_id, lambda job: job.state is JobState.RUNNING)
        await until(lambda: _number(pid_file))
        return _number(pid_file)

    def ended(self) -> int:
        """How many jobs have ended."""
        with self.database.read() as read:
            return read.scalar(select(func.count()).select_from(Job).where(Job.finished_at.is_not(None))) or 0

    def log(self, job_id: str) -> str:
        path = log_path(self.settings.jobs_dir, job_id)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def scratch(self, job_id: str) -> list[Path]:
        return list((log_path(self.settings.jobs_dir, job_id).parent / "work").glob("*"))

    def effects(self, job_id: str) -> int:
        """How often the job's effect was published; the two traces of it must agree."""
        query = select(func.count()).select_from(AuditEntry)
        with self.database.read() as read:
            counted = read.scalar(query.where(AuditEntry.action == "sample.effect", AuditEntry.subject == job_id)) or 0
        outputs = [edge for edge in self.get(job_id).edges if edge.direction is Direction.OUTPUT]
        assert len(outputs) == min(counted, 1)
        return counted

    def announced_ends(self) -> list[tuple[str, str]]:
        """(job id, state) of every ``job.ended`` in the outbox, oldest first."""
        with self.database.read() as read:
            rows = read.scalars(select(OutboxRow).where(OutboxRow.topic == "job.ended").order_by(OutboxRow.id))
            return [(row.payload["job_id"], row.payload["state"]) for row in rows]


class RunningRunner:
    """A runner on the test's event loop."""

    def __init__(self, runner: JobRunner) -> None:
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(runner.run(self._stop))

    async def stop(self) -> None:
        """Stops it and waits for it; raises what it raised."""
        self._stop.set()
        await self._task
