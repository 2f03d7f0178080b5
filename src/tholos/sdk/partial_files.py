"""A file that is arriving: hashed while it is written, resumable, renamed into place only when it is whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Self

from tholos.sdk.local_files import CHUNK_BYTES, PARTIAL_FOLDER, target_below
from tholos.sdk.results import Entry


class PartialFile:
    """The part of a repo's file that has arrived so far, under a temporary name in the target folder.

    The name is made from the content's hash and the path, so that a later pull of the same file finds it again.
    """

    def __init__(self, root: Path, entry: Entry, path: Path, descriptor: int) -> None:
        self._root, self._entry, self._path, self._descriptor = root, entry, path, descriptor
        self._restart_digest()

    @classmethod
    def open(cls, root: Path, entry: Entry) -> Self:
        """Opens the file and hashes what an earlier attempt left in it."""
        name = hashlib.sha256(f"{entry.sha256}\0{entry.git_oid}\0{entry.path}".encode()).hexdigest()
        path = root / PARTIAL_FOLDER / name
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        partial = cls(root, entry, path, descriptor)
        if os.fstat(descriptor).st_size > entry.size:
            partial.restart()
        while chunk := os.read(descriptor, CHUNK_BYTES):
            partial._note(chunk)
        return partial

    def close(self) -> None:
        """Leaves the file as it is, for a later attempt."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Deletes what has arrived."""
        self._path.unlink(missing_ok=True)

    @property
    def complete(self) -> bool:
        """Whether as many bytes have arrived as were announced, and they are the right ones."""
        expected = self._entry.sha256 or self._entry.git_oid
        return self.size == self._entry.size and self._digest.hexdigest() == expected

    def write(self, chunk: bytes) -> None:
        """Appends what arrived."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._note(chunk)

    def restart(self) -> None:
        """Forgets all that has arrived."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)
        self._restart_digest()

    def put_in_place(self) -> Path:
        """Gives the complete file its name, replacing what was there. Raises TransferFailed on an unsafe path."""
        target = target_below(self._root, self._entry.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target = target_below(self._root, self._entry.path)  # the folder may have been a link just now
        self._path.replace(target)
        return target

    def _restart_digest(self) -> None:
        self.size = 0
        if self._entry.sha256:
            self._digest = hashlib.sha256()
        else:  # a small text file may be known to the server by its git id alone
            self._digest = hashlib.sha1(f"blob {self._entry.size}\0".encode(), usedforsecurity=False)

    def _note(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
