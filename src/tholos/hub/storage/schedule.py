"""Garbage collection that the server begins by itself."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from tholos.accounts import repository as accounts
from tholos.accounts.authorization import Actor
from tholos.hub.kinds import COLLECT
from tholos.hub.storage import state
from tholos.jobs import service as jobs
from tholos.jobs.models import Job, JobState
from tholos.kit.clock import utcnow
from tholos.kit.database import WriteSession


def enqueue_when_due(write: WriteSession, every_s: float) -> Job | None:
    """A job that collects, when the last one ended so long ago and none waits or runs; in an administrator's name."""
    finished = state.state(write).finished_at
    if finished is not None and finished + timedelta(seconds=every_s) > utcnow():
        return None
    pending = select(Job.id).where(Job.kind == COLLECT.name, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    account = accounts.first_administrator(write)
    if account is None or write.scalar(pending.limit(1)) is not None:
        return None
    actor = Actor.system(account.id, account.name, is_admin=True)
    return jobs.enqueue(write, actor, COLLECT, {"dry_run": False}, title="Collect garbage")
