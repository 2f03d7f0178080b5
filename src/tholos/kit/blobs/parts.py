"""Parts of large uploads, staged in a folder of this machine until the last one is there.

A part has its name, ``<number>-<SHA-256>``, only when it is whole and durable: what was acknowledged outlives any
crash. One that is sent again takes the place of the one before.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

from tholos.kit.blobs.durable import Draft, make_folder
from tholos.kit.errors import InvalidInput

_NAME: Final = re.compile(r"[0-9A-Za-z_]{1,100}")
_PART: Final = re.compile(r"([0-9]{5})-([0-9a-f]{64})")
_LOCK: Final = "lock"


class Part(NamedTuple):
    """One part as it lies there; ``number`` counts from 1."""

    number: int
    sha256: str
    size: int


class PartWriter:
    """A part in progress. Leaving the context without ``finish`` keeps nothing. Raises DiskFull."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._folder = folder
        self._hash = hashlib.sha256()
        self._draft = _draft(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._draft.__exit__(kind, error, traceback)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends bytes."""
        self._hash.update(data)
        self._draft.write(data)

    def finish(self) -> Part:
        """Makes the part durable."""
        part = Part(self.number, self._hash.hexdigest(), self._draft.size)
        name = _name(part.number, part.sha256)
        self._draft.publish(self._folder / name)
        for other in self._folder.glob(f"{part.number:05d}-*"):
            if other.name != name:
                other.unlink(missing_ok=True)
        return part


class StagedParts:
    """Parts under ``root/<owner>/<upload>``. Safe to use from several threads and processes of one machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def writer(self, owner: str, upload: str, number: int) -> PartWriter:
        """Begins a part."""
        return PartWriter(self._folder(owner, upload), number)

    def listing(self, owner: str, upload: str) -> list[Part]:
        """The parts of an upload that are whole, in no order."""
        return list(_parts(self._folder(owner, upload)))

    def open(self, owner: str, upload: str, part: Part) -> BinaryIO:
        """The bytes of a part. Raises FileNotFoundError."""
        return (self._folder(owner, upload) / _name(part.number, part.sha256)).open("rb")

    def staged_bytes(self, owner: str, *, without: str) -> int:
        """Bytes of everything that lies here for an owner, ``without`` one upload."""
        with suppress(FileNotFoundError):
            folders = [folder for folder in (self._root / _checked(owner)).iterdir() if folder.name != without]
            return sum(part.size for folder in folders for part in _parts(folder))
        return 0

    def try_hold(self, owner: str, upload: str) -> BinaryIO | None:
        """Takes an upload for its completion, until what is returned is closed; None where another has it.

        The kernel lets go when the process dies. It also keeps the upload from being swept.
        """
        folder = self._folder(owner, upload)
        while True:
            make_folder(folder)
            with suppress(FileNotFoundError):  # swept at this very moment
                lock = (folder / _LOCK).open("wb")
                break
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def drop(self, owner: str, upload: str) -> None:
        """Removes an upload with all its parts."""
        shutil.rmtree(self._folder(owner, upload), ignore_errors=True)

    def sweep(self, older_than_s: float) -> int:
        """Removes the uploads to which nothing came for so long; returns how many."""
        horizon = time.time() - older_than_s
        removed = 0
        for folder in list(self._root.glob("*/*")):
            with suppress(FileNotFoundError):  # completed at this very moment
                newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                if newest < horizon:
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
        return removed

    def _folder(self, owner: str, upload: str) -> Path:
        return self._root / _checked(owner) / _checked(upload)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} names no upload.", next="Ask for the upload's addresses again.")
    return name


def _name(number: int, sha256: str) -> str:
    return f"{number:05d}-{sha256}"


def _parts(folder: Path) -> Iterator[Part]:
    with suppress(FileNotFoundError):
        for path in list(folder.iterdir()):
            if found := _PART.fullmatch(path.name):
                yield Part(int(found[1]), found[2], path.stat().st_size)


def _draft(folder: Path) -> Draft:
    while True:
        make_folder(folder)
        with suppress(FileNotFoundError):  # swept at this very moment
            return Draft(folder)
