"""Text encodings: UTF-8, UTF-16 with a byte order mark, GB 18030 where the text is plainly Chinese.

A file that is not UTF-8 is taken for GB 18030 only when all of it decodes and at least nine in ten of its characters
beyond ASCII are in GB 2312, the set of everyday Chinese characters, and most of them do not touch a Latin letter. Text
in Latin-1 and UTF-8 with a broken byte also decode as GB 18030 now and then, but to rare characters, or to ones in the
middle of a word ("größe" to "gr鲞e"). Nothing is ever replaced.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tholos.data.errors import BrokenText
from tholos.data.formats.source import MIB, SourceFile
from tholos.data.formats.table import Note

_CHUNK = 4 * MIB
_COMMON_SHARE = 0.9
_TOUCHES_A_LETTER = re.compile("(?<=[A-Za-z])[\u4e00-\u9fff]|[\u4e00-\u9fff](?=[A-Za-z])")

Encoding = Literal["utf-8-sig", "utf-16", "gb18030"]
"""Python's names. ``utf-8-sig`` is UTF-8 with or without a byte order mark."""


@dataclass(frozen=True, slots=True)
class TextInfo:
    """What one pass over a text file found."""

    encoding: Encoding
    quotes: int
    """How many double quotes the text holds."""
    notes: tuple[Note, ...] = ()


def examine(source: SourceFile) -> TextInfo:
    """Finds the encoding by decoding the whole file.

    Raises:
        BrokenText: no encoding fits, with the offset and line of the first byte that is not UTF-8; or it holds NULs.
    """
    head = source.head(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return TextInfo("utf-16", _count_quotes(source, "utf-16"))
    try:
        return TextInfo("utf-8-sig", _count_quotes(source, "utf-8-sig"))
    except _Undecodable as broken:
        if not _is_chinese(source):
            raise BrokenText(
                f"{source.path!r} line {broken.line} is not UTF-8: byte {broken.byte:#04x} at offset {broken.offset}.",
                next="Save the file as UTF-8 (Excel: CSV UTF-8), or repair that line.",
                path=source.path,
                offset=broken.offset,
                line=broken.line,
            ) from broken
    note = Note("encoding", f"{source.path!r} is not UTF-8; it was read as GB 18030.", path=source.path)
    return TextInfo("gb18030", _count_quotes(source, "gb18030"), (note,))


class _Undecodable(Exception):
    def __init__(self, offset: int, line: int, byte: int) -> None:
        super().__init__(offset)
        self.offset, self.line, self.byte = offset, line, byte


def _count_quotes(source: SourceFile, encoding: Encoding) -> int:
    try:
        return sum(text.count('"') for text in _decode(source, encoding))
    except _Undecodable as broken:
        if encoding == "utf-8-sig":
            raise
        raise BrokenText(
            f"{source.path!r} begins as {encoding.upper()} but cannot be decoded at offset {broken.offset}.",
            next="Save the file as UTF-8.",
            path=source.path,
            offset=broken.offset,
        ) from broken


def _decode(source: SourceFile, encoding: Encoding) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    consumed, line = 0, 1
    with source.open() as stream:
        while True:
            chunk = stream.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise _Undecodable(consumed - pending + error.start, line, error.object[error.start]) from error
            if (at := text.find("\x00")) >= 0:
                raise BrokenText(
                    f"{source.path!r} holds a NUL character on line {line + text.count(chr(10), 0, at)}: "
                    "it is a binary file, or UTF-16 without a byte order mark.",
                    next="Save the file as UTF-8.",
                    path=source.path,
                )
            consumed += len(chunk)
            line += text.count("\n")
            yield text
            if not chunk:
                return


def _is_chinese(source: SourceFile) -> bool:
    beyond_ascii = common = inside_words = 0
    try:
        for text in _decode(source, "gb18030"):
            ascii_count = len(text.encode("ascii", "ignore"))
            beyond_ascii += len(text) - ascii_count
            common += (len(text.encode("gb2312", "ignore")) - ascii_count) // 2
            inside_words += len(_TOUCHES_A_LETTER.findall(text))
    except (_Undecodable, BrokenText):
        return False
    return common >= _COMMON_SHARE * beyond_ascii and inside_words * 2 <= common
