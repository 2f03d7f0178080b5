"""A table that is read in batches, as often as needed: its schema is known, its rows are not all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tholos.data.errors import DataTooLarge, NoRows
from tholos.data.formats.source import Limits

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader decided that the data's owner should know: a guessed encoding, a renamed column."""

    code: str
    message: str
    path: str | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class TypedTable:
    """``read`` starts a new pass over the rows; every batch has exactly ``schema``."""

    schema: pa.Schema
    read: Callable[[], Iterator[pa.RecordBatch]]
    notes: tuple[Note, ...] = ()

    def bounded(self, limits: Limits) -> TypedTable:
        """The same table, which stops where it would grow beyond the limits and refuses to be empty.

        Raises (while being read):
            DataTooLarge: too many rows, or too many bytes unpacked.
            NoRows: there was no row at all.
        """
        return TypedTable(self.schema, lambda: _bounded(self.read(), limits), self.notes)


def _bounded(batches: Iterator[pa.RecordBatch], limits: Limits) -> Iterator[pa.RecordBatch]:
    rows = size = 0
    for batch in batches:
        rows += batch.num_rows
        size += batch.nbytes
        if rows > limits.max_rows:
            raise DataTooLarge(
                f"The data has more than {limits.max_rows:,} rows.", next="Split it into several datasets."
            )
        if size > limits.max_table_bytes:
            raise too_large_unpacked(limits)
        yield batch
    if not rows:
        raise NoRows("The data has a header but no rows.", next="Push files with at least one row.")


def too_large_unpacked(limits: Limits) -> DataTooLarge:
    """The error for data that unpacks to more than the limit."""
    return DataTooLarge(
        f"Unpacked, the data is larger than {limits.max_table_bytes:,} bytes.", next="Split it into several datasets."
    )
