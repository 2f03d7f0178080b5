"""Blobs in folders of this machine."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from tholos.kit.blobs.cache import FileCache
from tholos.kit.blobs.contract import Blob, BlobMismatch, BlobNotFound, BlobWriter, ObjectKind, StoredObject
from tholos.kit.blobs.durable import Draft, sync_folder
from tholos.kit.blobs.parts import StagedParts
from tholos.kit.blobs.recipes import Recipe, open_recipe
from tholos.kit.blobs.xorbs import LocalXorbStore
from tholos.kit.clock import utcnow
from tholos.kit.errors import InvalidInput
from tholos.kit.settings import GIB

_PIECE_BYTES: Final = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ABANDONED_AFTER_S: Final = 24 * 3600
_RETIRED: Final = ".retired"
"""Ends the name of an empty file beside a whole one, which tells that the recipe is read instead."""


class _LocalWriter:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._hash = hashlib.sha256()
        self._draft = Draft(root / "incoming")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._draft.__exit__(kind, error, traceback)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._hash.update(data)
        self._draft.write(data)

    def finish(self, expected_sha256: str | None = None) -> Blob:
        sha256 = self._hash.hexdigest()
        check_announced(expected_sha256, sha256)
        begun = utcnow()
        self._draft.publish(_blob_path(self._root, sha256))
        return Blob(sha256, self._draft.size, begun)


class LocalBlobStore:
    """Blobs under ``root``: a whole file ``ab/cd/abcd…``, or a recipe ``ab/cd/abcd….recipe``.

    Xorbs lie beside it in ``xorbs``; files made from recipes in ``cache/blobs``, at most ``cache_bytes`` after a sweep.
    """

    def __init__(self, root: Path, *, cache_bytes: int = 20 * GIB) -> None:
        self._root = root
        self._cache_bytes = cache_bytes
        self._cache = FileCache(root.parent / "cache" / "blobs")
        (root / "incoming").mkdir(parents=True, exist_ok=True)
        self.xorbs = LocalXorbStore(root.parent / "xorbs", root / "incoming")
        self.parts = StagedParts(root.parent / "parts")

    def writer(self) -> BlobWriter:
        return _LocalWriter(self._root)

    def open(self, sha256: str) -> BinaryIO:
        path = _blob_path(self._root, sha256)
        if not _is_retired(path):
            with suppress(FileNotFoundError):
                return path.open("rb")
        recipe = self.recipe(sha256)
        if recipe is None:
            raise no_blob(sha256)
        return open_recipe(recipe, self.xorbs)

    def path(self, sha256: str) -> Path:
        path = _blob_path(self._root, sha256)
        if path.is_file() and not _is_retired(path):
            return path
        recipe = self.recipe(sha256)
        if recipe is None:
            raise no_blob(sha256)
        if cached := self._cache.find(sha256):
            return cached
        with open_recipe(recipe, self.xorbs) as source:
            return self._cache.fill(sha256, source)

    def exists(self, sha256: str) -> bool:
        path = _blob_path(self._root, sha256)
        return path.is_file() or _recipe_path(path).is_file()

    def put_bytes(self, data: bytes) -> Blob:
        with self.writer() as writer:
            writer.write(data)
            return writer.finish()

    def put_file(self, path: Path) -> Blob:
        with self.writer() as writer, path.open("rb") as source:
            while piece := source.read(_PIECE_BYTES):
                writer.write(piece)
            return writer.finish()

    def put_recipe(self, sha256: str, recipe: Recipe) -> Recipe | None:
        path = _blob_path(self._root, sha256)
        if path.is_file():
            sync_folder(path.parent)  # who wrote it may not have come to this yet, and we are about to acknowledge it
            return None
        there = self.recipe(sha256)
        # a recipe whose upload was never acknowledged may have outlived its xorbs
        if there is not None and all(map(self.xorbs.exists, there.xorbs)):
            sync_folder(path.parent)
            return there
        self.lay_recipe(sha256, recipe)
        return recipe

    def lay_recipe(self, sha256: str, recipe: Recipe) -> None:
        with Draft(self._root / "incoming") as draft:
            draft.write(recipe.encode())
            draft.publish(_recipe_path(_blob_path(self._root, sha256)), replace=True)

    def retire(self, sha256: str) -> bool:
        mark = _retired_path(_blob_path(self._root, sha256))
        if mark.exists():
            return False
        mark.touch()
        return True

    def drop_whole(self, sha256: str) -> None:
        path = _blob_path(self._root, sha256)
        path.unlink(missing_ok=True)
        _retired_path(path).unlink(missing_ok=True)

    def recipe(self, sha256: str) -> Recipe | None:
        try:
            data = _recipe_path(_blob_path(self._root, sha256)).read_bytes()
        except FileNotFoundError:
            return None
        return Recipe.decode(data)

    def download_address(self, sha256: str) -> None:  # noqa: ARG002 - a folder has no addresses
        return None

    def listing(self) -> Iterator[StoredObject]:
        for path in self._root.glob("??/??/*"):
            if path.suffix == _RETIRED:
                continue
            kind: ObjectKind = "recipe" if path.suffix == ".recipe" else "blob"
            yield from _listed(kind, path)
        for path in self.xorbs.root.glob("??/??/*"):
            yield from _listed("xorb", path)

    def open_stored(self, kind: ObjectKind, name: str) -> BinaryIO:
        if kind == "xorb":
            return self.xorbs.open(name)
        try:
            return self._stored_path(kind, name).open("rb")
        except FileNotFoundError:
            raise no_blob(name) from None

    def remove(self, kind: ObjectKind, name: str) -> None:
        if kind == "blob":
            self.drop_whole(name)
        else:
            self._stored_path(kind, name).unlink(missing_ok=True)
        self._cache.forget(name)

    def _stored_path(self, kind: ObjectKind, name: str) -> Path:
        if kind == "xorb":
            return self.xorbs.path(name)
        path = _blob_path(self._root, name)
        return path if kind == "blob" else _recipe_path(path)

    def sweep(self, older_than_s: float = _ABANDONED_AFTER_S) -> int:
        """Removes uploads that were begun and never finished, and what the cache has too much; returns how many."""
        horizon = time.time() - older_than_s
        removed = self._cache.sweep(self._cache_bytes) + self.parts.sweep(older_than_s)
        for temporary in (self._root / "incoming").iterdir():
            with suppress(FileNotFoundError):  # its writer may finish at this very moment
                if temporary.stat().st_mtime < horizon:
                    temporary.unlink()
                    removed += 1
        return removed


def _listed(kind: ObjectKind, path: Path) -> Iterator[StoredObject]:
    with suppress(FileNotFoundError):  # removed meanwhile
        state = path.stat()
        moment = datetime.fromtimestamp(state.st_mtime, UTC)
        yield StoredObject(kind, path.name.removesuffix(".recipe"), state.st_size, moment)


def check_announced(expected: str | None, actual: str) -> None:
    """Raises BlobMismatch when the bytes are not those that were announced."""
    if expected is not None and actual != expected:
        raise BlobMismatch(
            f"The upload was announced as SHA-256 {expected} but its bytes have {actual}.",
            next="Hash the file again and repeat the upload; nothing was kept.",
            expected=expected,
            actual=actual,
        )


def check_blob_name(sha256: str) -> str:
    """The name, if it is a SHA-256. Raises InvalidInput."""
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"{sha256!r} is not a SHA-256.", next="Pass 64 lower-case hex digits.")
    return sha256


def _blob_path(root: Path, sha256: str) -> Path:
    check_blob_name(sha256)
    return root / sha256[:2] / sha256[2:4] / sha256


def _recipe_path(path: Path) -> Path:
    return path.with_name(path.name + ".recipe")


def _retired_path(path: Path) -> Path:
    return path.with_name(path.name + _RETIRED)


def _is_retired(path: Path) -> bool:
    return _retired_path(path).exists() and _recipe_path(path).exists()


def no_blob(sha256: str) -> BlobNotFound:
    """The error for a blob that is not in the store."""
    return BlobNotFound(f"There is no blob {sha256}.", next="Upload the file before you name it.", sha256=sha256)
