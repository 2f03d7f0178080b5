"""Queries through SQLAlchemy: read only, streamed, given up on time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tholos.sdk.errors import InvalidInput, MissingLibrary, ServerUnreachable
from tholos.sdk.sql import BATCH_ROWS, CONNECT_TIMEOUT_S, deadline, require_columns, said, timed_out
from tholos.sdk.sql_tables import Spool

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_CONNECT_TIMEOUTS = {"postgresql": "connect_timeout", "mysql": "connect_timeout", "mariadb": "connect_timeout"}


def whole_table(url: str, table: str) -> str:
    """The query for all of a table, its name quoted as the database wants it."""
    quote = _engine(url).dialect.identifier_preparer.quote_identifier
    return f"select * from {'.'.join(quote(part) for part in table.split('.'))}"  # noqa: S608 - quoted


def run(url: str, query: str, spool: Spool, timeout_s: float) -> None:
    """Streams the query's rows into the spool; see ``sql.fetch`` for what it raises."""
    from sqlalchemy import exc

    engine = _engine(url)
    try:
        connection = engine.connect()
    except (exc.DBAPIError, OSError) as error:
        raise ServerUnreachable(
            f"The database does not let us in: {said(getattr(error, 'orig', None) or error)}",
            next="Check host, port, name, user and password of the URL.",
        ) from None
    try:
        with deadline(timeout_s, _canceller(connection)) as over:
            try:
                _read_only(connection, engine)
                options = {"stream_results": True, "max_row_buffer": BATCH_ROWS, "no_parameters": True}  # a % is a %
                result = connection.execution_options(**options).exec_driver_sql(query)
                if not result.returns_rows:
                    raise InvalidInput("The statement answers with no table.", next="Write a query: select …")
                names = [str(name) for name in list(result.keys())]  # a view, not a dict
                require_columns(names)
                while rows := result.fetchmany(BATCH_ROWS):
                    spool.add_rows(names, rows)
            except exc.DBAPIError as error:
                if over.is_set():
                    raise timed_out(timeout_s) from None
                raise InvalidInput(
                    f"The database refuses the query: {said(error.orig or error)}", next="Correct the query."
                ) from None
            if over.is_set():
                raise timed_out(timeout_s)
    finally:
        connection.close()
        engine.dispose()


def _engine(url: str) -> Engine:
    from sqlalchemy import create_engine, exc
    from sqlalchemy.engine import make_url
    from sqlalchemy.pool import NullPool

    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "postgresql" and parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        option = _CONNECT_TIMEOUTS.get(backend)
        arguments: dict[str, Any] = {option: CONNECT_TIMEOUT_S} if option else {}
        if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
            _require_file(str(parsed.database))
        return create_engine(parsed, poolclass=NullPool, connect_args=arguments)
    except exc.NoSuchModuleError:
        raise MissingLibrary(
            f"No driver for {url.partition(':')[0]!r} is installed.", next="Install SQLAlchemy's dialect for it."
        ) from None
    except exc.ArgumentError:
        raise InvalidInput(
            "This is not a database's URL.", next="Write it as postgresql://user:password@host/name or sqlite:///file."
        ) from None
    except ImportError as error:
        raise MissingLibrary(
            f"The driver {error.name!r} is not installed.", next=f"Run: pip install {error.name}"
        ) from None


def _require_file(path: str) -> None:
    if not path.startswith("file:") and not Path(path).is_file():
        raise InvalidInput(
            f"There is no file {path!r}.", next="Check the path: sqlite:///relative or sqlite:////absolute."
        )


def _read_only(connection: Connection, engine: Engine) -> None:
    if engine.dialect.name == "postgresql":
        connection.exec_driver_sql("set transaction read only")
    elif engine.dialect.name == "sqlite":
        connection.exec_driver_sql("pragma query_only = on")


def _canceller(connection: Connection) -> Callable[[], object]:
    driver = connection.connection.driver_connection

    def cancel() -> None:
        for name in ("interrupt", "cancel"):
            method = getattr(driver, name, None)
            if method is not None:
                method()
                return

    return cancel
