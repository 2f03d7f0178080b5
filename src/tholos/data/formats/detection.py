"""Which files of a revision are data, and in which format."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePosixPath

from tholos.data.errors import BrokenFile, MixedFormats, NotData, UnsupportedFile
from tholos.data.formats.source import SourceFile

SPLITS_FOLDER = "splits"


class Format(StrEnum):
    """A format that ``open_table`` reads."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    IMAGES = "images"


_BY_SUFFIX = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON_LINES,
    ".parquet": Format.PARQUET,
    ".png": Format.IMAGES,
    ".jpg": Format.IMAGES,
    ".jpeg": Format.IMAGES,
    ".webp": Format.IMAGES,
    ".bmp": Format.IMAGES,
    ".gif": Format.IMAGES,
    ".tif": Format.IMAGES,
    ".tiff": Format.IMAGES,
    ".ppm": Format.IMAGES,
    ".pgm": Format.IMAGES,
}
_DOCUMENTS = frozenset({".md", ".rst", ".txt", ".cff", ".bib", ".pdf", ".html"})
_DOCUMENT_NAMES = frozenset({"license", "licence", "copying", "notice", "authors", "citation", "makefile"})

_UNPACK = "Unpack it and push the files themselves: Tholos opens no archives."
_SUGGESTION = {
    ".zip": _UNPACK,
    ".tar": _UNPACK,
    ".tgz": _UNPACK,
    ".7z": _UNPACK,
    ".rar": _UNPACK,
    ".gz": _UNPACK,
    ".bz2": _UNPACK,
    ".xz": _UNPACK,
    ".zst": _UNPACK,
    ".xlsx": "Save the sheet as CSV and push that.",
    ".xls": "Save the sheet as CSV and push that.",
    ".ods": "Save the sheet as CSV and push that.",
    ".pkl": "A pickle can run code when it is read, so it is never opened: write CSV, JSON Lines or Parquet.",
    ".pickle": "A pickle can run code when it is read, so it is never opened: write CSV, JSON Lines or Parquet.",
    ".joblib": "A pickle can run code when it is read, so it is never opened: write CSV, JSON Lines or Parquet.",
    ".npy": "Write the array as CSV or Parquet.",
    ".npz": "Write the arrays as CSV or Parquet.",
    ".feather": "Write the table as Parquet.",
    ".arrow": "Write the table as Parquet.",
}
_PUSH_DATA = "Push CSV, JSON Lines or Parquet files, or a folder of images by class."

# What files begin with, whatever their name says. An archive named data.csv must not be read as text.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (b"PK\x05\x06", "a ZIP archive", _UNPACK),
    (b"\x1f\x8b", "gzip-compressed", _UNPACK),
    (b"BZh", "bzip2-compressed", _UNPACK),
    (b"\xfd7zXZ\x00", "xz-compressed", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstandard-compressed", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"PAR1", "a Parquet file", "Give it the ending .parquet."),
    (b"\x89PNG\r\n", "a PNG image", "Push images in folders named by class."),
    (b"\xff\xd8\xff", "a JPEG image", "Push images in folders named by class."),
    (b"\x80\x02", "a pickle", _SUGGESTION[".pkl"]),
    (b"\x80\x03", "a pickle", _SUGGESTION[".pkl"]),
    (b"\x80\x04", "a pickle", _SUGGESTION[".pkl"]),
    (b"\x80\x05", "a pickle", _SUGGESTION[".pkl"]),
    (b"%PDF-", "a PDF", _PUSH_DATA),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "Save the sheet as CSV and push that."),
)


def is_data(path: str) -> bool:
    """Whether a path of a dataset repo is data rather than documentation, settings or a split."""
    parts = PurePosixPath(path).parts
    name = PurePosixPath(path)
    return not (
        any(part.startswith(".") for part in parts)
        or parts[0] == SPLITS_FOLDER
        or name.suffix.lower() in _DOCUMENTS
        or (not name.suffix and name.name.lower() in _DOCUMENT_NAMES)
    )


def data_files(paths: Sequence[str]) -> list[str]:
    """The paths that are data, in path order (by code point), which is the order of their rows."""
    return sorted(path for path in paths if is_data(path))


def detect(files: Sequence[SourceFile]) -> Format:
    """The one format of these files.

    Raises:
        NotData: there is no file.
        UnsupportedFile: a file is an archive, a pickle, or in no known format; the message says what to do.
        MixedFormats: the files are of different formats.
        BrokenFile: a file is plainly something else than its name says.
    """
    if not files:
        raise NotData("The dataset holds no data files yet.", next=_PUSH_DATA)
    first: dict[Format, str] = {}
    for source in files:
        first.setdefault(_format_of(source), source.path)
    if len(first) > 1:
        found = " and ".join(f"{path!r} ({kind.value})" for kind, path in first.items())
        raise MixedFormats(
            f"A dataset is of one format, but this one holds {found}.",
            next="Keep the files of one format and push the others to a dataset of their own.",
            found={kind.value: path for kind, path in first.items()},
        )
    return next(iter(first))


def _format_of(source: SourceFile) -> Format:
    suffix = PurePosixPath(source.path).suffix.lower()
    if (kind := _BY_SUFFIX.get(suffix)) is None:
        raise UnsupportedFile(
            f"The file {source.path!r} is in no format that can be read as data.",
            next=_SUGGESTION.get(suffix, _PUSH_DATA),
            path=source.path,
        )
    if kind in (Format.CSV, Format.JSON_LINES):
        _refuse_disguised(source)
    return kind


def _refuse_disguised(source: SourceFile) -> None:
    head = source.head(8)
    for magic, name, suggestion in _MAGIC:
        if head.startswith(magic):
            raise BrokenFile(f"The file {source.path!r} is {name}, not text.", next=suggestion, path=source.path)
