"""JSON Lines: one flat object a line, UTF-8. Fields may be absent (missing); types must agree between lines.

true, false       boolean
whole numbers     integer (within 64 bits); number if any line has a decimal one
strings           string; day or moment where every value is one (see ``inference``); "" is missing
null              missing
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tholos.data.errors import BadHeader, BrokenFile, BrokenText, DataTooLarge, MixedTypes, NoRows, UnsupportedType
from tholos.data.formats.inference import TEMPORAL_READINGS, ColumnInference
from tholos.data.formats.source import Limits, SourceFile
from tholos.data.formats.table import TypedTable

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 16_384
_BATCH_BYTES = 16 << 20
_WHOLE = range(-(2**63), 2**63)

_Rows = list[tuple[int, dict[str, Any]]]
"""Objects with the numbers of their lines."""

Kind = Literal["boolean", "integer", "number", "string"]
_KINDS: dict[type, Kind] = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(slots=True)
class _Field:
    """What is known of one field: its kind and the place that showed it first."""

    kind: Kind
    seen_in: str
    inference: ColumnInference = field(default_factory=lambda: ColumnInference(list(TEMPORAL_READINGS)))

    def arrow_type(self) -> pa.DataType:
        import pyarrow as pa

        types = {"boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64()}
        return types.get(self.kind, self.inference.reading.arrow_type)

    def convert(self, values: list[Any]) -> pa.Array:
        import pyarrow as pa

        if self.kind == "string":
            return self.inference.reading.convert(pa.array(values, pa.string()))
        if self.kind == "number":
            values = [None if value is None else float(value) for value in values]
        return pa.array(values, self.arrow_type())


def read_json_lines(sources: Sequence[SourceFile], limits: Limits) -> TypedTable:
    """The files as one table, in the order given. Fields appear in the order in which they are first seen.

    Raises:
        BrokenText, BrokenFile: not UTF-8, not JSON, not an object; with the line.
        UnsupportedType: a nested object or array, or a whole number beyond 64 bits; with line and field.
        MixedTypes: a field is of one type here and of another there.
        BadHeader, NoRows, DataTooLarge: see each class.
    """
    import pyarrow as pa

    fields: dict[str, _Field] = {}
    names: dict[str, None] = {}  # in order; a field that is null everywhere has a name and no kind
    for source in sources:
        for rows in _chunks(source, limits):
            _observe(source, rows, fields, names, limits)
    if not names:
        raise NoRows("The files hold no rows.", next="Push files with at least one object.")
    schema = pa.schema([(name, fields[name].arrow_type() if name in fields else pa.string()) for name in names])

    def read() -> Iterator[pa.RecordBatch]:
        for source in sources:
            for rows in _chunks(source, limits):
                columns = [
                    fields[name].convert([row.get(name) for _, row in rows])
                    if name in fields
                    else pa.nulls(len(rows), pa.string())
                    for name in names
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return TypedTable(schema, read)


def _observe(
    source: SourceFile, rows: _Rows, fields: dict[str, _Field], names: dict[str, None], limits: Limits
) -> None:
    import pyarrow as pa

    strings: dict[str, list[str]] = {}
    for line, row in rows:
        for name, value in row.items():
            if name not in names:
                _admit(source, line, name, names, limits)
            if value is None:
                continue
            kind = _kind(source, line, name, value)
            known = fields.get(name)
            if known is None:
                fields[name] = _Field(kind, f"{source.path!r} line {line}")
            elif known.kind != kind:
                _widen(known, kind, source, line, name)
            if kind == "string":
                strings.setdefault(name, []).append(value)
    for name, values in strings.items():
        fields[name].inference.observe(pa.array(values, pa.string()))


def _admit(source: SourceFile, line: int, name: str, names: dict[str, None], limits: Limits) -> None:
    if not name.strip():
        raise BadHeader(
            f"{source.path!r} line {line}: a field has an empty name.", next="Name every field.", path=source.path
        )
    if len(names) >= limits.max_columns:
        raise BadHeader(
            f"{source.path!r} line {line}: more than {limits.max_columns:,} different fields.",
            next="Use the same field names on every line.",
            path=source.path,
        )
    names[name] = None


def _kind(source: SourceFile, line: int, name: str, value: Any) -> Kind:
    kind = _KINDS.get(type(value))
    where = f"{source.path!r} line {line}: the field {name!r}"
    if kind is None:
        what = "an object" if isinstance(value, dict) else "an array"
        raise UnsupportedType(
            f"{where} holds {what}; rows must be flat.",
            next=f"Write one field per value, for instance {name + '.x'!r}.",
            path=source.path,
            line=line,
            field=name,
        )
    if kind == "integer" and value not in _WHOLE:
        raise UnsupportedType(
            f"{where} holds a whole number beyond 64 bits.",
            next="Write it as a string.",
            path=source.path,
            line=line,
            field=name,
        )
    return kind


def _widen(known: _Field, kind: Kind, source: SourceFile, line: int, name: str) -> None:
    if {known.kind, kind} == {"integer", "number"}:
        known.kind = "number"
        return
    raise MixedTypes(
        f"{source.path!r} line {line}: the field {name!r} is of type {kind} here but {known.kind} in {known.seen_in}.",
        next="Write the field with one type on every line; null where it is missing.",
        path=source.path,
        line=line,
        field=name,
    )


def _chunks(source: SourceFile, limits: Limits) -> Iterator[_Rows]:
    rows: _Rows = []
    size = 0
    for line, raw in _lines(source, limits):
        rows.append((line, _parse(source, line, raw)))
        size += len(raw)
        if len(rows) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _lines(source: SourceFile, limits: Limits) -> Iterator[tuple[int, bytes]]:
    with source.open() as stream:
        line = 0
        while raw := stream.readline(limits.max_record_bytes + 1):
            line += 1
            if len(raw) > limits.max_record_bytes:
                raise DataTooLarge(
                    f"{source.path!r} line {line} is longer than {limits.max_record_bytes:,} bytes.",
                    next="Write one object a line.",
                    path=source.path,
                )
            if line == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if raw.strip():
                yield line, raw


def _parse(source: SourceFile, line: int, raw: bytes) -> dict[str, Any]:
    import orjson

    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            raw.decode()
        except UnicodeDecodeError as broken:
            raise BrokenText(
                f"{source.path!r} line {line} is not UTF-8: byte {raw[broken.start]:#04x} at {broken.start}.",
                next="Save the file as UTF-8.",
                path=source.path,
                line=line,
            ) from broken
        if line == 1 and raw.lstrip().startswith(b"["):
            raise _an_array(source) from error
        raise BrokenFile(
            f"{source.path!r} line {line} is not JSON: {error.msg} at its character {error.pos + 1}.",
            next="Write one complete JSON object a line; NaN and Infinity are not JSON.",
            path=source.path,
            line=line,
        ) from error
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        raise _an_array(source)
    raise BrokenFile(
        f"{source.path!r} line {line} is not a JSON object.",
        next='Write objects with named fields, for instance {"text": "…", "label": "…"}.',
        path=source.path,
        line=line,
    )


def _an_array(source: SourceFile) -> BrokenFile:
    return BrokenFile(
        f"{source.path!r} holds a JSON array, not JSON Lines.",
        next="Write one object a line, without brackets and commas between them.",
        path=source.path,
    )
