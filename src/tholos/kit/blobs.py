"""Content-addressed objects: a blob is named by the SHA-256 of its bytes, written once and never changed.

The local store stages into a temporary file, hashes while writing, syncs the data, renames, and syncs the folder: a
blob that has its final name is whole and on disk. (obstore's local backend renames but never syncs: for buckets only.)
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from tholos.kit.errors import InsufficientStorage, InvalidInput, NotFound
from tholos.kit.ids import new_id

_CHUNK = 1 << 20
_WRITE_BACK_BYTES = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ABANDONED_AFTER_S = 24 * 3600


class BlobNotFound(NotFound):
    """There is no blob with that SHA-256."""

    code = "blob_not_found"


class BlobMismatch(InvalidInput):
    """The bytes do not have the SHA-256 that was announced."""

    code = "blob_mismatch"


class DiskFull(InsufficientStorage):
    """The server's disk is full; nothing of this upload was kept."""

    code = "disk_full"


@dataclass(frozen=True, slots=True)
class Blob:
    """``sha256`` in 64 hex digits and ``size`` in bytes."""

    sha256: str
    size: int


class BlobWriter(Protocol):
    """An upload in progress. Leaving the context without ``finish`` keeps nothing."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends bytes. Raises DiskFull."""

    def finish(self, expected_sha256: str | None = None) -> Blob:
        """Makes the blob durable and visible. Raises BlobMismatch and DiskFull; then nothing was kept."""


class BlobStore(Protocol):
    """Where blobs live. Safe to use from several threads and processes."""

    def writer(self) -> BlobWriter:
        """Starts an upload."""

    def open(self, sha256: str) -> BinaryIO:
        """The blob's bytes, seekable. Raises BlobNotFound."""

    def path(self, sha256: str) -> Path:
        """A local file with the blob's bytes; never write to it. Raises BlobNotFound."""

    def exists(self, sha256: str) -> bool:
        """Whether the blob is whole and durable here."""

    def put_bytes(self, data: bytes) -> Blob:
        """Stores bytes."""

    def put_file(self, path: Path) -> Blob:
        """Stores a copy of a file."""


class _LocalWriter:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "incoming" / new_id("part")
        self._hash = hashlib.sha256()
        self._size = 0
        self._begun = 0
        try:
            self._file = self._temporary.open("xb", buffering=0)
        except OSError as error:
            raise _disk_error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):  # after finish() the temporary name is gone
            self._temporary.unlink()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._hash.update(view)
        self._size += view.nbytes
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
            if self._size - self._begun >= _WRITE_BACK_BYTES:
                self._write_back()
        except OSError as error:
            raise _disk_error(error) from error

    def _write_back(self) -> None:
        """Has the disk begin with what it has not yet, so that ``finish`` has little left to wait for."""
        # Linux answers "not needed" by starting to write dirty pages; it does not wait for them.
        os.posix_fadvise(self._file.fileno(), self._begun, self._size - self._begun, os.POSIX_FADV_DONTNEED)
        self._begun = self._size

    def finish(self, expected_sha256: str | None = None) -> Blob:
        sha256 = self._hash.hexdigest()
        if expected_sha256 is not None and sha256 != expected_sha256:
            raise BlobMismatch(
                f"The upload was announced as SHA-256 {expected_sha256} but its bytes have {sha256}.",
                next="Hash the file again and repeat the upload; nothing was kept.",
                expected=expected_sha256,
                actual=sha256,
            )
        target = _blob_path(self._root, sha256)
        try:
            os.fdatasync(self._file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            raise _disk_error(error) from error
        return Blob(sha256, self._size)


class LocalBlobStore:
    """Blobs in a folder: ``ab/cd/abcd…`` under ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "incoming").mkdir(parents=True, exist_ok=True)

    def writer(self) -> BlobWriter:
        return _LocalWriter(self._root)

    def open(self, sha256: str) -> BinaryIO:
        return self.path(sha256).open("rb")

    def path(self, sha256: str) -> Path:
        path = _blob_path(self._root, sha256)
        if not path.is_file():
            raise BlobNotFound(f"There is no blob {sha256}.", next="Upload the file before you name it.", sha256=sha256)
        return path

    def exists(self, sha256: str) -> bool:
        return _blob_path(self._root, sha256).is_file()

    def put_bytes(self, data: bytes) -> Blob:
        with self.writer() as writer:
            writer.write(data)
            return writer.finish()

    def put_file(self, path: Path) -> Blob:
        with self.writer() as writer, path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                writer.write(chunk)
            return writer.finish()

    def sweep(self, older_than_s: float = _ABANDONED_AFTER_S) -> int:
        """Removes uploads that were begun and never finished; returns how many."""
        horizon = time.time() - older_than_s
        removed = 0
        for temporary in (self._root / "incoming").iterdir():
            with suppress(FileNotFoundError):  # its writer may finish at this very moment
                if temporary.stat().st_mtime < horizon:
                    temporary.unlink()
                    removed += 1
        return removed


def _blob_path(root: Path, sha256: str) -> Path:
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"{sha256!r} is not a SHA-256.", next="Pass 64 lower-case hex digits.")
    return root / sha256[:2] / sha256[2:4] / sha256


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_error(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(next="Free some space on the server's disk, then repeat the upload.")
    return error
