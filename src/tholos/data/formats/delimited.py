"""CSV: separated by comma, semicolon, tab or pipe, with a header, quoted as in RFC 4180. Empty lines are skipped.

Two passes, each in blocks: the first finds the type of every column, the second converts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from tholos.data.errors import BrokenFile, DataTooLarge, MixedColumns, RaggedRow
from tholos.data.formats.csvfile import CsvFile, open_csv
from tholos.data.formats.inference import ALL_READINGS, MARKERS, ColumnInference, Reading
from tholos.data.formats.source import Limits, SourceFile
from tholos.data.formats.table import Note, TypedTable

if TYPE_CHECKING:
    import pyarrow as pa


def read_delimited(sources: Sequence[SourceFile], limits: Limits) -> TypedTable:
    """The files as one table, in the order given; they must have the same column names, in any order.

    Raises:
        BrokenText, BadHeader, RaggedRow, MixedColumns, NoRows, BrokenFile, DataTooLarge: see each class.
    """
    import pyarrow as pa

    files = [open_csv(source, limits) for source in sources]
    names = files[0].names
    for other in files[1:]:
        _require_same_columns(files[0], other)
    readings, notes = _infer(files, names, limits)
    schema = pa.schema([(name, reading.arrow_type) for name, reading in zip(names, readings, strict=True)])

    def read() -> Iterator[pa.RecordBatch]:
        for file in files:
            for batch in _batches(file, limits):
                columns = [reading.convert(batch.column(name)) for name, reading in zip(names, readings, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return TypedTable(schema, read, (*(note for file in files for note in file.notes), *notes))


def _infer(files: Sequence[CsvFile], names: Sequence[str], limits: Limits) -> tuple[list[Reading], list[Note]]:
    # Where a comma separates fields it cannot also be the decimal mark.
    comma_separates = any(file.delimiter == "," for file in files)
    allowed = [each for each in ALL_READINGS if not (comma_separates and each is Reading.DECIMAL_COMMA)]
    inferences = {name: ColumnInference(list(allowed)) for name in names}
    for file in files:
        for batch in _batches(file, limits):
            for name in names:
                inferences[name].observe(batch.column(name))
    notes = [
        Note(
            "ambiguous_comma",
            f"The values of {name!r} may be decimals or whole numbers with thousands separators; kept as strings.",
            column=name,
        )
        for name in names
        if inferences[name].is_ambiguous_comma
    ]
    return [inferences[name].reading for name in names], notes


def _require_same_columns(first: CsvFile, other: CsvFile) -> None:
    missing = [name for name in first.names if name not in other.names]
    extra = [name for name in other.names if name not in first.names]
    if not missing and not extra:
        return
    parts = [f"lacks {missing[0]!r}"] if missing else []
    parts += [f"adds {extra[0]!r}"] if extra else []
    raise MixedColumns(
        f"The files of a dataset have the same columns, but {other.source.path!r} {' and '.join(parts)} "
        f"compared with {first.source.path!r}.",
        next="Give all files the same header, or push them as separate datasets.",
        path=other.source.path,
        missing=missing[:20],
        extra=extra[:20],
    )


def _batches(file: CsvFile, limits: Limits) -> Iterator[pa.RecordBatch]:
    """The rows as strings, block by block; unquoted markers and empty fields are null."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    read_options = arrow_csv.ReadOptions(
        use_threads=False,
        block_size=limits.max_record_bytes,
        skip_rows=file.blank_lines,
        column_names=list(file.names),
        skip_rows_after_names=1,
        # Arrow drops UTF-8's byte order mark by itself; everything else Python decodes for it.
        encoding="utf8" if file.text.encoding == "utf-8-sig" else file.text.encoding,
    )
    parse_options = arrow_csv.ParseOptions(
        delimiter=file.delimiter, newlines_in_values=True, invalid_row_handler=refuse
    )
    convert_options = arrow_csv.ConvertOptions(
        column_types={name: pa.string() for name in file.names},
        null_values=list(MARKERS),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        with file.source.open() as stream:
            yield from arrow_csv.open_csv(stream, read_options, parse_options, convert_options)
    except pa.ArrowInvalid as error:
        _explain(file, ragged, error, limits)


def _explain(file: CsvFile, ragged: Sequence[Any], error: pa.ArrowInvalid, limits: Limits) -> NoReturn:
    path = file.source.path
    if ragged:
        row = ragged[0]
        line = file.ragged_line() or row.number
        raise RaggedRow(
            f"{path!r} line {line}: the row has {row.actual_columns} fields where the header has "
            f"{row.expected_columns}: {row.text[:80]!r}.",
            next="Repair that line; put a value that holds the delimiter in double quotes.",
            path=path,
            line=line,
            expected=row.expected_columns,
            actual=row.actual_columns,
        ) from error
    if "straddling" in str(error):
        raise DataTooLarge(
            f"{path!r} has a row of more than {limits.max_record_bytes:,} bytes.",
            next="Shorten its values, or close the quote that opens it.",
            path=path,
        ) from error
    raise BrokenFile(f"{path!r} cannot be parsed as CSV: {error}.", next="Repair the file.", path=path) from error
