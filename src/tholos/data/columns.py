"""Column types, and how an Arrow table carries them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tholos.data.errors import ColumnNotFound

if TYPE_CHECKING:
    import pyarrow as pa

_TYPE_KEY = b"tholos.type"


class ColumnType(StrEnum):
    """What a column's values are, as pages and training see them."""

    NUMBER = "number"
    """float64; may be infinite, never NaN (that is missing)."""
    INTEGER = "integer"
    """int64."""
    STRING = "string"
    """Short strings: categories, names, codes."""
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    """A day (date32) or a moment (timestamp in microseconds; UTC when the data names a zone)."""
    TEXT = "text"
    """Strings that are mostly different and several words long."""
    IMAGE = "image"
    """The bytes of an image file."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset: ``arrow`` is the Arrow type's own name, for instance ``timestamp[us]``."""

    name: str
    type: ColumnType
    arrow: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Column:
        return cls(value["name"], ColumnType(value["type"]), value["arrow"])


def column_type(field: pa.Field) -> ColumnType:
    """The type that a field of a table from ``view.load`` was given, or the one that its Arrow type implies."""
    import pyarrow as pa

    if field.metadata and _TYPE_KEY in field.metadata:
        return ColumnType(field.metadata[_TYPE_KEY].decode())
    implied = {
        pa.float64(): ColumnType.NUMBER,
        pa.int64(): ColumnType.INTEGER,
        pa.bool_(): ColumnType.BOOLEAN,
        pa.binary(): ColumnType.IMAGE,
    }
    if field.type in implied:
        return implied[field.type]
    return ColumnType.DATETIME if pa.types.is_temporal(field.type) else ColumnType.STRING


def typed_field(field: pa.Field, kind: ColumnType) -> pa.Field:
    """The field with its column type written into its metadata."""
    return field.with_metadata({_TYPE_KEY: kind.value.encode()})


def require_column(name: str, names: Iterable[str]) -> str:
    """The name itself if it is a column. Raises ColumnNotFound, which names the nearest ones."""
    names = list(names)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or [
        each for each in names if each.casefold() == name.casefold()
    ]
    hint = f"Did you mean {' or '.join(repr(each) for each in near)}?" if near else "Choose one of its columns."
    shown = ", ".join(repr(each) for each in names[:20]) + (", …" if len(names) > 20 else "")
    raise ColumnNotFound(
        f"There is no column {name!r}; the data has {shown}.", next=hint, column=name, near=near, columns=names[:200]
    )
