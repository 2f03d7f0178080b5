"""Pkt-lines, the frames of git's protocols: four hexadecimal digits of length, then the content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import IO, Final

from tholos.kit.errors import InvalidInput

MAX_LINE: Final = 65520
FLUSH: Final = b"0000"
DELIMITER: Final = b"0001"
MAX_BAND: Final = MAX_LINE - 5
MAX_SMALL_BAND: Final = 995


class Mark(Enum):
    """A frame that has no content."""

    FLUSH = 0
    DELIMITER = 1
    RESPONSE_END = 2


class BadFrame(InvalidInput):
    """The request is not in git's format."""

    code = "bad_git_request"


def line(text: str | bytes) -> bytes:
    """One frame; text gets the closing newline that git's own lines have."""
    data = text.encode() + b"\n" if isinstance(text, str) else text
    return f"{len(data) + 4:04x}".encode() + data


def band(channel: int, data: bytes, limit: int = MAX_BAND) -> Iterator[bytes]:
    """Data for one channel of a multiplexed answer: 1 is content, 2 progress, 3 a fatal error."""
    for start in range(0, len(data), limit):
        yield line(bytes([channel]) + data[start : start + limit])


def frames(source: IO[bytes]) -> Iterator[bytes | Mark]:
    """The frames of a file from where it stands, until it ends; lines without their closing newline.

    Raises BadFrame.
    """
    while header := source.read(4):
        try:
            size = int(header, 16) if len(header) == 4 else -1
        except ValueError:
            size = -1
        if 0 <= size <= 2:
            yield Mark(size)
            continue
        data = source.read(size - 4) if 4 <= size <= MAX_LINE else b""
        if not 4 <= size <= MAX_LINE or len(data) != size - 4:
            raise BadFrame("The request is not in git's format, or was cut off.", next="Use a git client.")
        yield data.removesuffix(b"\n")


def until_flush(found: Iterable[bytes | Mark]) -> Iterator[bytes | Mark]:
    """The frames before the next flush, which is taken too."""
    for frame in found:
        if frame is Mark.FLUSH:
            return
        yield frame
