"""Who collects, how far back, and in which generation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from tholos.hub.freshness import STATE_ID
from tholos.hub.models import CollectionState
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession
from tholos.kit.errors import Conflict
from tholos.kit.ids import new_id

_LEASE: Final = timedelta(minutes=10)


class CollectionRunning(Conflict):
    """Another garbage collection is running."""

    code = "collection_running"


def state(read: ReadSession) -> CollectionState:
    """The one row."""
    return read.scalars(select(CollectionState).where(CollectionState.id == STATE_ID)).one()


def begin(database: Database, grace_s: float) -> tuple[str, datetime, datetime]:
    """Takes the lease and moves the horizon: returns the holder, the horizon and when the generation began.

    It ends after every commit that was landing: what those hold is seen by whoever looks afterwards. Raises
    CollectionRunning.
    """
    with database.write() as write:
        row = _taken(write)
        row.horizon = max(row.horizon, utcnow() - timedelta(seconds=grace_s))
        return str(row.holder), row.horizon, row.generation_at


def lease(database: Database) -> str:
    """Takes the lease so that nothing is collected until `end`; returns the holder. Raises CollectionRunning."""
    with database.write() as write:
        return str(_taken(write).holder)


def keep(write: WriteSession, holder: str) -> None:
    """Renews the lease, in a transaction that collects. Raises CollectionRunning when another has taken it."""
    mine = (CollectionState.id == STATE_ID, CollectionState.holder == holder)
    renewed = update(CollectionState).where(*mine).values(held_until=utcnow() + _LEASE).returning(CollectionState.id)
    if write.scalar(renewed) is None:
        raise CollectionRunning("This collection was taken for dead and another has begun.", next="Let that one work.")


def new_generation(database: Database, holder: str) -> int:
    """Begins a new generation of the Xet store: clients that come from now on know nothing of what they sent before."""
    with database.write() as write:
        keep(write, holder)
        row = _locked(write)
        row.generation += 1
        row.generation_at = utcnow()
        return row.generation


def end(database: Database, holder: str, *, finished: bool) -> None:
    """Lets the lease go."""
    with database.write() as write:
        row = _locked(write)
        if row.holder == holder:
            row.holder = None
            if finished:
                row.finished_at = utcnow()


def _taken(write: WriteSession) -> CollectionState:
    now, row = utcnow(), _locked(write)
    if row.holder is not None and row.held_until > now:
        raise CollectionRunning(
            next="Wait until it, or the backup under way, has ended: `tholos jobs list --kind hub.collect`."
        )
    row.holder, row.held_until = new_id("gc"), now + _LEASE
    return row


def _locked(write: WriteSession) -> CollectionState:
    query = select(CollectionState).where(CollectionState.id == STATE_ID).with_for_update()
    return write.scalars(query.execution_options(populate_existing=True)).one()
