"""Rows of a database or warehouse, streamed into a Parquet file on this machine; the server never sees the database.

What is kept of the source never holds a password: the URL without password and options, the query, the columns.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tholos.sdk.errors import InvalidInput, MissingLibrary, ServerUnreachable, Unprocessable, WaitTimedOut

if TYPE_CHECKING:
    import pyarrow as pa

DATA_FILE = "data.parquet"
BATCH_ROWS = 20_000
CONNECT_TIMEOUT_S = 10
_ENVIRONMENT = "env:"
_CREDENTIALS = re.compile(r"://[^\s/:@'\"]+:[^\s/@'\"]+@|\bpassword\s*=\s*[^\s'\")]", re.IGNORECASE)

OnRows = Callable[[int], None]
"""Told how many rows have arrived."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows are from: all that a repetition needs, but for secrets."""

    url: str
    """Without password and options."""
    query: str

    def is_recorded(self, record: dict[str, Any] | None) -> bool:
        """Whether a card speaks of this source already."""
        return record is not None and (record["url"], record["query"]) == (self.url, self.query)

    def record(self, rows: int, schema: pa.Schema) -> dict[str, Any]:
        """What the dataset's card keeps."""
        return {
            "url": self.url,
            "query": self.query,
            "rows": rows,
            "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "columns": [{"name": field.name, "type": str(field.type)} for field in schema],
        }


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows in a file."""

    file: Path
    source: Source
    record: dict[str, Any]
    rows: int


def resolved(url: str) -> str:
    """The URL itself; ``env:NAME`` reads it from the environment, so that no secret is on a command line."""
    if not url.startswith(_ENVIRONMENT):
        return url
    name = url.removeprefix(_ENVIRONMENT)
    if not os.environ.get(name):
        raise InvalidInput(f"The environment variable {name} is not set.", next="Set it to the database's URL.")
    return os.environ[name]


def is_database(url: str) -> bool:
    """Whether a source is a database rather than the name of a sample."""
    return "://" in url or url.startswith(("duckdb:", _ENVIRONMENT))


def fetch(
    url: str, query: str, folder: Path, *, table: str = "", timeout_s: float = 0, progress: OnRows | None = None
) -> Fetched:
    """Runs a query (or takes a whole table) and writes its rows into ``folder``, a batch in memory at a time.

    Raises InvalidInput for a URL, query or result that cannot be taken, ServerUnreachable when the database does not
    answer, WaitTimedOut after ``timeout_s`` seconds (0: no limit), MissingLibrary without a driver.
    """
    full = resolved(url)
    if bool(query.strip()) == bool(table):
        raise InvalidInput("Say what to take: a query or a table, one of them.", next='--query "select …" or --table T')
    if _CREDENTIALS.search(query):
        raise InvalidInput(
            "The query holds a password, and queries are recorded with the data.",
            next="Give credentials in the URL, or to the database's own configuration.",
        )
    from tholos.sdk import sql_duckdb, sql_tables

    is_duck = full.startswith("duckdb:")
    engine = sql_duckdb if is_duck else _sqlalchemy()
    text = query.strip().rstrip(";") or engine.whole_table(full, table)
    source = Source(without_secrets(full), text)
    spool = sql_tables.Spool(folder, progress)
    with _masked(full):
        engine.run(full, text, spool, timeout_s)
    schema = spool.finish(folder / DATA_FILE)
    return Fetched(folder / DATA_FILE, source, source.record(spool.rows, schema), spool.rows)


def without_secrets(url: str) -> str:
    """The URL without password and options; where it cannot be read, only its kind."""
    if url.startswith("duckdb:"):
        return url.partition("?")[0]
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}"


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy  # noqa: F401 - whether it is there
    except ImportError:
        raise missing("SQLAlchemy") from None
    from tholos.sdk import sql_alchemy

    return sql_alchemy


def missing(library: str) -> MissingLibrary:
    """The error for a library that is not installed."""
    return MissingLibrary(
        f"Taking data from a database needs {library}.",
        next="Run: pip install 'tholos[sql]', and the database's driver.",
    )


@contextmanager
def _masked(url: str) -> Iterator[None]:
    """Takes the password out of whatever an error says."""
    password = (urlsplit(url).password or "") if "://" in url else ""
    try:
        yield
    except (InvalidInput, ServerUnreachable, Unprocessable) as error:
        if len(password) > 2 and password in error.message:
            raise type(error)(error.message.replace(password, "***"), next=error.next) from None
        raise


@contextmanager
def deadline(timeout_s: float, cancel: Callable[[], object]) -> Iterator[threading.Event]:
    """Calls ``cancel`` from another thread after so many seconds; the event says whether it did."""
    over = threading.Event()
    if timeout_s <= 0:
        yield over
        return

    def end() -> None:
        over.set()
        cancel()

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()


def timed_out(timeout_s: float) -> WaitTimedOut:
    """The error of a query that was given up."""
    return WaitTimedOut(f"The query has not ended after {timeout_s:g} seconds.", next="Narrow it, or raise --timeout.")


def said(error: BaseException) -> str:
    """The first line of what a driver says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


def require_columns(names: Sequence[str]) -> None:
    """Refuses a result that a table cannot hold. Raises InvalidInput."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or any(not name.strip() for name in names):
        what = f"two columns called {twice[0]!r}" if twice else "a column without a name"
        raise InvalidInput(f"The query answers with {what}.", next='Name each column: select a.id as "a_id", …')
