"""Tables in columns (Parquet, Arrow): personal data in a sample of their texts."""

from __future__ import annotations

from typing import Final

from tholos.scanning.checks.personal import check_texts
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, Source, printable

PARQUET: Final = b"PAR1"
_ROWS: Final = 20_000
_MAX_VALUE: Final = 2000


def check_parquet(found: Inspection, source: Source) -> None:
    """A Parquet file of a data set: the first rows of its texts and whole numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source.file.seek(0)
    try:
        with pq.ParquetFile(source.file) as table:
            rows = table.metadata.num_rows
            fields = [field for field in table.schema_arrow if _is_looked_at(field.type)]
            names = [field.name for field in fields]
            if not names or not rows:
                return
            batch = next(table.iter_batches(_ROWS, columns=names, use_threads=False), None)
    except (pa.ArrowException, OSError, ValueError) as problem:
        message = f"The Parquet file cannot be read: {printable(str(problem), 160)}"
        found.find("parquet.malformed", Severity.SUSPICIOUS, message, "Write it again.", source.where)
        return
    if batch is None:
        return
    if batch.num_rows < rows:
        found.read_only(batch.num_rows / rows)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        values = (
            str(value)[:_MAX_VALUE].encode("utf-8", "replace") for value in column.to_pylist() if value is not None
        )
        check_texts(found, values, source.at(f"column {printable(name, 60)}"))


def _is_looked_at(kind: object) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_int64(kind))
