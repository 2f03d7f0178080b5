"""Reading an uploaded shard: which files it brings, and of which chunks they are.

Every length in it is checked against the bytes that are there before it is used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from tholos.hub.xet.errors import InvalidShard, ShardTooLarge
from tholos.hub.xet.hashing import HASH_BYTES, to_hex
from tholos.kit.blobs import Term

MAX_SHARD_BYTES: Final = 64 << 20
_TAG: Final = b"HFRepoMetaData\0Uig" + bytes([69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169])
_VERSION: Final = 2
_FOOTER_BYTES: Final = 200
_HEADER: Final = struct.Struct("<32sQQ")
_FILE: Final = struct.Struct("<32sII8x")
_TERM: Final = struct.Struct("<32sIIII")
_HASH: Final = struct.Struct("<32s16x")
_XORB: Final = struct.Struct("<32sIIII")
_RECORD_BYTES: Final = 48
_END: Final = b"\xff" * HASH_BYTES
_WITH_PROOFS: Final = 1 << 31
_WITH_SHA256: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A file that a shard brings. All of it is what the client says."""

    xet_hash: str
    sha256: str
    terms: tuple[Term, ...]
    proofs: tuple[bytes, ...]
    """For each term the hash over its chunk hashes."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The files, and the hashes of the xorbs that the client made for them."""

    files: tuple[ShardFile, ...]
    xorbs: tuple[str, ...]


def parse_shard(data: bytes) -> Shard:
    """Reads a shard. Raises InvalidShard, ShardTooLarge; nothing else, whatever the bytes."""
    if len(data) > MAX_SHARD_BYTES:
        raise too_large()
    if len(data) < _HEADER.size:
        raise _invalid("is shorter than its header")
    tag, version, footer = _HEADER.unpack_from(data)
    if tag != _TAG or version != _VERSION:
        raise _invalid(f"does not begin as a shard of version {_VERSION} does")
    if footer not in (0, _FOOTER_BYTES):
        raise _invalid("announces a footer of unknown size")
    reader = _Records(data, _HEADER.size)
    files: list[ShardFile] = []
    while (record := reader.take(1))[:HASH_BYTES] != _END:
        files.append(_file(record, reader))
    xorbs: list[str] = []
    while (record := reader.take(1))[:HASH_BYTES] != _END:
        raw, _flags, chunks, _raw_bytes, _size = _XORB.unpack(record)
        reader.take(chunks)
        xorbs.append(to_hex(raw))
    if reader.left not in (0, footer):
        raise _invalid("goes on after its end")
    return Shard(tuple(files), tuple(xorbs))


def too_large() -> ShardTooLarge:
    """The error for a shard over the protocol's limit."""
    return ShardTooLarge(f"The shard has more than {MAX_SHARD_BYTES:,} bytes.", next="Send several smaller ones.")


class _Records:
    def __init__(self, data: bytes, position: int) -> None:
        self._data = memoryview(data)
        self._position = position

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> memoryview:
        size = count * _RECORD_BYTES
        if size > self.left:
            raise _invalid("is cut off")
        self._position += size
        return self._data[self._position - size : self._position]


def _file(record: memoryview, reader: _Records) -> ShardFile:
    raw, flags, count = _FILE.unpack(record)
    if flags & ~(_WITH_PROOFS | _WITH_SHA256):
        raise _invalid("has a file with unknown flags")
    if count and not flags & _WITH_PROOFS:
        raise _invalid("has a file without verification hashes")
    if not flags & _WITH_SHA256:
        raise _invalid("has a file without its SHA-256")
    terms = tuple(
        Term(to_hex(xorb), start, end, length)
        for xorb, _flags, length, start, end in _TERM.iter_unpack(reader.take(count))
    )
    proofs = tuple(proof for (proof,) in _HASH.iter_unpack(reader.take(count if flags & _WITH_PROOFS else 0)))
    (sha256,) = _HASH.unpack(reader.take(1))
    return ShardFile(to_hex(raw), to_hex(sha256), terms, proofs)


def _invalid(problem: str) -> InvalidShard:
    return InvalidShard(f"The shard {problem}.", next="Update the client (hf-xet), then repeat the upload.")
