"""Files that appear whole or not at all, and stay."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tholos.kit.blobs.contract import DiskFull
from tholos.kit.ids import new_id

_WRITE_BACK_BYTES = 4 << 20


class Draft:
    """A temporary file in ``folder``. Leaving the context without ``publish`` keeps nothing.

    Raises DiskFull, here and in every method that writes.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / new_id("part")
        self._begun = 0
        self.size = 0
        """Bytes written so far."""
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise disk_error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):  # after publish() the temporary name may be gone
            self._path.unlink()

    @property
    def path(self) -> Path:
        """Where the bytes lie until they are published."""
        return self._path

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends bytes."""
        view = memoryview(data)
        self.size += view.nbytes
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
            if self.size - self._begun >= _WRITE_BACK_BYTES:
                self._write_back()
        except OSError as error:
            raise disk_error(error) from error

    def _write_back(self) -> None:
        """Has the disk begin with what it has not yet, so that ``publish`` has little left to wait for."""
        # Linux answers "not needed" by starting to write dirty pages; it does not wait for them.
        os.posix_fadvise(self._file.fileno(), self._begun, self.size - self._begun, os.POSIX_FADV_DONTNEED)
        self._begun = self.size

    def publish(self, target: Path, *, replace: bool = True, sync: bool = True) -> None:
        """Gives the file its final name, synced before and after. Where not ``replace``, what has the name keeps it.

        ``sync=False`` is for what can be made again.
        """
        try:
            if sync:
                os.fdatasync(self._file.fileno())
                make_folder(target.parent)  # before the name: what shows in a folder lies in one that stays
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
            if replace:
                self._path.replace(target)
            else:
                with suppress(FileExistsError):
                    os.link(self._path, target)
            if sync:
                sync_folder(target.parent)  # also when another was first, who may not have come to it yet
        except OSError as error:
            raise disk_error(error) from error


def make_folder(folder: Path) -> None:
    """Makes a folder that stays, with those above it; costs nothing where it is there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)  # also when another was first, who may not have come to it yet


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(error: OSError) -> Exception:
    """DiskFull where that is what the system said, else the error itself."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(next="Free some space on the server's disk, then repeat the upload.")
    return error
