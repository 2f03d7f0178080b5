"""Xorbs on disk: the serialized chunks as they came, then an index of our own, so that a range read scans nothing.

The index is columns of native 32-bit numbers (compressed offsets, raw offsets, both with their end) and the chunk
hashes, then a trailer of fixed size. A xorb has at most 64 MiB, so 32 bits are enough.
"""

from __future__ import annotations

import os
import re
import struct
import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from tholos.kit.blobs.contract import DamagedBlob, XorbNotFound
from tholos.kit.blobs.durable import Draft
from tholos.kit.errors import InvalidInput

HASH_BYTES: Final = 32
_TRAILER: Final = struct.Struct("<8sIII12x")
_MAGIC: Final = b"THXORB\x00\x01"
_NUMBER_BYTES = 4
_CACHED_INDEXES = 128
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class XorbIndex:
    """Where the chunks of a xorb lie.

    ``offsets`` (serialized) and ``raw_offsets`` (unpacked) hold, in bytes, where each chunk begins, and where the last
    ends; ``hashes`` the chunk hashes, 32 bytes each, one after the other.
    """

    offsets: Sequence[int]
    raw_offsets: Sequence[int]
    hashes: bytes

    @property
    def chunks(self) -> int:
        return len(self.offsets) - 1

    @property
    def size(self) -> int:
        """Serialized bytes."""
        return self.offsets[-1]

    @property
    def raw_bytes(self) -> int:
        return self.raw_offsets[-1]

    def encode(self) -> bytes:
        """The index as it lies behind the chunks."""
        columns = array("I", [*self.offsets, *self.raw_offsets]).tobytes()
        trailer = _TRAILER.pack(_MAGIC, self.chunks, self.size, self.raw_bytes)
        return b"".join((columns, self.hashes, trailer))

    @classmethod
    def read(cls, file: BinaryIO) -> XorbIndex:
        """Reads the index of a xorb's file. Raises DamagedBlob."""
        end = file.seek(0, os.SEEK_END) - _TRAILER.size
        if end < 0:
            raise DamagedBlob("a xorb has no index")
        file.seek(end)
        trailer = file.read(_TRAILER.size)
        if len(trailer) != _TRAILER.size:
            raise DamagedBlob("a xorb has no index")
        magic, chunks, size, raw_bytes = _TRAILER.unpack(trailer)
        column = (chunks + 1) * _NUMBER_BYTES
        if magic != _MAGIC or size + 2 * column + chunks * HASH_BYTES != end:
            raise DamagedBlob("a xorb has a broken index")
        file.seek(size)
        data = memoryview(file.read(end - size))
        if len(data) != end - size:
            raise DamagedBlob("a xorb has a broken index")
        offsets, raw_offsets = data[:column].cast("I"), data[column : 2 * column].cast("I")
        if offsets[-1] != size or raw_offsets[-1] != raw_bytes:
            raise DamagedBlob("a xorb has a broken index")
        return cls(offsets, raw_offsets, bytes(data[2 * column :]))


class IndexCache:
    """The indexes that were read last, by xorb. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indexes: OrderedDict[str, XorbIndex] = OrderedDict()

    def get(self, xorb: str) -> XorbIndex | None:
        """The index, if it was read not long ago; that says nothing about whether the xorb is still there."""
        with self._lock:
            index = self._indexes.get(xorb)
            if index is not None:
                self._indexes.move_to_end(xorb)
            return index

    def keep(self, xorb: str, index: XorbIndex) -> None:
        """Remembers an index."""
        with self._lock:
            self._indexes[xorb] = index
            while len(self._indexes) > _CACHED_INDEXES:
                self._indexes.popitem(last=False)


def check_xorb_name(xorb: str) -> str:
    """The name, if it is a xorb's hash. Raises InvalidInput."""
    if not _HASH.fullmatch(xorb):
        raise InvalidInput(f"{xorb[:100]!r} is not a xorb's hash.", next="Pass 64 lower-case hex digits.")
    return xorb


def no_xorb(xorb: str) -> XorbNotFound:
    """The error for a xorb that is not in the store."""
    return XorbNotFound(f"There is no xorb {xorb}.", next="Upload it, then repeat.", xorb=xorb)


class _LocalXorbWriter:
    def __init__(self, store: LocalXorbStore) -> None:
        self._store = store
        self._draft = Draft(store.incoming)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._draft.__exit__(kind, error, traceback)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._draft.write(data)

    def finish(self, xorb: str, index: XorbIndex) -> None:
        target = self._store.path(xorb)
        if index.size != self._draft.size:
            raise ValueError("the index is of other chunks")
        self._draft.write(index.encode())
        self._draft.publish(target, replace=False)


class LocalXorbStore:
    """Xorbs in a folder: ``ab/cd/abcd…`` under ``root``; drafts in ``incoming``, on the same file system."""

    def __init__(self, root: Path, incoming: Path) -> None:
        self.root = root
        self.incoming = incoming
        self._indexes = IndexCache()

    def path(self, xorb: str) -> Path:
        """Where a xorb of this name lies, or would lie. Raises InvalidInput when it is no hash."""
        check_xorb_name(xorb)
        return self.root / xorb[:2] / xorb[2:4] / xorb

    def writer(self) -> _LocalXorbWriter:
        return _LocalXorbWriter(self)

    def exists(self, xorb: str) -> bool:
        return self.path(xorb).is_file()

    def open(self, xorb: str) -> BinaryIO:
        try:
            return self.path(xorb).open("rb")
        except FileNotFoundError:
            raise no_xorb(xorb) from None

    def index(self, xorb: str) -> XorbIndex:
        index = self._indexes.get(xorb)
        # an index in memory says nothing about the file: it may have been collected since
        if index is not None and self.exists(xorb):
            return index
        with self.open(xorb) as file:
            index = XorbIndex.read(file)
        self._indexes.keep(xorb, index)
        return index
