"""One chunk of a xorb: an 8-byte header and its bytes, stored as they are or compressed.

Every function here is given bytes from outside and trusts nothing in them.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import lz4.frame

MAX_CHUNK_BYTES: Final = 128 << 10
HEADER_BYTES: Final = 8
_AS_IT_IS, _LZ4, _GROUPED_LZ4 = 0, 1, 2
_HEADER = struct.Struct("<II")
_LANES = 4


class InvalidChunk(ValueError):
    """The chunk is not what its header says; the text goes on "The chunk …"."""


class ChunkHeader(NamedTuple):
    """Compressed and raw length in bytes, and the compression scheme."""

    compressed: int
    scheme: int
    raw: int


def parse_header(data: bytes | memoryview, offset: int) -> ChunkHeader:
    """The header at ``offset``, of which all 8 bytes are there. Raises InvalidChunk."""
    first, second = _HEADER.unpack_from(data, offset)  # a version byte and 3 bytes, a scheme byte and 3 bytes
    compressed, scheme, raw = first >> 8, second & 0xFF, second >> 8
    if first & 0xFF:
        raise InvalidChunk(f"has version {first & 0xFF}; only 0 is known")
    if not 0 < raw <= MAX_CHUNK_BYTES:
        raise InvalidChunk(f"says it has {raw} bytes; 1 to {MAX_CHUNK_BYTES} are allowed")
    if not 0 < compressed <= 2 * MAX_CHUNK_BYTES:
        raise InvalidChunk(f"says it has {compressed} compressed bytes")
    if scheme > _GROUPED_LZ4:
        raise InvalidChunk(f"has compression scheme {scheme}; 0 to 2 are known")
    if scheme == _AS_IT_IS and compressed != raw:
        raise InvalidChunk("is stored as it is but has two lengths")
    return ChunkHeader(compressed, scheme, raw)


def decode(header: ChunkHeader, data: memoryview) -> bytes | memoryview:
    """The raw bytes of a chunk; never more than its header allows are made. Raises InvalidChunk."""
    if header.scheme == _AS_IT_IS:
        return data
    decompressor = lz4.frame.LZ4FrameDecompressor()
    try:
        raw: bytes = decompressor.decompress(data, max_length=header.raw + 1)
    except (RuntimeError, EOFError) as error:
        raise InvalidChunk(f"is not an LZ4 frame ({error})") from None
    if len(raw) != header.raw or not decompressor.eof or decompressor.unused_data:
        raise InvalidChunk(f"does not decompress to the {header.raw} bytes that it says")
    return raw if header.scheme == _LZ4 else _ungrouped(raw)


def decode_run(data: memoryview, raw_bytes: int) -> bytearray:
    """The raw bytes of whole chunks that follow one another, ``raw_bytes`` in all. Raises InvalidChunk."""
    raw = bytearray(max(0, raw_bytes))  # a damaged index says anything
    decode_into(data, memoryview(raw))
    return raw


def decode_into(data: memoryview, raw: memoryview) -> None:
    """Fills ``raw`` with whole chunks that follow one another. Raises InvalidChunk when they do not fill it exactly."""
    position = total = 0
    while position < len(data):
        if position + HEADER_BYTES > len(data):
            raise InvalidChunk("is cut off")
        header = parse_header(data, position)
        position += HEADER_BYTES
        if position + header.compressed > len(data) or total + header.raw > len(raw):
            raise InvalidChunk("is longer than its index says")
        raw[total : total + header.raw] = decode(header, data[position : position + header.compressed])
        position += header.compressed
        total += header.raw
    if total != len(raw):
        raise InvalidChunk("is shorter than its index says")


def _ungrouped(grouped: bytes) -> bytes:
    """Undoes byte grouping: bytes 0, 4, 8, … were stored first, then 1, 5, 9, …"""
    raw = bytearray(len(grouped))
    start = 0
    for lane in range(_LANES):
        end = start + (len(grouped) - lane + _LANES - 1) // _LANES
        raw[lane::_LANES] = grouped[start:end]
        start = end
    return bytes(raw)
