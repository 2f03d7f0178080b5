"""The hashes of the Xet protocol: keyed BLAKE3 over chunks, and trees of hashes over them.

A hash is 32 bytes; as text, each of its four 8-byte groups is read as a little-endian number and written in hex. The
SHA-256 inside a shard is stored so that this text is the usual one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from blake3 import blake3

from tholos.hub.xet.errors import InvalidXetHash

HASH_BYTES: Final = 32
_CHUNK_KEY: Final = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY: Final = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_RANGE_KEY: Final = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE_KEY: Final = bytes(32)
_GROUPS: Final = struct.Struct("<4Q")
_NUMBERS: Final = struct.Struct(">4Q")
_TEXT = re.compile(r"[0-9a-f]{64}")
_MIN_CHILDREN: Final = 3
_MAX_CHILDREN: Final = 9

Node = tuple[bytes, int]
"""A hash and how many raw bytes lie under it."""


def to_hex(raw: bytes) -> str:
    """The text of a hash."""
    return _NUMBERS.pack(*_GROUPS.unpack(raw)).hex()


def from_hex(text: str) -> bytes:
    """The bytes of a hash. Raises InvalidXetHash."""
    if not _TEXT.fullmatch(text):
        raise InvalidXetHash(f"{text[:100]!r} is not a Xet hash.", next="Give 64 lower-case hexadecimal digits.")
    return _GROUPS.pack(*_NUMBERS.unpack(bytes.fromhex(text)))


def chunk_hash(data: bytes | memoryview) -> bytes:
    """The hash of a chunk's raw bytes."""
    return blake3(data, key=_CHUNK_KEY).digest()


def root_hash(chunks: Iterable[Node]) -> bytes:
    """The hash of a xorb with these chunks (and what a file's hash is made from); of no chunks, zeros.

    Takes them as a stream: of each level of the tree only the group that is not complete is kept.
    """
    levels = [_Level()]
    for chunk in chunks:
        _add(levels, 0, chunk)
    height = 0
    while levels[height].count > 1:
        if group := levels[height].group:
            levels[height].group = []
            _rise(levels, height, group)
        height += 1
    top = levels[height].group
    return top[0][0] if top else bytes(HASH_BYTES)


def file_hash(chunks: Iterable[Node]) -> bytes:
    """The hash of a file of these chunks; of an empty one, zeros."""
    root = root_hash(chunks)
    return blake3(root, key=_FILE_KEY).digest() if root != bytes(HASH_BYTES) else root


def range_hash(hashes: bytes) -> bytes:
    """The proof that one has the chunks with these hashes, 32 bytes each, one after the other."""
    return blake3(hashes, key=_RANGE_KEY).digest()


class _Level:
    """How many nodes a level of the tree has had, and those that have no parent yet."""

    __slots__ = ("count", "group")

    def __init__(self) -> None:
        self.count = 0
        self.group: list[Node] = []


def _add(levels: list[_Level], height: int, node: Node) -> None:
    level = levels[height]
    level.count += 1
    level.group.append(node)
    size = len(level.group)
    # a group ends by content, after 3 to 9 children: where the hash's last number is a multiple of 4
    if size == _MAX_CHILDREN or (size >= _MIN_CHILDREN and not node[0][24] & 3):
        group, level.group = level.group, []
        _rise(levels, height, group)


def _rise(levels: list[_Level], height: int, group: Sequence[Node]) -> None:
    if height + 1 == len(levels):
        levels.append(_Level())
    _add(levels, height + 1, _merged(group))


def _merged(children: Sequence[Node]) -> Node:
    lines = "".join([f"{to_hex(raw)} : {length}\n" for raw, length in children])
    return blake3(lines.encode(), key=_NODE_KEY).digest(), sum(length for _, length in children)
