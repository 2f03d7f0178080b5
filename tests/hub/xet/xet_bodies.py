"""Xorbs and shards as a client makes them, written from the protocol's description."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import lz4.frame

from tholos.hub.xet.hashing import chunk_hash, file_hash, from_hex, range_hash, root_hash, to_hex

TAG = b"HFRepoMetaData\0Uig" + bytes([69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169])
END = b"\xff" * 32 + bytes(16)


def header(compressed: int, scheme: int, raw: int, version: int = 0) -> bytes:
    return struct.pack("<II", version | compressed << 8, scheme | raw << 8)


def grouped(data: bytes) -> bytes:
    return b"".join(data[lane::4] for lane in range(4))


def chunk(data: bytes, scheme: int = 0) -> bytes:
    packed = {0: lambda: data, 1: lambda: lz4.frame.compress(data), 2: lambda: lz4.frame.compress(grouped(data))}
    stored = packed[scheme]()
    return header(len(stored), scheme, len(data)) + stored


@dataclass
class Xorb:
    """Chunks with the compression scheme of each."""

    chunks: Sequence[bytes]
    schemes: Sequence[int] = (0,)
    nodes: list[tuple[bytes, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = [(chunk_hash(data), len(data)) for data in self.chunks]

    @property
    def hash(self) -> str:
        return to_hex(root_hash(self.nodes))

    @property
    def body(self) -> bytes:
        return b"".join(
            chunk(data, self.schemes[number % len(self.schemes)]) for number, data in enumerate(self.chunks)
        )


def some_xorb(seed: int = 0, chunks: int = 12, schemes: Sequence[int] = (0, 1, 2)) -> Xorb:
    """Chunks of different sizes, half of them compressible."""
    dice = random.Random(seed)
    made = [
        dice.randbytes(dice.randrange(1, 9000))
        if number % 2
        else bytes([seed % 256, number, 7]) * dice.randrange(1, 9000)
        for number in range(chunks)
    ]
    return Xorb(made, schemes)


@dataclass
class Part:
    """A term; what is None is filled in truthfully."""

    xorb: Xorb
    start: int
    end: int
    length: int | None = None
    proof: bytes | None = None
    name: str | None = None


@dataclass
class File:
    """A file of a shard; what is None is filled in truthfully."""

    parts: Sequence[Part]
    xet_hash: str | None = None
    sha256: str | None = None
    flags: int = 1 << 31 | 1 << 30
    count: int | None = None

    @property
    def content(self) -> bytes:
        return b"".join(b"".join(part.xorb.chunks[part.start : part.end]) for part in self.parts)

    @property
    def hash(self) -> str:
        return to_hex(file_hash([node for part in self.parts for node in part.xorb.nodes[part.start : part.end]]))

    @property
    def oid(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def encode(self) -> bytes:
        count = len(self.parts) if self.count is None else self.count
        out = [struct.pack("<32sII8x", from_hex(self.xet_hash or self.hash), self.flags, count)]
        for part in self.parts:
            length = sum(size for _, size in part.xorb.nodes[part.start : part.end])
            wanted = length if part.length is None else part.length
            out.append(struct.pack("<32sIIII", from_hex(part.name or part.xorb.hash), 0, wanted, part.start, part.end))
        if self.flags & 1 << 31:
            for part in self.parts:
                hashes = b"".join(raw for raw, _ in part.xorb.nodes[part.start : part.end])
                out.append((part.proof or range_hash(hashes)) + bytes(16))
        if self.flags & 1 << 30:
            out.append(from_hex(self.sha256 or self.oid) + bytes(16))
        return b"".join(out)


def shard(*files: File, xorbs: Sequence[Xorb] = (), footer: int = 0) -> bytes:
    out = [struct.pack("<32sQQ", TAG, 2, footer), *(file.encode() for file in files), END]
    for xorb in xorbs:
        raw = sum(size for _, size in xorb.nodes)
        out.append(struct.pack("<32sIIII", from_hex(xorb.hash), 0, len(xorb.nodes), raw, len(xorb.body)))
        position = 0
        for chunk_id, size in xorb.nodes:
            out.append(struct.pack("<32sII8x", chunk_id, position, size))
            position += size
    return b"".join([*out, END])


async def stream(data: bytes, piece: int = 50_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), piece):
        yield data[start : start + piece]
