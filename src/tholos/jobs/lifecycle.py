"""What the engine does to running jobs. Every function takes the claim it acts under and does nothing without it.

A job leaves ``running`` only here: by its child (complete, fail), by its runner (end_cancelled, retry_or_fail, release)
or by any runner for one that has vanished (take_over).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tholos.jobs import repository, service
from tholos.jobs.context import Publish
from tholos.jobs.errors import JobCrashed, JobLost, Superseded
from tholos.jobs.models import Job, JobState
from tholos.jobs.repository import Claim, Usage
from tholos.kit.database import Database, WriteSession
from tholos.kit.errors import TholosError

_MAX_DELAY_S = 600.0
_MAX_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Retry:
    """How long to wait before another attempt: ``delay_s`` after the first, twice that after the second, and so on."""

    delay_s: float

    def after(self, attempt: int) -> float:
        """Seconds between the end of attempt number ``attempt`` (from 1) and the next."""
        return min(_MAX_DELAY_S, self.delay_s * math.pow(2, max(0, attempt - 1)))


def begin(write: WriteSession, claim: Claim, process: str, lease_s: float) -> Job:
    """A child takes up its claim and leaves its identity. Raises Superseded."""
    if not repository.hold(write, claim, lease_s, process=process):
        raise superseded(claim)
    job = repository.get(write, claim.job_id)
    assert job is not None
    return job


def complete(write: WriteSession, claim: Claim, publish: Publish, usage: Usage, lease_s: float) -> None:
    """Publishes what a run produced and ends its job, or neither. Raises Superseded and what ``publish`` raises."""
    if not repository.hold(write, claim, lease_s):
        raise superseded(claim)
    result = service.plain_json(publish(write))
    write.flush()
    if not _finish(write, claim, JobState.SUCCEEDED, usage, result=result):
        raise superseded(claim)


def fail(write: WriteSession, claim: Claim, error: TholosError, usage: Usage) -> bool:
    """Ends a job for a reason that would recur; returns whether the claim still held."""
    return _finish(write, claim, JobState.FAILED, usage, error=describe(error))


def end_cancelled(write: WriteSession, claim: Claim, usage: Usage) -> bool:
    """Ends a job whose cancel was asked for; returns whether the claim still held."""
    return _finish(write, claim, JobState.CANCELLED, usage)


def retry_or_fail(write: WriteSession, claim: Claim, error: TholosError, usage: Usage, retry: Retry) -> bool:
    """After a run that was no fault of the work: queues the job again, or fails it when that was the last attempt.

    A job whose cancel was asked for is cancelled instead. Returns whether the claim still held.
    """
    job = repository.running(write, claim)
    if job is None:
        return False
    if job.cancel_requested_at is not None:
        return end_cancelled(write, claim, usage)
    if job.attempt >= job.max_attempts:
        return fail(write, claim, error, usage)
    delay_s = retry.after(job.attempt)
    return repository.requeue(write, claim, usage, error=describe(error), delay_s=delay_s, counted=True)


def release(write: WriteSession, claim: Claim, usage: Usage) -> bool:
    """Gives a job back as if this run had never begun, because its runner stops; returns whether the claim held."""
    job = repository.running(write, claim)
    if job is None:
        return False
    if job.cancel_requested_at is not None:
        return end_cancelled(write, claim, usage)
    return repository.requeue(write, claim, usage, error=None, delay_s=0.0, counted=False)


def take_over(database: Database, claims: list[Claim], retry: Retry) -> int:
    """Queues again (or fails) the jobs of runners that are gone; returns how many it was that did it."""
    taken = 0
    for claim in claims:
        with database.write() as write:
            taken += retry_or_fail(write, claim, lost(), Usage(), retry)
    return taken


def describe(error: TholosError) -> dict[str, str]:
    """The error as a job keeps it: ``code``, ``message`` and ``next``."""
    return {"code": error.code, "message": error.message[:_MAX_TEXT], "next": error.next[:_MAX_TEXT]}


def crashed(job_id: str, message: str) -> JobCrashed:
    """The error of work that ended by itself in a way that nobody foresaw."""
    return JobCrashed(message, next=f"See the log: tholos logs {job_id}")


def superseded(claim: Claim) -> Superseded:
    """The refusal of a run that is no longer the current one."""
    return Superseded(
        f"This run of {claim.job_id} (fence {claim.fence}) is no longer the current one; nothing of it was kept.",
        next="Nothing is to be done: the job went on without this process.",
    )


def lost() -> JobLost:
    """The error of a run whose runner is gone, or was away for longer than its lease."""
    return JobLost(
        "The server that ran the job stopped before the job ended.",
        next="Run it again with `tholos jobs retry`; if it recurs, give the job less to do or the server more memory.",
    )


def _finish(write: WriteSession, claim: Claim, state: JobState, usage: Usage, **outcome: Any) -> bool:
    if not repository.finish(write, claim, state, usage, **outcome):
        return False
    job = repository.get(write, claim.job_id)
    assert job is not None
    service.announce_end(write, job)
    return True
