"""Archives: where their members would be written, what they unpack to, and what is in them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import BinaryIO, Final, cast

from tholos.scanning.findings import Severity
from tholos.scanning.inspection import CannotScan, Inspection, Source, printable

Look = Callable[[Inspection, Source], None]
"""How a member is looked at: the scanner itself."""

_RATIO: Final = 400
_BOMB_BYTES: Final = 256 << 20
_CHUNK: Final = 1 << 20
_UNPACK: Final = "Do not unpack it. Ask its author for an archive of plain files."
COMPRESSED: Final[dict[bytes, Callable[[BinaryIO], BinaryIO]]] = {
    b"\x1f\x8b": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    b"\xfd7zXZ": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 - its reader closes the file
    b"\x5d\0\0": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 - its reader closes the file
}
"""First bytes of a compressed file, and how it is read. (zlib's own form is joblib's: see `Inflated`.)"""
CLOSED: Final = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard"}
"""Archives that cannot be looked into here."""

# What the library raises on bytes that are no archive: some of it by accident.
_ZIP_TROUBLE = (zipfile.BadZipFile, ValueError, OSError, IndexError, struct.error)


def check_zip(found: Inspection, source: Source, look: Look) -> None:
    """A zip archive. Raises CannotScan."""
    try:
        archive = zipfile.ZipFile(source.file)
    except (
        zipfile.BadZipFile,
        ValueError,
        OSError,
        UnicodeError,
        NotImplementedError,
        IndexError,
        struct.error,
    ) as problem:
        _unreadable(found, source, "The zip archive", problem)
        return
    with archive:
        members = archive.infolist()
        if len(members) > found.bounds.members:
            raise CannotScan(f"The archive has more than {found.bounds.members:,} members.")
        packed = sum(member.compress_size for member in members)
        unpacked = sum(member.file_size for member in members)
        if packed > source.size:
            _bomb(found, source, "Members of the archive overlap: it unpacks to far more than it holds.")
            return
        if unpacked > _BOMB_BYTES and unpacked > _RATIO * max(packed, 1):
            _bomb(found, source, f"The archive of {source.size:,} bytes unpacks to {unpacked:,}.")
            return
        names: set[str] = set()
        for member in members:
            _check_name(found, source, member.filename)
            if member.filename in names:
                message = f"The archive holds two members named {printable(member.filename, 80)}."
                step = "Readers disagree about which of them counts; pack it again."
                found.find("archive.twins", Severity.SUSPICIOUS, message, step, source.where)
            names.add(member.filename)
            if (member.external_attr >> 28) == 0o12:
                _link(found, source, member.filename, "")
            elif not member.filename.endswith("/"):  # is_dir() fails on a member without a name
                _look_at_member(found, source, archive, member, look)


def _look_at_member(
    found: Inspection, source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo, look: Look
) -> None:
    if member.flag_bits & 1:
        message = f"{printable(member.filename, 80)} is encrypted, so nobody can see what it is."
        found.find("archive.encrypted", Severity.SUSPICIOUS, message, _UNPACK, source.where)
        return
    try:
        with archive.open(member) as stream:
            _look_at_stream(found, source, member.filename, cast("BinaryIO", stream), look)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
        IndexError,
        struct.error,
    ) as problem:
        if isinstance(problem, RecursionError):
            raise
        _unreadable(found, source, printable(member.filename, 80), problem)


def check_tar(found: Inspection, source: Source, look: Look, opened: BinaryIO) -> None:
    """A tar archive, read as a stream from ``opened``. Raises CannotScan."""
    try:
        with tarfile.open(fileobj=opened, mode="r|") as archive:
            for count, member in enumerate(archive):
                if count >= found.bounds.members:
                    raise CannotScan(f"The archive has more than {found.bounds.members:,} members.")
                _check_name(found, source, member.name)
                if member.issym() or member.islnk():
                    _link(found, source, member.name, member.linkname)
                elif member.ischr() or member.isblk() or member.isfifo():
                    message = f"{printable(member.name, 80)} is a device, not a file."
                    found.find("archive.device", Severity.UNSAFE, message, _UNPACK, source.where)
                elif member.isfile() and (stream := archive.extractfile(member)) is not None:
                    _look_at_stream(found, source, member.name, cast("BinaryIO", stream), look)
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as problem:
        _unreadable(found, source, "The tar archive", problem)


def check_compressed(found: Inspection, source: Source, look: Look) -> None:
    """One compressed file, which may be a tar archive. Raises CannotScan."""
    counted = _Counted(found, unpacked(source), source.size)
    try:
        head = counted.read(512)
        if head[257:262] == b"ustar":
            again = _Counted(found, unpacked(source), source.size)
            check_tar(found, source, look, cast("BinaryIO", again))
            return
        data = head + counted.read(found.bounds.member_bytes - len(head))
        if counted.read(1):
            found.read_only(0.5)
            while counted.read(_CHUNK):  # far enough to tell a bomb
                if counted.count > _BOMB_BYTES:
                    break
        name = source.name.rpartition(".")[0] if source.suffix in (".gz", ".bz2", ".xz", ".lzma", ".z") else source.name
        inner = Source(name, io.BytesIO(data), len(data), source.where, source.depth + 1, source.data)
        _look_below(found, inner, look)
    except _Bomb as bomb:
        _bomb(found, source, str(bomb))
    except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as problem:
        _unreadable(found, source, "The compressed file", problem)


def unpacked(source: Source) -> BinaryIO:
    """The source's content, from its beginning, uncompressed."""
    head = source.head
    source.file.seek(0)
    for magic, opening in COMPRESSED.items():
        if head.startswith(magic):
            return opening(source.file)
    return cast("BinaryIO", Inflated(source.file))


