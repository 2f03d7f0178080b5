"""Writing packs: whole objects, deflated one after the other, while they are read."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from tholos.hub import service as hub

_CODES: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_BUFFER: Final = 64 << 10
_LEVEL: Final = 3  # text shrinks nearly as much as at 6, in half the time


def pack(objects: Iterable[hub.ObjectStream], count: int) -> Iterator[bytes]:
    """A pack of ``count`` objects in pieces of about 64 KiB."""
    digest = hashlib.sha1(usedforsecurity=False)
    buffer = bytearray(struct.pack(">4sII", b"PACK", 2, count))
    for item in objects:
        for piece in _entry(item):
            buffer += piece
            if len(buffer) >= _BUFFER:
                digest.update(buffer)
                yield bytes(buffer)
                buffer.clear()
    digest.update(buffer)
    yield bytes(buffer) + digest.digest()


def _entry(item: hub.ObjectStream) -> Iterator[bytes]:
    yield _header(_CODES[item.kind], item.size)
    deflater = zlib.compressobj(_LEVEL)
    for piece in item.pieces:
        yield deflater.compress(piece)
    yield deflater.flush()


def _header(code: int, size: int) -> bytes:
    byte, size = code << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(byte | 128)
        byte, size = size & 127, size >> 7
    header.append(byte)
    return bytes(header)
