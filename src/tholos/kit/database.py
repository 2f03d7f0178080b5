"""The database: SQLite (WAL) or PostgreSQL behind one small door.

Two session types, so that the type checker refuses a read session where a write is meant. On SQLite a write takes the
file's writer lock at its start (``BEGIN IMMEDIATE``) behind a fair lock of our own, a thread lock and then ``flock``:
SQLite's own busy handler sleeps and is unfair, and a plain ``BEGIN`` that reads before it writes fails with "database
is locked" whatever the timeout (docs/decisions/0002).

A write transaction hashes nothing, calls nobody, starts no child, and lasts milliseconds.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import JSON, DateTime, Dialect, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

_POLL_S = 0.04
_MAPPED_BYTES = 0x7FFF0000  # the most that SQLite allows
_POSTGRES_POLL_S = 0.2
_IMMEDIATE = "tholos_immediate"
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = JSON(none_as_null=True)
"""Column type of a JSON value; Python's None is SQL's NULL."""


NAMES_CONTENT: Final = {"names_content": True}
"""``info`` of a column that names content by its SHA-256, in text or anywhere in JSON, without a foreign key to it:
garbage collection then keeps that content."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on either database; a naive one is a programming error."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a naive datetime cannot be stored"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of every table; constraint names are fixed so that migrations can name them."""


Base.metadata.naming_convention = _NAMES


class ReadSession(Session):
    """A consistent snapshot; writing through it fails."""


class WriteSession(ReadSession):
    """A transaction that holds the database's writer lock (SQLite). It can do all that a ReadSession can."""


class Database:
    """Sessions on one database. One per process; made after any fork."""

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        self._url = make_url(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            path = Path(cast("str", self._url.database))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer_lock: _WriterLock | None = _WriterLock(path.with_name(path.name + ".writer"))
            self.engine = create_engine(
                self._url, poolclass=QueuePool, pool_size=pool_size, max_overflow=64, connect_args={"timeout": 30}
            )
            _make_wal(self.engine)
        else:
            self._writer_lock = None
            self.engine = create_engine(self._url, pool_size=pool_size, max_overflow=64, pool_pre_ping=True)
        self._watch: Any = None

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """A read transaction. Objects stay usable after it ends."""
        with ReadSession(self.engine, expire_on_commit=False, autoflush=False) as session:
            event.listen(session, "before_flush", _refuse_flush)
            yield session

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        with self._writer_lock or nullcontext(), WriteSession(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection(execution_options={_IMMEDIATE: True})  # begins the transaction
            yield session
            session.commit()  # anything raised before this line leaves by the session's close, which rolls back

    def wait_for_change(self, timeout_s: float) -> bool:
        """Blocks until some connection has changed the database, or the time is over.

        Returns whether a change was seen. On PostgreSQL it may say so when there was none: callers look again anyway.
        Use from one thread at a time per Database.
        """
        deadline = time.monotonic() + timeout_s
        if not self.is_sqlite:
            time.sleep(min(timeout_s, _POSTGRES_POLL_S))
            return True
        if self._watch is None:
            connection = self.engine.raw_connection()
            connection.detach()
            self._watch = connection.dbapi_connection
            self._seen = self._data_version()
            return True
        while (version := self._data_version()) == self._seen:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        self._seen = version
        return True

    def _data_version(self) -> int:
        # SQLite's own counter of commits by other connections; reading it costs microseconds.
        return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def now(self, session: ReadSession) -> datetime:
        """The database's own clock, which leases are measured by."""
        if self.is_sqlite:
            stamp = session.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
            return datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        return cast("datetime", session.execute(text("SELECT clock_timestamp()")).scalar_one()).astimezone(UTC)

    def checkpoint(self) -> None:
        """Folds SQLite's write-ahead log back into the database file, which long readers let grow."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def close(self) -> None:
        """Closes every connection."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self.engine.dispose()


def storable(text: str) -> bool:
    """Whether either database takes the text: it holds no NUL and no lone surrogate."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def insert(write: WriteSession, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can carry ON CONFLICT."""
    # The two dialects spell it alike but share no class; importing the other would cost each process 30 ms or more.
    if write.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


class _WriterLock:
    """First come, first served among this process's threads, then among processes by ``flock``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread_lock = threading.Lock()
        self._descriptor = -1

    def __enter__(self) -> None:
        self._thread_lock.acquire()
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._thread_lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._thread_lock.release()


def _make_wal(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power failure
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 30000")
        # Pages are read out of the system's cache without a call for each: a search looks at ten thousand of them.
        cursor.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _refuse_flush(session: Session, *_: object) -> None:
    if session.new or session.dirty or session.deleted:
        msg = "a ReadSession cannot write"
        raise RuntimeError(msg)
