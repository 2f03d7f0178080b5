"""The file formats of a dataset, and how a set of files becomes one typed table.

    CSV          comma, semicolon, tab or pipe; quoted; UTF-8, UTF-16 with a byte order mark, or GB 18030
    JSON Lines   one flat object a line
    Parquet      flat columns of numbers, strings, booleans and times
    images       a folder of image files, the last folder of a path being the class

``detect`` says which of these the files are; ``open_table`` reads them. Archives are never opened.
"""

from __future__ import annotations

from tholos.data.formats.detection import Format, data_files, detect
from tholos.data.formats.reading import open_table
from tholos.data.formats.source import DEFAULT_LIMITS, Limits, SourceFile
from tholos.data.formats.table import Note, TypedTable

__all__ = [
    "DEFAULT_LIMITS",
    "Format",
    "Limits",
    "Note",
    "SourceFile",
    "TypedTable",
    "data_files",
    "detect",
    "open_table",
]
