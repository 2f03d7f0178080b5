"""The upkeep of the store that the server begins by itself, in an administrator's name."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from tholos.accounts import repository as accounts
from tholos.accounts.authorization import Actor
from tholos.hub.kinds import COLLECT, PACK
from tholos.hub.storage import packing, state
from tholos.jobs import service as jobs
from tholos.jobs.kinds import JobKind
from tholos.jobs.models import Job, JobState
from tholos.kit.clock import utcnow
from tholos.kit.database import WriteSession
from tholos.kit.settings import Settings


def enqueue_when_due(write: WriteSession, settings: Settings) -> list[Job]:
    """Jobs that collect and pack, as often as the settings want; each when none of its kind waits or runs."""
    begun = []
    if _collection_is_due(write, settings):
        begun.append(_enqueue(write, COLLECT, {"dry_run": False}, "Collect garbage"))
    if _packing_is_due(write, settings):
        begun.append(_enqueue(write, PACK, {}, "Pack the store"))
    return [job for job in begun if job is not None]


def _collection_is_due(write: WriteSession, settings: Settings) -> bool:
    finished = state.state(write).finished_at
    every = timedelta(seconds=settings.gc_every_s)
    return bool(every) and (finished is None or finished + every <= utcnow())


def _packing_is_due(write: WriteSession, settings: Settings) -> bool:
    every = timedelta(seconds=settings.pack_every_s)
    last = write.scalar(select(func.max(Job.created_at)).where(Job.kind == PACK.name))
    if not every or (last is not None and last + every > utcnow()):
        return False
    wait = timedelta(seconds=min(packing.READERS_S, settings.gc_grace_s))
    return packing.is_due(write, settings.pack_min_bytes, utcnow() - wait)


def _enqueue(write: WriteSession, kind: JobKind, payload: dict[str, bool], title: str) -> Job | None:
    pending = select(Job.id).where(Job.kind == kind.name, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    account = accounts.first_administrator(write)
    if account is None or write.scalar(pending.limit(1)) is not None:
        return None
    return jobs.enqueue(write, Actor.system(account.id, account.name, is_admin=True), kind, payload, title=title)
