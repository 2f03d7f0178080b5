"""Queries through DuckDB: a DuckDB file, or Parquet, CSV and JSON files by name, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tholos.sdk.errors import InvalidInput
from tholos.sdk.sql import BATCH_ROWS, deadline, missing, require_columns, said, timed_out
from tholos.sdk.sql_tables import Spool

if TYPE_CHECKING:
    import duckdb


def whole_table(_url: str, table: str) -> str:
    """The query for all of a table."""
    return "select * from " + ".".join('"{}"'.format(part.replace('"', '""')) for part in table.split("."))  # noqa: S608


def run(url: str, query: str, spool: Spool, timeout_s: float) -> None:
    """Streams the query's rows into the spool; see ``sql.fetch`` for what it raises."""
    try:
        import duckdb
    except ImportError:
        raise missing("duckdb") from None
    import pyarrow as pa

    try:
        connection = _connection(url)
    except duckdb.Error as error:
        raise InvalidInput(f"DuckDB cannot open it: {said(error)}", next="Check that it is a DuckDB file.") from None
    with connection, deadline(timeout_s, connection.interrupt) as over:
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1:
                raise InvalidInput("One query is taken, not several statements.", next="Write one query: select …")
            relation = connection.sql(query)
            if relation is None:
                raise InvalidInput("The statement answers with no table.", next="Write a query: select …")
            reader: pa.RecordBatchReader = relation.to_arrow_reader(BATCH_ROWS)
            require_columns(reader.schema.names)
            for field in reader.schema:
                spool.arrow_type(field.name, field.type)
            for batch in reader:
                spool.add_table(pa.Table.from_batches([batch]))
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if over.is_set():
                raise timed_out(timeout_s) from None
            raise InvalidInput(f"DuckDB refuses the query: {said(error)}", next="Correct the query.") from None


def _connection(url: str) -> duckdb.DuckDBPyConnection:
    """``duckdb:///relative.duckdb``, ``duckdb:////absolute.duckdb``, or ``duckdb:`` for no database at all."""
    import duckdb

    path = url.partition("?")[0].removeprefix("duckdb:").removeprefix("//")
    path = path.removeprefix("/") if url.startswith("duckdb://") else path
    if not path or path == ":memory:":
        return duckdb.connect(":memory:")
    if not Path(path).is_file():
        raise InvalidInput(
            f"There is no file {path!r}.", next="Check the path: duckdb:///relative or duckdb:////absolute."
        )
    return duckdb.connect(path, read_only=True)
