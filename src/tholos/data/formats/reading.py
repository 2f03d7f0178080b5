"""A set of files as one typed table."""

from __future__ import annotations

from collections.abc import Sequence

from tholos.data.formats.columnar import read_parquet
from tholos.data.formats.delimited import read_delimited
from tholos.data.formats.detection import Format, detect
from tholos.data.formats.images import read_images
from tholos.data.formats.jsonlines import read_json_lines
from tholos.data.formats.source import DEFAULT_LIMITS, Limits, SourceFile
from tholos.data.formats.table import TypedTable


def open_table(
    files: Sequence[SourceFile], limits: Limits = DEFAULT_LIMITS, *, skip_corrupt_images: bool = False
) -> TypedTable:
    """The files, of one format and with the same columns, as one table in the order given.

    Column types are Arrow's: float64, int64, string, bool, date32, timestamp[us] (UTC where the data has a zone), and
    binary for images. Missing values are null; a number is never NaN.

    Raises:
        a subclass of TholosError from ``data.errors`` for anything that is wrong with the files; some of them only
        while the table is being read.
    """
    match detect(files):
        case Format.CSV:
            table = read_delimited(files, limits)
        case Format.JSON_LINES:
            table = read_json_lines(files, limits)
        case Format.PARQUET:
            table = read_parquet(files, limits)
        case Format.IMAGES:
            table = read_images(files, limits, skip_corrupt=skip_corrupt_images)
    return table.bounded(limits)
