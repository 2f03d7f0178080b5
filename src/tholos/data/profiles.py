"""The profile of a dataset: what a page shows of it and what training reads before it starts.

Computed from the Parquet view column by column, so that it needs the memory of one column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from tholos.data.columns import Column, ColumnType, column_type
from tholos.data.figures import ColumnProfile, describe, is_text
from tholos.data.formats import Note

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_DUPLICATES_BYTES = 512 << 20
_MOSTLY = 0.5
_IMBALANCE = 0.9
_FEW = 30
_ID_ROWS = 20


class DataWarning(TypedDict):
    """Something about the data that one should know before training on it.

    Codes: all_missing, mostly_missing, constant, id_like, imbalance, infinite, duplicate_rows; and what reading the
    files decided: encoding, delimiter, blank_header, ambiguous_comma, corrupt_image.
    """

    code: str
    message: str
    column: str | None
    path: str | None


class Profile(TypedDict):
    """The whole dataset."""

    format: int
    """Version of this shape: 1."""
    rows: int
    duplicate_rows: int | None
    """Rows that repeat an earlier row exactly (images: an earlier image); null where the data is too large to tell."""
    columns: list[ColumnProfile]
    warnings: list[DataWarning]


def profile(
    view: Path, notes: Sequence[Note] = (), progress: Callable[[float, str], None] = lambda *_: None
) -> Profile:
    """Profiles a Parquet file as ``formats`` writes it.

    ``notes`` become warnings; ``progress`` is told a fraction and a step.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(view) as file:
        rows = file.metadata.num_rows
        columns = []
        for position, name in enumerate(file.schema_arrow.names):
            progress(position / len(file.schema_arrow), f"profile of column {name}")
            columns.append(_column(file, name))
        duplicates = _duplicate_rows(file, columns, rows)
    warnings = [warning for column in columns for warning in _warnings(column, rows)]
    if duplicates:
        warnings.append(_warning("duplicate_rows", f"{duplicates:,} of {rows:,} rows repeat an earlier row."))
    warnings += [{"code": n.code, "message": n.message, "column": n.column, "path": n.path} for n in notes]
    return {"format": 1, "rows": rows, "duplicate_rows": duplicates, "columns": columns, "warnings": warnings}


def columns_of(profiled: Profile) -> list[Column]:
    """The columns with the types that the profile found."""
    return [Column(each["name"], ColumnType(each["type"]), each["arrow"]) for each in profiled["columns"]]


def _column(file: pq.ParquetFile, name: str) -> ColumnProfile:
    column = file.read(columns=[name]).column(0)
    field = file.schema_arrow.field(name)
    values = column.drop_null()
    kind = column_type(field)
    if kind is ColumnType.STRING and is_text(values):
        kind = ColumnType.TEXT
    head: ColumnProfile = {
        "name": name,
        "type": kind.value,
        "arrow": str(field.type),
        "missing": column.null_count,
    }
    return head | describe(kind, values)


def _duplicate_rows(file: pq.ParquetFile, columns: Sequence[ColumnProfile], rows: int) -> int | None:
    for column in columns:
        if column["type"] == ColumnType.IMAGE.value:
            return rows - column["distinct"]
    groups = range(file.num_row_groups)
    if sum(file.metadata.row_group(group).total_byte_size for group in groups) > _DUPLICATES_BYTES:
        return None
    table = file.read()
    different = table.group_by(table.column_names).aggregate([([], "count_all")])
    return rows - int(different.num_rows)


def _warnings(column: ColumnProfile, rows: int) -> list[DataWarning]:
    name, missing, distinct = column["name"], column["missing"], column["distinct"]
    if missing == rows:
        return [_warning("all_missing", f"The column {name!r} has no values at all.", name)]
    found = []
    if missing > _MOSTLY * rows:
        found.append(_warning("mostly_missing", f"{missing:,} of {rows:,} values of {name!r} are missing.", name))
    if distinct == 1 and not missing:
        found.append(_warning("constant", f"The column {name!r} has the same value in every row.", name))
    if _looks_like_id(column, rows):
        found.append(_warning("id_like", f"The column {name!r} numbers or names the rows: leave it out.", name))
    if column.get("infinite"):
        found.append(_warning("infinite", f"{column['infinite']:,} values of {name!r} are infinite.", name))
    present = rows - missing
    if column["type"] in ("string", "boolean") and 1 < distinct <= _FEW:
        first = column["top"][0]
        if first["count"] >= _IMBALANCE * present:
            share = 100 * first["count"] / present
            found.append(
                _warning("imbalance", f"{share:.1f} % of the values of {name!r} are {first['value']!r}.", name)
            )
    return found


def _looks_like_id(column: ColumnProfile, rows: int) -> bool:
    if rows < _ID_ROWS or column["distinct"] != rows:
        return False
    if column["type"] == "string":
        return True
    low, high = column.get("minimum"), column.get("maximum")
    return column["type"] == "integer" and isinstance(low, int) and isinstance(high, int) and high - low == rows - 1


def _warning(code: str, message: str, column: str | None = None) -> DataWarning:
    return {"code": code, "message": message, "column": column, "path": None}
