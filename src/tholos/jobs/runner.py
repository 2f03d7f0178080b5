"""The runner: takes jobs from the queue and runs each in a child process. Part of the node agent."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress

from sqlalchemy.exc import SQLAlchemyError

from tholos.jobs import lifecycle, repository
from tholos.jobs.attempt import Attempt, Bounds, Ending, Report
from tholos.jobs.errors import JobOutOfMemory, JobTimedOut
from tholos.jobs.folders import AttemptLog, JobFolder
from tholos.jobs.forks import ForkServer
from tholos.jobs.kinds import JobKind, Kinds
from tholos.jobs.lifecycle import Retry
from tholos.jobs.models import Job
from tholos.jobs.processes import ProcessIdentity, kill_left_over, memory_of, sessions
from tholos.jobs.repository import Claim, Pulse, Usage
from tholos.kit.clock import isoformat, utcnow
from tholos.kit.database import Database, WriteSession
from tholos.kit.errors import TholosError
from tholos.kit.hardware import memory_bytes
from tholos.kit.logs import get_logger
from tholos.kit.settings import Settings

_WAIT_S = 0.5
_BEAT_S = 1.0
_LOOK_S = 0.2
_TROUBLE_S = 1.0
_SHARE_OF_MEMORY = 0.8
log = get_logger("jobs")


class JobRunner:
    """Runs jobs of the given kinds, ``slots`` at a time, and beside them THOLOS_BACKGROUND_SLOTS in the background.

    ``owner`` names this runner in the database. A runner with the same name may start only when the former one is dead
    (one agent per home sees to that), for it takes over that one's jobs and kills what is left of its children.
    """

    def __init__(
        self, settings: Settings, database: Database, kinds: Kinds, *, owner: str, slots: int | None = None
    ) -> None:
        self._settings = settings
        self._database = database
        self._kinds = kinds
        self._owner = owner
        self._slots = slots or settings.job_slots
        self._retry = Retry(settings.job_retry_delay_s)
        environment = {**os.environ, **settings.environment()}
        self._forks = ForkServer(environment, (kind.module for kind in kinds))
        self._attempts: dict[Claim, Attempt] = {}
        self._urgent = asyncio.Event()
        self._closing = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until ``stop``; then kills its children, gives their jobs back to the queue and returns.

        Call it in the main thread. It lives through a database that goes away for a while.
        """
        await asyncio.to_thread(self._recover)
        self._closing.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._repeat(self._beat, self._between_beats))
                tasks.create_task(self._repeat(self._look, lambda: self._pause(_LOOK_S)))
                tasks.create_task(self._repeat(self._sweep, lambda: self._pause(self._settings.job_lease_s / 3)))
                children = await self._claim_until(stop, tasks)
                for attempt in self._attempts.values():
                    attempt.end(Ending.STOPPED)
                await asyncio.gather(*children)
                self._closing.set()
                self._urgent.set()
        finally:
            self._forks.close()  # after a fault of our own it takes its children along: none outlives its runner

    # -- taking jobs

    async def _claim_until(self, stop: asyncio.Event, tasks: asyncio.TaskGroup) -> set[asyncio.Task[None]]:
        """Starts jobs as they come and slots allow; returns the tasks that attend to those still running."""
        children: set[asyncio.Task[None]] = set()
        with closing(Database(self._settings.resolved_database_url, pool_size=1)) as watch:
            while not stop.is_set():
                try:
                    while (kinds := self._open_to()) and not stop.is_set():
                        attempt = await self._start_next(kinds)
                        if attempt is None:
                            break
                        child = tasks.create_task(self._attend(attempt))
                        children.add(child)
                        child.add_done_callback(children.discard)
                    await asyncio.to_thread(watch.wait_for_change, _WAIT_S)
                except SQLAlchemyError:
                    log.exception("the job runner cannot reach the database; it tries again")
                    await self._pause(_TROUBLE_S)
                except OSError:
                    log.exception("the fork server of jobs could not be started; the job runner tries again")
                    await self._pause(_TROUBLE_S)
        return children

    def _open_to(self) -> tuple[str, ...]:
        """The kinds for which a place is free."""
        behind = sum(attempt.background for attempt in self._attempts.values())
        front = len(self._attempts) - behind
        return (
            *(self._kinds.of(background=False) if front < self._slots else ()),
            *(self._kinds.of(background=True) if behind < self._settings.background_slots else ()),
        )

    async def _start_next(self, kinds: Sequence[str]) -> Attempt | None:
        """Claims a job of these kinds and starts its child; None when there is none, or it could not be started."""
        due = await asyncio.to_thread(self._next_due, kinds)
        if due is None:
            return None
        self._forks.start()  # before the claim, whose lease is running from then on
        await asyncio.to_thread(self._forks.load, self._kinds.get(due).libraries)
        job = await asyncio.to_thread(self._claim, kinds)
        if job is None:
            return None
        kind = self._kinds.get(job.kind)
        folder = JobFolder(self._settings.jobs_dir, job.id, job.fence)
        attempt_log: AttemptLog | None = None
        try:
            attempt_log = await asyncio.to_thread(self._open_files, folder, job)
            attempt = Attempt(Claim(job.id, job.fence), self._bounds(kind), folder, attempt_log, self._urgent.set)
            attempt.background = kind.background
            attempt.start(self._forks, kind)
        except OSError as error:
            log.exception("a job's process could not be started", job=job.id)
            if attempt_log is not None:
                attempt_log.close()
            reason = lifecycle.crashed(job.id, f"The job's process could not be started: {error}.")
            await asyncio.to_thread(self._give_up, Claim(job.id, job.fence), reason)
            return None
        self._attempts[attempt.claim] = attempt
        log.info("job started", job=job.id, kind=job.kind, attempt=job.attempt, pid=attempt.pid)
        return attempt

    def _next_due(self, kinds: Sequence[str]) -> str | None:
        with self._database.read() as read:
            return repository.next_due(read, kinds)

    def _claim(self, kinds: Sequence[str]) -> Job | None:
        with self._database.write() as write:
            return repository.claim(write, self._owner, kinds, self._settings.job_lease_s)

    def _open_files(self, folder: JobFolder, job: Job) -> AttemptLog:
        folder.prepare()
        header = f"{job.kind} · attempt {job.attempt} of {job.max_attempts} · {isoformat(utcnow())}"
        return AttemptLog(folder.log, header, self._settings.job_log_max_bytes)

    def _bounds(self, kind: JobKind) -> Bounds:
        settings = self._settings
        memory_mb = kind.limits.memory_mb or settings.job_memory_mb
        return Bounds(
            time_s=kind.limits.time_s or settings.job_time_s,
            memory_bytes=memory_mb << 20 if memory_mb else int(memory_bytes() * _SHARE_OF_MEMORY),
            lease_s=settings.job_lease_s,
            kill_grace_s=settings.job_kill_grace_s,
        )

    def _give_up(self, claim: Claim, reason: TholosError) -> None:
        with self._database.write() as write:
            lifecycle.retry_or_fail(write, claim, reason, Usage(), self._retry)

    # -- what happens again and again

    async def _repeat(self, step: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]) -> None:
        while not self._closing.is_set():
            try:
                await step()
            except SQLAlchemyError:
                log.exception("the job runner cannot reach the database; it tries again")
                await self._pause(_TROUBLE_S)
            await pause()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _between_beats(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._urgent.wait(), min(_BEAT_S, self._settings.job_lease_s / 4))

    async def _beat(self) -> None:
        """Renews all leases and records all progress in one transaction, which also brings back the cancels."""
        self._urgent.clear()
        reports = [(attempt, attempt.take_report()) for attempt in self._attempts.values() if not attempt.over]
        if not reports:
            return
        asked_at = asyncio.get_running_loop().time()
        try:
            pulses = await asyncio.to_thread(self._record, [report for _, report in reports])
        except BaseException:
            for attempt, report in reports:
                attempt.give_back(report)
            raise
        for (attempt, report), pulse in zip(reports, pulses, strict=True):
            attempt.acknowledge(report)
            match pulse:
                case Pulse.RENEWED | Pulse.CANCEL:
                    attempt.renewed(asked_at)
                    if pulse is Pulse.CANCEL:
                        attempt.end(Ending.CANCELLED)
                case Pulse.ENDED:
                    attempt.let_go()
                case Pulse.LOST:
                    attempt.end(Ending.LEASE_LOST)

    def _record(self, reports: list[Report]) -> list[Pulse]:
        with self._database.write() as write:
            return [self._record_one(write, report) for report in reports]

    def _record_one(self, write: WriteSession, report: Report) -> Pulse:
        repository.record_metrics(write, report.claim, report.points)
        return repository.heartbeat(
            write,
            report.claim,
            self._settings.job_lease_s,
            fraction=report.progress.fraction,
            step=report.progress.step,
            peak_memory_bytes=report.peak_memory_bytes,
        )

    async def _look(self) -> None:
        """Measures what the children use and holds them to their limits."""
        if attempts := list(self._attempts.values()):
            used = await asyncio.to_thread(_measure, {attempt.pid for attempt in attempts})
            for attempt in attempts:
                attempt.enforce(used[attempt.pid])

    async def _sweep(self) -> None:
        """Takes up the jobs of runners that have stopped answering for them."""
        if not self._attempts:
            self._forks.rest()
        if claims := await asyncio.to_thread(self._expired):
            log.warning("jobs whose runner is gone go back to the queue", jobs=[claim.job_id for claim in claims])
            await asyncio.to_thread(lifecycle.take_over, self._database, claims, self._retry)

    def _expired(self) -> list[Claim]:
        with self._database.read() as read:
            # Our own are not gone: the next beat renews them, or learns that someone else has them.
            return [claim for claim in repository.expired(read) if claim not in self._attempts]

    # -- the end of a child, and of a runner

    async def _attend(self, attempt: Attempt) -> None:
        """Waits for a child's end and concludes it."""
        await attempt.exited()
        usage = await asyncio.to_thread(attempt.reap)
        report = attempt.take_report()
        log.info("job's process ended", job=attempt.claim.job_id, status=attempt.status, reason=attempt.ending)
        while True:
            try:
                await asyncio.to_thread(self._conclude, attempt, report, usage)
                break
            except SQLAlchemyError:
                log.exception("the end of a job's process could not be recorded", job=attempt.claim.job_id)
                if attempt.lease_over or attempt.ending is Ending.STOPPED:
                    break  # whoever comes next finds the lease expired, or this runner's orphan
                await self._pause(_TROUBLE_S)
        del self._attempts[attempt.claim]
        try:
            await asyncio.to_thread(attempt.close)
        except OSError:
            log.exception("a job's scratch folder could not be removed", job=attempt.claim.job_id)

    def _conclude(self, attempt: Attempt, report: Report, usage: Usage) -> None:
        """Ends the job's run if its child has not done so itself, as one that succeeds or fails does."""
        claim = attempt.claim
        with self._database.write() as write:
            repository.record_metrics(write, claim, report.points)
            match attempt.ending:
                case Ending.CANCELLED:
                    lifecycle.end_cancelled(write, claim, usage)
                case Ending.STOPPED:
                    lifecycle.release(write, claim, usage)
                case Ending.TIMED_OUT:
                    lifecycle.fail(write, claim, _timed_out(attempt.bounds), usage)
                case Ending.OUT_OF_MEMORY:
                    lifecycle.fail(write, claim, _out_of_memory(attempt), usage)
                case Ending.LEASE_LOST:
                    lifecycle.retry_or_fail(write, claim, lifecycle.lost(), usage, self._retry)
                case None:
                    reason = lifecycle.crashed(claim.job_id, _how_it_ended(attempt.status))
                    lifecycle.retry_or_fail(write, claim, reason, usage, self._retry)

    def _recover(self) -> None:
        """Takes up what the former runner of this name has left: its jobs, its processes, its scratch folders."""
        with self._database.read() as read:
            orphans = repository.run_by(read, self._owner)
        for job in orphans:
            if job.process is not None and kill_left_over(ProcessIdentity.parse(job.process)):
                log.warning("killed what a former runner had left running", job=job.id, process=job.process)
        claims = [Claim(job.id, job.fence) for job in orphans]
        lifecycle.take_over(self._database, claims, self._retry)
        for claim in claims:
            JobFolder(self._settings.jobs_dir, claim.job_id, claim.fence).clear()


def _measure(leaders: set[int]) -> dict[int, int]:
    return {leader: memory_of(pids) for leader, pids in sessions(leaders).items()}


def _timed_out(bounds: Bounds) -> JobTimedOut:
    return JobTimedOut(
        f"The job ran longer than its limit of {bounds.time_s:g} seconds.",
        next="Give it less to do, or have the operator raise the limit (THOLOS_JOB_TIME_S).",
    )


def _out_of_memory(attempt: Attempt) -> JobOutOfMemory:
    needed, limit = attempt.peak_memory_bytes / (1 << 20), attempt.bounds.memory_bytes / (1 << 20)
    return JobOutOfMemory(
        f"The job needed more than {needed:,.0f} MiB of memory; its limit is {limit:,.0f} MiB.",
        next="Use fewer rows or a smaller model, or have the operator raise the limit (THOLOS_JOB_MEMORY_MB).",
    )


def _how_it_ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "The job's process was killed (SIGKILL); perhaps the machine ran out of memory."
    if status < 0:
        return f"The job's process was killed by {signal.Signals(-status).name}."
    return f"The job's process ended with exit code {status} and left no result."
