"""Pages of rows as JSON, read from the Parquet view without the rest of it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tholos.data.arrow import leave_pandas_out

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PAGE_BYTES = 16 << 20
"""A page ends early where its values take more."""

ImageCell: TypeAlias = Callable[[dict[str, Any]], Any]
"""Makes the JSON of an image from the other values of its row."""

Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows by column name. Days and moments are ISO 8601, infinities the strings "Infinity" and "-Infinity"."""

    rows: list[dict[str, Any]]
    total: int


def page_of_rows(
    path: Path, chosen: Indices | None, offset: int, limit: int, image: ImageCell, max_characters: int | None = None
) -> RowPage:
    """``limit`` rows from ``offset`` on, fewer where they are large.

    ``chosen`` are the row numbers of a subset, rising (None: all rows). Strings beyond ``max_characters`` are cut.
    """
    import pyarrow.parquet as pq

    leave_pandas_out()
    with pq.ParquetFile(path) as file:
        total = file.metadata.num_rows if chosen is None else len(chosen)
        last = min(offset + limit, total)
        wanted = np.arange(offset, last) if chosen is None else chosen[offset:last]
        starts = np.cumsum([0] + [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)])
        plain = [field.name for field in file.schema_arrow if not _is_binary(field)]
        rows: list[dict[str, Any]] = []
        room = MAX_PAGE_BYTES
        for group in np.unique(np.searchsorted(starts, wanted, side="right") - 1):
            inside = wanted[(wanted >= starts[group]) & (wanted < starts[group + 1])] - starts[group]
            table = file.read_row_group(int(group), columns=plain).take(inside)
            if fits := table.nbytes <= room:
                room -= table.nbytes
            else:
                table = table.slice(0, max(not rows, table.num_rows * room // table.nbytes))
            rows += _json_rows(table, file.schema_arrow, image, max_characters)
            if not fits:
                break
    return RowPage(rows, total)


def _is_binary(field: pa.Field) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(field.type))


def _json_rows(
    table: pa.Table, schema: pa.Schema, image: ImageCell, max_characters: int | None
) -> list[dict[str, Any]]:
    columns = {name: _json_values(table.column(name).to_pylist(), max_characters) for name in table.column_names}
    images: Sequence[str] = [field.name for field in schema if _is_binary(field)]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if not images:
        return rows
    return [{**{name: image(row) for name in images}, **row} for row in rows]


def _json_values(values: list[Any], max_characters: int | None) -> list[Any]:
    return [_json_value(value, max_characters) for value in values]


def _json_value(value: Any, max_characters: int | None) -> Any:
    match value:
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case str() if max_characters is not None and len(value) > max_characters:
            return value[:max_characters] + "…"
        case dt.date():  # a datetime is a date
            return value.isoformat().replace("+00:00", "Z")
        case _:
            return value
