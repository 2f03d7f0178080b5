"""The outbox: a domain says what happened in the transaction in which it happened, and later domains hear of it.

``emit`` writes a row beside the change itself, so either both exist or neither. The node agent's dispatcher then runs
every handler of the row's topic in a transaction that also removes the row: a handler that writes only to the database
takes effect exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.clock import utcnow
from tholos.kit.database import Base, Database, Json, UtcDateTime, WriteSession
from tholos.kit.ids import new_id
from tholos.kit.logs import get_logger

Handler = Callable[[WriteSession, dict[str, Any]], None]
Handlers = Mapping[str, Sequence[Handler]]
"""Topic to the handlers that hear it, in order."""


def combined(*rooms: Handlers) -> Handlers:
    """The handlers of several rooms; of one topic they run in the order of the rooms."""
    topics = dict.fromkeys(topic for room in rooms for topic in room)
    return {topic: tuple(handler for room in rooms for handler in room.get(topic, ())) for topic in topics}


_MAX_FAILURES = 5
log = get_logger("kit.outbox")


class OutboxRow(Base):
    """One thing that happened and that not every handler has heard of yet."""

    __tablename__ = "outbox"
    __table_args__ = (
        # The dispatcher asks for nothing else.
        Index("ix_outbox_pending", "failures", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def emit(write: WriteSession, topic: str, payload: dict[str, Any]) -> None:
    """Says, in this transaction, that something happened. ``payload`` is small JSON: ids, not contents."""
    write.add(OutboxRow(id=new_id("evt"), topic=topic, payload=payload, created_at=utcnow()))


def dispatch(database: Database, handlers: Handlers) -> int:
    """Delivers every pending row, oldest first; returns how many were delivered.

    A row whose handler fails stays, with the reason and a count; after five failures it is left for the operator.
    """
    with database.read() as read:
        pending = list(
            read.scalars(select(OutboxRow.id).where(OutboxRow.failures < _MAX_FAILURES).order_by(OutboxRow.id))
        )
    return sum(_deliver(database, handlers, row_id) for row_id in pending)


def _deliver(database: Database, handlers: Handlers, row_id: str) -> bool:
    try:
        with database.write() as write:
            row = write.get(OutboxRow, row_id)
            if row is None:
                return False
            for handler in handlers.get(row.topic, ()):
                handler(write, row.payload)
            write.execute(delete(OutboxRow).where(OutboxRow.id == row_id))
    except Exception as error:  # one bad row must not stop the others; it is kept and counted
        log.exception("outbox row failed", row=row_id)
        with database.write() as write:
            write.execute(
                update(OutboxRow)
                .where(OutboxRow.id == row_id)
                .values(failures=OutboxRow.failures + 1, error=f"{type(error).__name__}: {error}")
            )
        return False
    return True
