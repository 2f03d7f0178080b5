"""What a reader is given: files by path, and the limits it must hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a dataset: its path in the repo and a local copy of its bytes."""

    path: str
    file: Path

    @property
    def size(self) -> int:
        return self.file.stat().st_size

    def open(self) -> BinaryIO:
        return self.file.open("rb")

    def head(self, size: int) -> bytes:
        """The first ``size`` bytes, or all there are."""
        with self.open() as stream:
            return stream.read(size)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep a small hostile file from becoming a large table."""

    max_columns: int = 10_000
    max_rows: int = 200_000_000
    max_record_bytes: int = 8 * MIB
    """Largest row of a text file, and largest value of any column but images."""
    max_table_bytes: int = 64 * GIB
    """Largest size of all values together, unpacked."""
    max_batch_bytes: int = 256 * MIB
    """Largest size of one batch of rows in memory, unpacked."""
    max_image_bytes: int = 64 * MIB
    max_image_pixels: int = 50_000_000


DEFAULT_LIMITS = Limits()
