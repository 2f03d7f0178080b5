"""Reading a git pack that a stranger sent: every length is a claim, and every claim has a bound.

The pack lies in a temporary file. Its objects are inflated, its deltas resolved and hashed once, one object in memory
at a time; the payloads go to a second temporary file from which they are read back by id. Neither file has a name, so
that nothing is left of them wherever the process dies.

A delta can be resolved only against an object of the same pack: the server asks clients not to send thin packs, and an
object of another tenant's repo can never serve as a base.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from tholos.hub.errors import BrokenPack, DiskLow, PushTooLarge
from tholos.hub.gitobjects import ObjectType, object_hasher, object_id
from tholos.kit.blobs import DiskFull

_HEADER: Final = struct.Struct(">4sII")
_TRAILER_BYTES: Final = 20
_CHUNK: Final = 1 << 20
_KINDS: Final[dict[int, ObjectType]] = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFS_DELTA: Final = 6
_REF_DELTA: Final = 7
_MAX_VARINT_BYTES: Final = 10
_OVERSIZE: Final = -1
_ROOM_STEP: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class PackLimits:
    """Bounds of one pack: objects, bytes of one object, bytes of all that it inflates to, and what the disk keeps."""

    max_objects: int
    max_object_bytes: int
    max_inflated_bytes: int
    disk_reserve_bytes: int


@dataclass(frozen=True, slots=True)
class PackedObject:
    """An object of a pack; one that is ``oversize`` was hashed but not kept."""

    kind: ObjectType
    size: int
    offset: int

    @property
    def oversize(self) -> bool:
        return self.offset == _OVERSIZE


@dataclass(frozen=True, slots=True)
class _Delta:
    start: int
    """Where the pack has its own bytes, still deflated."""
    size: int
    """Bytes of the instructions."""
    entry: int
    """Where the entry begins, which is how others name it as their base."""


class Pack:
    """The objects of a pack, by id. A context manager: its temporary file goes with it."""

    def __init__(self, source: IO[bytes], start: int, folder: Path, limits: PackLimits) -> None:
        """Reads the pack that fills ``source`` from ``start`` to its end.

        Raises BrokenPack, PushTooLarge, DiskLow, DiskFull.
        """
        self._folder = folder
        self._limits = limits
        self._objects: dict[str, PackedObject] = {}
        self._inflated = 0
        self._end = 0
        self._room_until = 0
        try:
            self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `__exit__`
        except OSError as error:
            raise DiskFull(next="Free some space on the server's disk, then push again.") from error
        try:
            self._read_all(source, start)
        except BaseException:
            self._spool.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._spool.close()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, oid: str) -> PackedObject | None:
        """What the pack holds under this id."""
        return self._objects.get(oid)

    def read(self, found: PackedObject) -> bytes:
        """The payload of an object that is not oversize. Safe from several threads."""
        return os.pread(self._spool.fileno(), found.size, found.offset)

    # -- taking a pack apart

    def _read_all(self, source: IO[bytes], start: int) -> None:
        source.flush()
        size = os.fstat(source.fileno()).st_size
        if size - start < _HEADER.size + _TRAILER_BYTES:
            raise _broken("it ends before its header does")
        file = source.fileno()
        magic, version, count = _HEADER.unpack(os.pread(file, _HEADER.size, start))
        if magic != b"PACK" or version not in (2, 3):
            raise _broken("it does not begin as a pack does")
        if count > self._limits.max_objects:
            raise PushTooLarge(
                f"The push has {count:,} objects, more than the {self._limits.max_objects:,} of one push.",
                next="Push in parts: an older commit first, as in `git push origin <commit>:main`.",
            )
        _check_trailer(file, start, size - _TRAILER_BYTES)
        _Unpacking(self, file, start + _HEADER.size, size - _TRAILER_BYTES).run(count)
        self._flush()

    def _flush(self) -> None:
        try:
            self._spool.flush()
        except OSError as error:
            raise DiskFull(next="Free some space on the server's disk, then push again.") from error

    def allow(self, size: int) -> None:
        """Counts bytes that are about to be inflated. Raises PushTooLarge."""
        self._inflated += size
        if self._inflated > self._limits.max_inflated_bytes:
            raise PushTooLarge(
                f"The push unpacks to more than {self._limits.max_inflated_bytes:,} bytes.",
                next="Push in parts, keep large files in Git LFS, or ask the operator to raise THOLOS_MAX_PUSH_BYTES.",
            )

    def fits(self, size: int) -> bool:
        """Whether an object of this size is kept."""
        return size <= self._limits.max_object_bytes

    def add(self, kind: ObjectType, payload: bytes) -> PackedObject:
        """Keeps an object under the id that its bytes have."""
        oid = object_id(kind, payload)
        if known := self._objects.get(oid):
            return known  # what came first stays: a second object with its id has its bytes, or is an attack
        found = self._objects[oid] = PackedObject(kind, len(payload), self._end)
        self._check_room(len(payload))
        try:
            self._spool.write(payload)
        except OSError as error:
            raise DiskFull(next="Free some space on the server's disk, then push again.") from error
        self._end += len(payload)
        return found

    def _check_room(self, size: int) -> None:
        if self._end + size <= self._room_until:
            return
        ahead = size + _ROOM_STEP
        if shutil.disk_usage(self._folder).free < self._limits.disk_reserve_bytes + ahead:
            raise DiskLow(
                "The server's disk has no room for this push.", next="Free some space on the server's disk, then push."
            )
        self._room_until = self._end + ahead

    def add_oversize(self, kind: ObjectType, oid: str, size: int) -> None:
        """Remembers an object that is too large to keep, so that the path which names it can be told."""
        self._objects.setdefault(oid, PackedObject(kind, size, _OVERSIZE))

    def read_back(self, found: PackedObject) -> bytes:
        """As `read`, for what was only just added."""
        self._flush()
        return self.read(found)


class _Unpacking:
    """One pass over the entries of a pack, then the deltas from their bases outwards."""

    def __init__(self, pack: Pack, file: int, position: int, end: int) -> None:
        self._pack = pack
        self._file = file
        self._position = position
        self._end = end
        self._by_entry: dict[int, PackedObject] = {}
        self._on_entry: dict[int, list[_Delta]] = {}
        self._on_id: dict[str, list[_Delta]] = {}
        self._pending = 0

    def run(self, count: int) -> None:
        for _ in range(count):
            self._entry()
        if self._position != self._end:
            raise _broken("it holds more than it announces")
        roots = [(entry, found) for entry, found in self._by_entry.items() if entry in self._on_entry]
        bases = [(found, self._on_entry.pop(entry)) for entry, found in roots]
        named = [(oid, found) for oid in self._on_id if (found := self._pack.get(oid))]
        bases += [(found, self._on_id.pop(oid)) for oid, found in named]
        while bases:
            found, deltas = bases.pop()
            bases.extend(self._resolve(found, deltas))
        if self._pending:
            raise _broken(f"{self._pending} of its deltas build on objects that it does not hold")

    def _entry(self) -> None:
        entry = self._position
        code, size = self._type_and_size()
        if code in _KINDS:
            self._whole(entry, _KINDS[code], size)
            return
        if code == _OFS_DELTA:
            base = entry - self._base_distance()
            waiting = self._on_entry.setdefault(base, [])
        elif code == _REF_DELTA:
            waiting = self._on_id.setdefault(self._take(20).hex(), [])
        else:
            raise _broken(f"it has an entry of the unknown type {code}")
        if not self._pack.fits(size):
            raise _too_large_delta(size)
        self._pack.allow(size)
        waiting.append(_Delta(self._position, size, entry))
        self._pending += 1
        for _ in self._inflate(size):
            pass

    def _whole(self, entry: int, kind: ObjectType, size: int) -> None:
        self._pack.allow(size)
        if self._pack.fits(size):
            self._by_entry[entry] = self._pack.add(kind, b"".join(self._inflate(size)))
            return
        digest = object_hasher(kind, size)
        for piece in self._inflate(size):
            digest.update(piece)
        self._pack.add_oversize(kind, digest.hexdigest(), size)

    def _resolve(self, base: PackedObject, deltas: list[_Delta]) -> Iterator[tuple[PackedObject, list[_Delta]]]:
        if base.oversize:
            raise _too_large_delta(base.size)
        payload = self._pack.read_back(base)
        for delta in deltas:
            self._position = delta.start
            instructions = b"".join(self._inflate(delta.size))
            found = self._pack.add(base.kind, self._applied(payload, instructions))
            self._pending -= 1
            if delta.entry in self._on_entry:
                yield found, self._on_entry.pop(delta.entry)
            if self._on_id:
                oid = object_id(found.kind, self._pack.read_back(found))
                if oid in self._on_id:
                    yield found, self._on_id.pop(oid)

    def _applied(self, base: bytes, delta: bytes) -> bytes:
        base_size, position = _varint(delta, 0)
        size, position = _varint(delta, position)
        if base_size != len(base):
            raise _broken("a delta was made for another base")
        if not self._pack.fits(size):
            raise _too_large_delta(size)
        self._pack.allow(size)
        return apply_delta(base, delta, position, size)

    # -- bytes

    def _take(self, count: int) -> bytes:
        if self._position + count > self._end:
            raise _broken("it ends in the middle of an entry")
        taken = os.pread(self._file, count, self._position)
        self._position += count
        return taken

    def _type_and_size(self) -> tuple[int, int]:
        byte = self._take(1)[0]
        code, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 128:
            byte = self._take(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if shift > 7 * _MAX_VARINT_BYTES:
                raise _broken("the size of an entry has no end")
        return code, size

    def _base_distance(self) -> int:
        byte = self._take(1)[0]
        distance = byte & 127
        for _ in range(_MAX_VARINT_BYTES):
            if not byte & 128:
                return distance
            byte = self._take(1)[0]
            distance = (distance + 1 << 7) | (byte & 127)
        raise _broken("the place of a delta's base has no end")

    def _inflate(self, size: int) -> Iterator[bytes]:
        """The next deflated stream, which must come to exactly ``size`` bytes; moves past it when it is used up."""
        inflater = zlib.decompressobj()
        produced = 0
        step = min(_CHUNK, size + (size >> 9) + 64)  # a small object is deflated to little more than its size
        try:
            while not inflater.eof:
                pending = inflater.unconsumed_tail or self._take(min(step, max(1, self._end - self._position)))
                piece = inflater.decompress(pending, min(_CHUNK, size - produced + 1))
                produced += len(piece)
                if produced > size:
                    raise _broken("an entry is longer than it says")
                if piece:
                    yield piece
        except zlib.error as error:
            raise _broken("an entry cannot be decompressed") from error
        self._position -= len(inflater.unused_data)
        if produced != size:
            raise _broken("an entry is shorter than it says")


def _check_trailer(file: int, start: int, end: int) -> None:
    digest = hashlib.sha1(usedforsecurity=False)
    for position in range(start, end, _CHUNK):
        digest.update(os.pread(file, min(_CHUNK, end - position), position))
    if digest.digest() != os.pread(file, _TRAILER_BYTES, end):
        raise _broken("its checksum is wrong, so it was cut off or changed on the way")


def apply_delta(base: bytes, delta: bytes, position: int, size: int) -> bytes:
    """What a delta's instructions from ``position`` on make of ``base``: exactly ``size`` bytes.

    Raises BrokenPack as soon as they would make more, or reach outside what they have.
    """
    made: list[bytes] = []
    produced, end = 0, len(delta)
    while position < end:
        code = delta[position]
        position += 1
        if code & 128:
            offset = length = 0
            for bit in range(7):
                if code & (1 << bit):
                    if position >= end:
                        raise _broken("a delta ends in the middle of an instruction")
                    if bit < 4:
                        offset |= delta[position] << 8 * bit
                    else:
                        length |= delta[position] << 8 * (bit - 4)
                    position += 1
            length = length or 1 << 16
            piece = base[offset : offset + length]
        else:
            length = code
            piece = delta[position : position + length]
            position += length
        produced += length
        if len(piece) != length or not length or produced > size:
            raise _broken("a delta reaches outside what it has")
        made.append(piece)
    if produced != size:
        raise _broken("a delta makes less than it says")
    return b"".join(made)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[position : position + _MAX_VARINT_BYTES]:
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return value, position
    raise _broken("a delta ends in the middle of a size")


def _broken(problem: str) -> BrokenPack:
    return BrokenPack(f"The pack cannot be read: {problem}.", next="Run `git fsck` on your side, then push again.")


def _too_large_delta(size: int) -> PushTooLarge:
    return PushTooLarge(
        f"The push holds an object of {size:,} bytes, which is too large for git.",
        next="Keep large files in Git LFS: `git lfs migrate import --above=10MB`, then push again.",
    )
