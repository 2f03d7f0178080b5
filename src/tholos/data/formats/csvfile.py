"""A CSV file before its rows are read: encoding, delimiter, header, and where something is wrong with it.

The standard library's parser is used for these, since it knows line numbers; Arrow reads the rows.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from tholos.data.errors import BadHeader, BrokenFile, NoRows
from tholos.data.formats.encodings import TextInfo, examine
from tholos.data.formats.source import Limits, SourceFile
from tholos.data.formats.table import Note

DELIMITERS = ("\t", ";", "|", ",")
"""In the order in which they win a tie: the rarer a character is in ordinary text, the more it says."""

_NAMES = {"\t": "tabs", ";": "semicolons", "|": "pipes", ",": "commas"}
_SAMPLE_CHARACTERS = 256 * 1024
_SAMPLE_RECORDS = 200
_SENTINEL = "\x00end"


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file whose encoding, delimiter and header are known."""

    source: SourceFile
    text: TextInfo
    delimiter: str
    names: tuple[str, ...]
    blank_lines: int
    """Empty lines before the header."""
    notes: tuple[Note, ...] = ()

    def ragged_line(self) -> int | None:
        """The line on which the first record starts that has not one field per column."""
        with _text(self.source, self.text) as stream:
            for line, record in _numbered(stream, self.delimiter):
                if record and len(record) != len(self.names):
                    return line
        return None


def open_csv(source: SourceFile, limits: Limits) -> CsvFile:
    """Looks at the whole text once and at its header.

    Raises:
        BrokenText: no known encoding.
        NoRows: an empty file, or only a header.
        BadHeader: names that repeat, or too many columns. Columns without a name are called by their position.
        BrokenFile: a quote that is never closed.
    """
    text = examine(source)
    with _text(source, text) as stream:
        sample = stream.read(_SAMPLE_CHARACTERS)
    content = sample.lstrip("\r\n")
    if not content.strip():
        raise NoRows(f"{source.path!r} is empty.", next="Push a file with a header and rows.", path=source.path)
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_record_bytes))
    delimiter = sniff_delimiter(content)
    records = _numbered(io.StringIO(content, newline=""), delimiter)
    _, header = next(records)
    if len(sample) < _SAMPLE_CHARACTERS and not any(record for _, record in records):
        raise NoRows(f"{source.path!r} has a header but no rows.", next="Push a file with rows.", path=source.path)
    names, header_notes = _names(source, header, limits)
    if text.quotes % 2:  # also a stray quote inside an unquoted value, which is allowed
        _refuse_open_quote(source, text, delimiter)
    notes = [*text.notes, *header_notes]
    if delimiter != ",":
        notes.append(Note("delimiter", f"{source.path!r} is separated by {_NAMES[delimiter]}.", source.path))
    blank_lines = len(sample[: len(sample) - len(content)].splitlines())
    return CsvFile(source, text, delimiter, names, blank_lines, tuple(notes))


def sniff_delimiter(sample: str) -> str:
    """The delimiter that splits the header and gives most rows as many fields as the header has; else a comma."""
    scores = []
    for rank, delimiter in enumerate(DELIMITERS):
        widths = _sample_widths(sample, delimiter)
        if widths and widths[0] > 1:
            agreeing = sum(width == widths[0] for width in widths) / len(widths)
            scores.append((agreeing, widths[0], -rank, delimiter))
    return max(scores)[-1] if scores else ","


def _sample_widths(sample: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    records = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    while len(widths) < _SAMPLE_RECORDS and (record := next(records, None)) is not None:
        if record:
            widths.append(len(record))
    if len(widths) > 1 and len(sample) >= _SAMPLE_CHARACTERS:
        widths.pop()  # the last record of a sample may be cut off
    return widths


def _names(source: SourceFile, header: Sequence[str], limits: Limits) -> tuple[tuple[str, ...], list[Note]]:
    if len(header) > limits.max_columns:
        raise BadHeader(
            f"{source.path!r} has {len(header):,} columns; at most {limits.max_columns:,} are allowed.",
            next="Keep the columns you need.",
            path=source.path,
        )
    names = tuple(given.strip() or f"column_{position}" for position, given in enumerate(header, start=1))
    notes = [
        Note("blank_header", f"Column {position} has no name; it is called {name!r}.", source.path, name)
        for position, (given, name) in enumerate(zip(header, names, strict=True), start=1)
        if not given.strip()
    ]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        positions = ", ".join(str(at) for at, name in enumerate(names, start=1) if name == repeated[0])
        raise BadHeader(
            f"{source.path!r} names the column {repeated[0]!r} more than once (columns {positions}).",
            next="Give every column a name of its own.",
            path=source.path,
            repeated=repeated[:20],
        )
    return names, notes


def _refuse_open_quote(source: SourceFile, text: TextInfo, delimiter: str) -> None:
    """Arrow takes an unclosed quote for one long value; here it would swallow a last line that is added."""

    def lines(stream: IO[str]) -> Iterator[str]:
        ended = True
        for line in stream:
            ended = line.endswith(("\n", "\r"))
            yield line
        yield _SENTINEL if ended else "\n" + _SENTINEL

    try:
        with _text(source, text) as stream:
            *_, (line, record) = _numbered(lines(stream), delimiter)
    except csv.Error as error:
        raise BrokenFile(
            f"{source.path!r} holds a quote that is never closed, or a very long value.",
            next="Close the quote or shorten the value.",
            path=source.path,
        ) from error
    if record != [_SENTINEL]:
        raise BrokenFile(
            f"{source.path!r} line {line}: a double quote is opened and never closed.",
            next='Close the quote; write a quote inside a quoted value twice ("").',
            path=source.path,
            line=line,
        )


def _numbered(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which each starts, empty lines included."""
    reader = csv.reader(lines, delimiter=delimiter)
    line = 1
    for record in reader:
        yield line, record
        line = reader.line_num + 1


def _text(source: SourceFile, text: TextInfo) -> IO[str]:
    return io.TextIOWrapper(source.open(), encoding=text.encoding, newline="")
