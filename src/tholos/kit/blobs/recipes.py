"""Blobs as recipes: which chunks of which xorbs, one after the other, are the bytes."""

from __future__ import annotations

import io
import os
import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from tholos.kit.blobs.chunks import InvalidChunk, decode_into, decode_run
from tholos.kit.blobs.contract import DamagedBlob, XorbNotFound, XorbStore

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_HEAD: Final = struct.Struct("<8sQI4x")
_TERM: Final = struct.Struct("<32sIII")
_CHECK: Final = struct.Struct("<I")
_MAGIC: Final = b"THRECIP\x01"
_BLOCK_BYTES: Final = 1 << 20
_OPEN_XORBS: Final = 4


class Term(NamedTuple):
    """Chunks ``start`` to ``end`` (not included) of a xorb (its hash in 64 hex digits): ``length`` raw bytes."""

    xorb: str
    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A blob of ``size`` bytes as the terms that give them, in order."""

    size: int
    terms: tuple[Term, ...]

    @classmethod
    def of(cls, terms: tuple[Term, ...]) -> Recipe:
        """The recipe of these terms."""
        return cls(sum(term.length for term in terms), terms)

    @property
    def xorbs(self) -> set[str]:
        """The xorbs that it takes chunks from."""
        return {term.xorb for term in self.terms}

    def encode(self) -> bytes:
        """As it lies on disk, with a checksum."""
        parts = [_HEAD.pack(_MAGIC, self.size, len(self.terms))]
        parts += [_TERM.pack(bytes.fromhex(term.xorb), term.start, term.end, term.length) for term in self.terms]
        data = b"".join(parts)
        return data + _CHECK.pack(zlib.crc32(data))

    @classmethod
    def decode(cls, data: bytes) -> Recipe:
        """What ``encode`` wrote. Raises DamagedBlob."""
        body = memoryview(data)[: -_CHECK.size]
        if len(data) < _HEAD.size + _CHECK.size or _CHECK.unpack(data[-_CHECK.size :])[0] != zlib.crc32(body):
            raise DamagedBlob("a recipe on disk is damaged")
        magic, size, count = _HEAD.unpack_from(body)
        if magic != _MAGIC or len(body) != _HEAD.size + count * _TERM.size:
            raise DamagedBlob("a recipe on disk is damaged")
        terms = tuple(
            Term(xorb.hex(), start, end, length) for xorb, start, end, length in _TERM.iter_unpack(body[_HEAD.size :])
        )
        return cls(size, terms)


class RecipeFile(io.RawIOBase):
    """The bytes of a recipe, seekable; only the chunks that a range touches are read and unpacked.

    Whole chunks are unpacked into the reader's own buffer. Where a chunk does not fit, it is kept, so that reading on
    unpacks nothing twice. Not for use from two threads at once.
    """

    def __init__(self, recipe: Recipe, xorbs: XorbStore) -> None:
        super().__init__()
        self._recipe = recipe
        self._xorbs = xorbs
        self._starts = list(accumulate((term.length for term in recipe.terms), initial=0))
        self._position = 0
        self._block = memoryview(b"")
        self._block_start = 0
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._recipe.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer from one block; fewer bytes than asked for are no end. Raises DamagedBlob."""
        view = memoryview(buffer).cast("B")
        if not view or self._position >= self._recipe.size:
            return 0
        offset = self._position - self._block_start
        if not 0 <= offset < len(self._block):
            if size := self._load(view):
                self._position += size
                return size
            offset = self._position - self._block_start
        piece = self._block[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        while self._files:
            self._files.popitem()[1].close()
        super().close()

    def _load(self, view: memoryview) -> int:
        """Unpacks chunks at the position, of one term: those that fit into ``view``, else some into the kept block.

        Returns the bytes that are in ``view`` now.
        """
        number = bisect_right(self._starts, self._position) - 1
        term = self._recipe.terms[number]
        try:
            index = self._xorbs.index(term.xorb)
        except XorbNotFound as error:
            raise DamagedBlob(f"the xorb {term.xorb} of a blob is gone") from error
        raw = index.raw_offsets
        if term.end > index.chunks or raw[term.end] - raw[term.start] != term.length:
            raise DamagedBlob(f"a recipe does not fit the xorb {term.xorb}")
        shift = self._starts[number] - raw[term.start]  # from offsets in the xorb to offsets in the blob
        first = bisect_right(raw, self._position - shift) - 1
        enough = self._position - shift + min(len(view), _BLOCK_BYTES)
        last = min(bisect_right(raw, enough) - 1, term.end)
        size = raw[last] - raw[first]
        try:
            if raw[first] + shift == self._position and 0 < size <= len(view):
                decode_into(self._serialized(term.xorb, index.offsets[first], index.offsets[last]), view[:size])
                return size
            last = min(bisect_right(raw, enough - 1), term.end)
            data = self._serialized(term.xorb, index.offsets[first], index.offsets[last])
            self._block = memoryview(decode_run(data, raw[last] - raw[first]))
        except InvalidChunk as error:
            raise DamagedBlob(f"a chunk of the xorb {term.xorb} {error}") from error
        self._block_start = raw[first] + shift
        return 0

    def _serialized(self, xorb: str, start: int, end: int) -> memoryview:
        file = self._file(xorb)
        file.seek(start)
        return memoryview(file.read(end - start))

    def _file(self, xorb: str) -> BinaryIO:
        file = self._files.get(xorb)
        if file is None:
            try:
                file = self._files[xorb] = self._xorbs.open(xorb)
            except XorbNotFound as error:
                raise DamagedBlob(f"the xorb {xorb} of a blob is gone") from error
            if len(self._files) > _OPEN_XORBS:
                self._files.popitem(last=False)[1].close()
        return file


def open_recipe(recipe: Recipe, xorbs: XorbStore) -> BinaryIO:
    """The bytes of a recipe as a binary file."""
    return io.BufferedReader(RecipeFile(recipe, xorbs), 128 << 10)
