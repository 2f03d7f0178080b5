"""Recipes written out as real files, for libraries that want a path: made once, kept while there is room."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from tholos.kit.blobs.contract import DamagedBlob
from tholos.kit.blobs.durable import Draft, disk_error

_PIECE_BYTES: Final = 4 << 20
_ABANDONED_AFTER_S: Final = 24 * 3600
# Whoever was given a path may open it a little later: what was asked for this recently stays, over the limit or not.
_IN_USE_S: Final = 3600.0


class FileCache:
    """Files by SHA-256 (or another name of that form) under ``root``.

    The time a file was last asked for is its modification time.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, sha256: str) -> Path | None:
        """The file, marked as used; None when it is not here."""
        path = self._path(sha256)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def open(self, name: str) -> BinaryIO | None:
        """The file, opened, if it is here."""
        path = self.find(name)
        with suppress(FileNotFoundError):  # swept at this very moment
            return path.open("rb") if path else None
        return None

    def adopt(self, name: str, draft: Draft) -> None:
        """Takes a finished draft, which lies on the same file system, as the file of that name."""
        draft.publish(self._path(name), sync=False)

    def forget(self, name: str) -> None:
        """Removes the file, if it is here."""
        self._path(name).unlink(missing_ok=True)

    def fill(self, sha256: str, source: BinaryIO, *, verify: bool = True) -> Path:
        """Writes the file, whole or not at all. Raises DamagedBlob when the bytes are others, DiskFull.

        ``verify=False`` is for names that are not the SHA-256 of the bytes.
        """
        incoming = self._root / "incoming"
        try:
            incoming.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error) from error
        digest = hashlib.sha256()
        with Draft(incoming) as draft:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                draft.write(piece)
            if verify and digest.hexdigest() != sha256:
                raise DamagedBlob(f"the bytes of blob {sha256} are not its own any more")
            draft.publish(self._path(sha256), sync=False)
        return self._path(sha256)

    def sweep(self, max_bytes: int, in_use_s: float = _IN_USE_S) -> int:
        """Removes the files that were not asked for the longest, until at most ``max_bytes`` are left.

        Returns how many were removed. Those asked for in the last ``in_use_s`` seconds stay.
        """
        now = time.time()
        found: list[tuple[float, int, Path]] = []
        for path in self._root.glob("*/*"):
            with suppress(FileNotFoundError):
                state = path.stat()
                if path.parent.name == "incoming":
                    if state.st_mtime < now - _ABANDONED_AFTER_S:
                        path.unlink()
                else:
                    found.append((state.st_mtime, state.st_size, path))
        total, removed = sum(size for _, size, _ in found), 0
        for used, size, path in sorted(found):
            if total <= max_bytes or used > now - in_use_s:
                break
            path.unlink(missing_ok=True)
            total -= size
            removed += 1
        return removed

    def _path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256