class Inflated(io.RawIOBase):
    """A zlib stream as a file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._machine = zlib.decompressobj()

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, count: int = -1) -> bytes:
        """Up to ``count`` bytes; none at the end. Raises zlib.error."""
        pieces = bytearray()
        while count < 0 or len(pieces) < count:
            room = _CHUNK if count < 0 else count - len(pieces)
            packed = self._machine.unconsumed_tail or self._file.read(1 << 16)
            if not packed or self._machine.eof:
                break
            pieces += self._machine.decompress(packed, room)
        return bytes(pieces)


class _Bomb(Exception):
    """It unpacks to far more than it holds."""


class _Counted:
    """A stream whose bytes are taken from the allowance of the scan."""

    def __init__(self, found: Inspection, stream: BinaryIO, packed: int) -> None:
        self._found, self._stream, self._packed = found, stream, max(packed, 1)
        self.count = 0

    def read(self, count: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < count and (data := self._stream.read(min(_CHUNK, count - len(pieces)))):
            pieces += data
            self.count += len(data)
            self._found.unpack(len(data))
            if self.count > _BOMB_BYTES and self.count > _RATIO * self._packed:
                raise _Bomb(f"{self._packed:,} bytes unpack to more than {self.count:,}.")
        return bytes(pieces)


def _look_at_stream(found: Inspection, source: Source, name: str, stream: BinaryIO, look: Look) -> None:
    limit = found.bounds.member_bytes
    data = _Counted(found, stream, source.size).read(limit + 1)
    if len(data) > limit:
        found.read_only(0.5)  # its beginning says what it is; raw weights, mostly
        data = data[:limit]
    where = f"{source.where} / {printable(name)}" if source.where else printable(name)
    inner = Source(PurePosixPath(name).name.lower()[-200:], io.BytesIO(data), len(data), where, source.depth + 1)
    inner.data = source.data
    _look_below(found, inner, look)


def _look_below(found: Inspection, inner: Source, look: Look) -> None:
    if inner.depth > found.bounds.depth:
        message = f"Archives lie within archives, more than {found.bounds.depth} deep; the innermost were not opened."
        found.find("archive.nested", Severity.SUSPICIOUS, message, _UNPACK, inner.where)
        return
    look(found, inner)


def _check_name(found: Inspection, source: Source, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (len(name) > 1 and name[1] == ":") or "\0" in name:
        message = f"The archive would write {printable(name, 100)!r}, outside of the folder it is unpacked in."
        found.find("archive.traversal", Severity.UNSAFE, message, _UNPACK, source.where)


def _link(found: Inspection, source: Source, name: str, target: str) -> None:
    path = PurePosixPath(target)
    if not target or path.is_absolute() or ".." in path.parts:
        shown = printable(name, 80)
        message = f"The archive holds a link, {shown}, that may lead outside of the folder it is unpacked in."
        found.find("archive.link", Severity.UNSAFE, message, _UNPACK, source.where)


def _bomb(found: Inspection, source: Source, message: str) -> None:
    found.find("archive.bomb", Severity.UNSAFE, message, _UNPACK, source.where)


def _unreadable(found: Inspection, source: Source, what: str, problem: Exception) -> None:
    message = f"{what} cannot be read as such: {printable(str(problem) or type(problem).__name__, 120)}."
    step = "Pack it again. Other programs may still be able to open it, and find what was not seen here."
    found.find("archive.unreadable", Severity.SUSPICIOUS, message, step, source.where)
