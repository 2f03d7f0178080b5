"""How far an upload or download is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transferred:
    """How much of a transfer is done; sizes in bytes. Files that need not travel count as done."""

    files_done: int
    files: int
    bytes_done: int
    bytes: int


OnTransfer = Callable[[Transferred], None]
"""Told after each chunk and file; called from one thread at a time."""


class TransferCount:
    """Adds up the files of a transfer and tells a callback."""

    def __init__(self, files: int, size: int, told: OnTransfer | None) -> None:
        self._files, self._bytes = files, size
        self._files_done = self._bytes_done = 0
        self._under_way: dict[str, int] = {}
        self._told = told
        self._lock = threading.Lock()

    def reached(self, path: str, size: int) -> None:
        """``size`` bytes of this file are done (fewer than before when it had to start over)."""
        with self._lock:
            self._bytes_done += size - self._under_way.get(path, 0)
            self._under_way[path] = size
            self._tell()

    def finished(self, path: str, size: int) -> None:
        """All ``size`` bytes of this file are done."""
        with self._lock:
            self._bytes_done += size - self._under_way.pop(path, 0)
            self._files_done += 1
            self._tell()

    def _tell(self) -> None:
        if self._told is not None:
            self._told(Transferred(self._files_done, self._files, self._bytes_done, self._bytes))
