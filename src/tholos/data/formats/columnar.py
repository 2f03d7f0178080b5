"""Parquet with flat columns, read in batches whose unpacked size is known before they are unpacked.

integers, up to 64 bits        integer (uint64 where the values fit)
floats, decimals               number (NaN is missing)
strings, dictionaries of them  string ("" is missing)
booleans, dates, timestamps    as they are; times of day, durations, lists, structs and bytes are refused by name
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tholos.data.errors import BadHeader, BrokenFile, DataTooLarge, MixedColumns, UnsupportedType
from tholos.data.formats.source import Limits, SourceFile
from tholos.data.formats.table import TypedTable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 32_768


def read_parquet(sources: Sequence[SourceFile], limits: Limits) -> TypedTable:
    """The files as one table, in the order given; columns must agree in name and type.

    Raises:
        BrokenFile, BadHeader, UnsupportedType, MixedColumns, DataTooLarge: see each class.
    """
    schemas = [_schema(source, limits) for source in sources]
    schema = schemas[0]
    for source, other in zip(sources[1:], schemas[1:], strict=True):
        _require_same(sources[0], schema, source, other)

    def read() -> Iterator[pa.RecordBatch]:
        for source in sources:
            yield from _batches(source, schema, limits)

    return TypedTable(schema, read)


def _schema(source: SourceFile, limits: Limits) -> pa.Schema:
    import pyarrow as pa

    with _opened(source) as file:
        given = file.schema_arrow
    if len(given) > limits.max_columns:
        raise BadHeader(
            f"{source.path!r} has {len(given):,} columns; at most {limits.max_columns:,} are allowed.",
            next="Keep the columns you need.",
            path=source.path,
        )
    for name in given.names:
        if not name.strip() or given.names.count(name) > 1:
            raise BadHeader(
                f"{source.path!r} has {'an empty column name' if not name.strip() else f'two columns named {name!r}'}.",
                next="Give every column a name of its own.",
                path=source.path,
            )
    return pa.schema([(field.name, _plain_type(source, field)) for field in given])


def _plain_type(source: SourceFile, field: pa.Field) -> pa.DataType:
    import pyarrow as pa
    from pyarrow import types

    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    if types.is_boolean(kind):
        return pa.bool_()
    if types.is_integer(kind):
        return pa.int64()
    if types.is_floating(kind) or types.is_decimal(kind):
        return pa.float64()
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind):
        return pa.string()
    if types.is_date(kind):
        return pa.date32()
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    raise UnsupportedType(
        f"{source.path!r}: the column {field.name!r} has the type {kind}, which a dataset cannot hold.",
        next="Leave the column out, or write it as numbers, strings, booleans or times; push images as files.",
        path=source.path,
        column=field.name,
        type=str(kind),
    )


def _require_same(first: SourceFile, schema: pa.Schema, source: SourceFile, other: pa.Schema) -> None:
    if dict(zip(schema.names, schema.types, strict=True)) == dict(zip(other.names, other.types, strict=True)):
        return
    differing = [
        name
        for name in dict.fromkeys([*schema.names, *other.names])
        if name not in schema.names or name not in other.names or schema.field(name).type != other.field(name).type
    ]
    raise MixedColumns(
        f"The files of a dataset have the same columns, but {source.path!r} and {first.path!r} differ in "
        f"{differing[0]!r}.",
        next="Give all files the same columns with the same types.",
        path=source.path,
        differing=differing[:20],
    )


def _batches(source: SourceFile, schema: pa.Schema, limits: Limits) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    # Strings stay dictionaries until their unpacked size is known: one long value repeated a million times is small
    # in the file and huge in memory.
    strings = [name for name, kind in zip(schema.names, schema.types, strict=True) if kind == pa.string()]
    with _opened(source, strings) as file:
        _require_rows_bounded(source, file, limits)
        rows = _BATCH_ROWS
        for batch in file.iter_batches(batch_size=rows, columns=schema.names):
            _require_small(source, batch, limits)
            yield pa.RecordBatch.from_arrays(
                [_plain(source, name, batch.column(name), schema.field(name).type) for name in schema.names],
                schema=schema,
            )


def _require_rows_bounded(source: SourceFile, file: pq.ParquetFile, limits: Limits) -> None:
    if file.metadata.num_rows > limits.max_rows:
        raise DataTooLarge(
            f"{source.path!r} says it has {file.metadata.num_rows:,} rows; at most {limits.max_rows:,} are allowed.",
            next="Split it into several datasets.",
            path=source.path,
        )


def _require_small(source: SourceFile, batch: pa.RecordBatch, limits: Limits) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    size = 0
    for column in batch.columns:
        if not pa.types.is_dictionary(column.type):
            size += column.nbytes
            continue
        lengths = pc.binary_length(column.dictionary.cast(pa.large_string()))
        longest = pc.max(lengths).as_py() or 0
        if longest > limits.max_record_bytes:
            raise DataTooLarge(
                f"{source.path!r} holds a value of {longest:,} bytes; at most {limits.max_record_bytes:,} are allowed.",
                next="Shorten the value.",
                path=source.path,
            )
        size += pc.sum(pc.take(lengths, column.indices).cast(pa.int64())).as_py() or 0
    if size > limits.max_batch_bytes:
        raise DataTooLarge(
            f"{source.path!r} unpacks to {size:,} bytes for {batch.num_rows:,} rows; at most "
            f"{limits.max_batch_bytes:,} are allowed.",
            next="Shorten the values.",
            path=source.path,
        )


def _plain(source: SourceFile, name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        # Timestamps lose what is finer than a microsecond; everything else must convert without loss.
        values = column.cast(kind, safe=not pa.types.is_timestamp(kind))
    except pa.ArrowInvalid as error:
        raise UnsupportedType(
            f"{source.path!r}: the column {name!r} of type {column.type} holds values beyond {kind}: {error}.",
            next="Write the column as strings.",
            path=source.path,
            column=name,
        ) from error
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    if pa.types.is_string(kind):
        return pc.if_else(pc.equal(values, ""), pa.scalar(None, kind), values)
    return values


@contextmanager
def _opened(source: SourceFile, dictionaries: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source.file, read_dictionary=list(dictionaries)) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BrokenFile(
            f"{source.path!r} is not a whole Parquet file: {str(error).splitlines()[0]}",
            next="Write the file again.",
            path=source.path,
        ) from error
