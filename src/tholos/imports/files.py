"""The files of a revision as readers see them: by path, opened when needed, laid out only where a library asks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tholos.hub import service as hub
from tholos.imports.errors import NotImportable
from tholos.kit.blobs import BlobStore

MAX_JSON_BYTES = 16 << 20
_MAX_DEPTH = 64


@dataclass(frozen=True)
class Files:
    """The files of one revision."""

    blobs: BlobStore
    entries: Mapping[str, hub.TreeEntry]
    folder: Path
    """An empty scratch folder."""

    @classmethod
    def of(cls, blobs: BlobStore, entries: Iterable[hub.TreeEntry], folder: Path) -> Files:
        return cls(blobs, {entry.path: entry for entry in entries if entry.type == "file" and entry.sha256}, folder)

    def __contains__(self, path: str) -> bool:
        return path in self.entries

    def size(self, path: str) -> int:
        return self.entries[path].size or 0

    def sha256(self, path: str) -> str:
        return self.entries[path].sha256 or ""

    def open(self, path: str) -> BinaryIO:
        return self.blobs.open(self.sha256(path))

    def head(self, path: str, limit: int) -> bytes:
        """The first bytes of a file."""
        with self.open(path) as file:
            return file.read(limit)

    def json(self, path: str) -> dict[str, Any]:
        """A file that holds one JSON object. Raises NotImportable."""
        if self.size(path) > MAX_JSON_BYTES:
            raise broken(path, f"it has {self.size(path):,} bytes; at most {MAX_JSON_BYTES:,} are read")
        try:
            value = json.loads(self.head(path, MAX_JSON_BYTES))
        except (ValueError, RecursionError) as error:
            raise broken(path, "it is not JSON") from error
        if not isinstance(value, dict):
            raise broken(path, "it is not a JSON object")
        return value

    def place(self, path: str, *, copy: bool = False) -> Path:
        """The file as a file, in the scratch folder, under its own name: a link to the blob, or a copy."""
        target = self.folder / PurePosixPath(path).name
        if copy:
            target.unlink(missing_ok=True)
            with self.open(path) as source, target.open("wb") as written:
                shutil.copyfileobj(source, written, 1 << 20)
        elif not target.exists():
            target.symlink_to(self.blobs.path(self.sha256(path)))
        return target


def broken(path: str, why: str) -> NotImportable:
    """The error for a file that is not what its name says."""
    return NotImportable(f"{path} cannot be read: {why}.", next="Export it again and push it.", file=path)
