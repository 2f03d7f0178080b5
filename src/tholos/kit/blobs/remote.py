"""Blobs in a bucket, behind a cache of files on this machine.

What is uploaded is gathered on disk and hashed there; it goes to the bucket under its own name once its hash is known,
so that nothing unverified is ever to be seen in it. The file then stays in the cache, from which most reads come.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from tholos.kit.blobs.bucket import Bucket, Key, RangedFile
from tholos.kit.blobs.cache import FileCache
from tholos.kit.blobs.contract import Blob, ObjectKind, StoredObject
from tholos.kit.blobs.durable import Draft
from tholos.kit.blobs.local import check_announced, check_blob_name, no_blob
from tholos.kit.blobs.parts import StagedParts
from tholos.kit.blobs.recipes import Recipe, open_recipe
from tholos.kit.blobs.xorbs import IndexCache, XorbIndex, check_xorb_name, no_xorb
from tholos.kit.clock import utcnow
from tholos.kit.settings import GIB

_PIECE_BYTES: Final = 1 << 20
_READ_BYTES: Final = 8 << 20
_ABANDONED_AFTER_S: Final = 24 * 3600
_LINK_S: Final = 3600.0
_RETIRED: Final = ".retired"
"""Ends the key of an empty object beside a whole file, which tells that the recipe is read instead."""


class _Spool:
    """An upload on its way to the bucket, gathered on disk. Leaving the context without ``finish`` keeps nothing."""

    def __init__(self, incoming: Path, bucket: Bucket, cache: FileCache) -> None:
        self._bucket = bucket
        self._cache = cache
        self._draft = Draft(incoming)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._draft.__exit__(kind, error, traceback)


class _BucketWriter(_Spool):
    def __init__(self, incoming: Path, bucket: Bucket, cache: FileCache) -> None:
        super().__init__(incoming, bucket, cache)
        self._hash = hashlib.sha256()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._hash.update(data)
        self._draft.write(data)

    def finish(self, expected_sha256: str | None = None) -> Blob:
        sha256 = self._hash.hexdigest()
        check_announced(expected_sha256, sha256)
        begun = utcnow()
        self._bucket.put(_blob_key(sha256), self._draft.path)
        self._cache.adopt(sha256, self._draft)
        return Blob(sha256, self._draft.size, begun)


class _BucketXorbWriter(_Spool):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._draft.write(data)

    def finish(self, xorb: str, index: XorbIndex) -> None:
        if index.size != self._draft.size:
            raise ValueError("the index is of other chunks")
        self._draft.write(index.encode())
        if self._bucket.put_new(_xorb_key(xorb), self._draft.path):
            self._cache.adopt(_cached(xorb), self._draft)


class BucketXorbStore:
    """Xorbs in a bucket, under ``xorbs/ab/cd/abcd…``; drafts in ``incoming`` on this machine."""

    def __init__(self, incoming: Path, bucket: Bucket, cache: FileCache) -> None:
        self._incoming = incoming
        self._bucket = bucket
        self._cache = cache
        self._indexes = IndexCache()

    def writer(self) -> _BucketXorbWriter:
        return _BucketXorbWriter(self._incoming, self._bucket, self._cache)

    def exists(self, xorb: str) -> bool:
        return self._bucket.size(_xorb_key(xorb)) is not None

    def open(self, xorb: str) -> BinaryIO:
        name = _cached(check_xorb_name(xorb))
        while (file := self._cache.open(name)) is None:
            with self.open_stored(xorb) as source:
                self._cache.fill(name, source, verify=False)
        return file

    def open_stored(self, xorb: str) -> BinaryIO:
        """The xorb as it lies in the bucket. Raises XorbNotFound."""
        size = self._bucket.size(_xorb_key(xorb))
        if size is None:
            raise no_xorb(xorb)
        return io.BufferedReader(RangedFile(self._bucket, _xorb_key(xorb), size), _READ_BYTES)

    def index(self, xorb: str) -> XorbIndex:
        index = self._indexes.get(xorb)
        # an index in memory says nothing about the object: it may have been collected since
        if index is not None and self.exists(xorb):
            return index
        with self.open(xorb) as file:
            index = XorbIndex.read(file)
        self._indexes.keep(xorb, index)
        return index


class BucketBlobStore:
    """Blobs in a bucket: a whole file ``blobs/ab/cd/abcd…``, or a recipe ``blobs/ab/cd/abcd….recipe``.

    ``root`` is a folder of this machine for drafts; the cache lies beside it in ``cache/blobs`` and has at most
    ``cache_bytes`` after a sweep. With ``redirect`` clients are sent to the bucket for whole files.
    """

    def __init__(self, root: Path, bucket: Bucket, *, cache_bytes: int = 20 * GIB, redirect: bool = False) -> None:
        self._bucket = bucket
        self._cache_bytes = cache_bytes
        self._redirect = redirect
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._cache = FileCache(root.parent / "cache" / "blobs")
        self.xorbs = BucketXorbStore(self._incoming, bucket, self._cache)
        self.parts = StagedParts(root.parent / "parts")

    def writer(self) -> _BucketWriter:
        return _BucketWriter(self._incoming, self._bucket, self._cache)

    def open(self, sha256: str) -> BinaryIO:
        if file := self._cache.open(check_blob_name(sha256)):
            return file
        size = self._whole_size(sha256)
        if size is None:
            recipe = self.recipe(sha256)
            if recipe is None:
                raise no_blob(sha256)
            return open_recipe(recipe, self.xorbs)
        if size > _READ_BYTES:
            return io.BufferedReader(RangedFile(self._bucket, _blob_key(sha256), size), _READ_BYTES)
        return self._fetched(sha256).open("rb")

    def path(self, sha256: str) -> Path:
        return self._cache.find(check_blob_name(sha256)) or self._fetched(sha256)

    def exists(self, sha256: str) -> bool:
        keys = (_blob_key(sha256), _recipe_key(sha256))
        return any(self._bucket.size(key) is not None for key in keys)

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
        if self._bucket.size(_blob_key(sha256)) is not None:
            return None
        there = self.recipe(sha256)
        # a recipe whose upload was never acknowledged may have outlived its xorbs
        if there is not None and all(map(self.xorbs.exists, there.xorbs)):
            return there
        self.lay_recipe(sha256, recipe)
        return recipe

    def lay_recipe(self, sha256: str, recipe: Recipe) -> None:
        self._bucket.put(_recipe_key(sha256), recipe.encode())

    def retire(self, sha256: str) -> bool:
        if self._bucket.size(_retired_key(sha256)) is not None:
            return False
        self._bucket.put(_retired_key(sha256), b"")
        return True

    def drop_whole(self, sha256: str) -> None:
        self._bucket.delete(_blob_key(sha256))
        self._bucket.delete(_retired_key(sha256))

    def recipe(self, sha256: str) -> Recipe | None:
        key = _recipe_key(sha256)
        size = self._bucket.size(key)
        if size is None:
            return None
        try:
            return Recipe.decode(self._bucket.read(key, 0, size))
        except FileNotFoundError:  # removed at this very moment
            return None

    def download_address(self, sha256: str) -> str | None:
        if not self._redirect or self._whole_size(sha256) is None:
            return None
        return self._bucket.link(_blob_key(sha256), _LINK_S)

    def listing(self) -> Iterator[StoredObject]:
        for key in self._bucket.keys("blobs"):
            if key.path.endswith(_RETIRED):
                continue
            yield _listed("recipe" if key.path.endswith(".recipe") else "blob", key)
        for key in self._bucket.keys("xorbs"):
            yield _listed("xorb", key)

    def open_stored(self, kind: ObjectKind, name: str) -> BinaryIO:
        if kind == "xorb":
            return self.xorbs.open_stored(name)
        key = _key(kind, name)
        size = self._bucket.size(key)
        if size is None:
            raise no_blob(name)
        return io.BufferedReader(RangedFile(self._bucket, key, size), _READ_BYTES)

    def remove(self, kind: ObjectKind, name: str) -> None:
        if kind == "blob":
            self.drop_whole(name)
        else:
            self._bucket.delete(_key(kind, name))
        self._cache.forget(_cached(name) if kind == "xorb" else name)

    def sweep(self, older_than_s: float = _ABANDONED_AFTER_S) -> int:
        horizon = time.time() - older_than_s
        removed = self._cache.sweep(self._cache_bytes) + self.parts.sweep(older_than_s)
        for temporary in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # its writer may finish at this very moment
                if temporary.stat().st_mtime < horizon:
                    temporary.unlink()
                    removed += 1
        return removed

    def _whole_size(self, sha256: str) -> int | None:
        """Bytes of the whole file; None where there is none, or it is retired and its recipe is read."""
        size = self._bucket.size(_blob_key(sha256))
        if size is None or (self._bucket.size(_retired_key(sha256)) is not None and self.recipe(sha256) is not None):
            return None
        return size

    def _fetched(self, sha256: str) -> Path:
        """A local file with the blob's bytes, brought here and verified."""
        size = self._whole_size(sha256)
        if size is not None:
            with io.BufferedReader(RangedFile(self._bucket, _blob_key(sha256), size), _READ_BYTES) as source:
                return self._cache.fill(sha256, source)
        recipe = self.recipe(sha256)
        if recipe is None:
            raise no_blob(sha256)
        with open_recipe(recipe, self.xorbs) as source:
            return self._cache.fill(sha256, source)


def _blob_key(sha256: str) -> str:
    check_blob_name(sha256)
    return f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _recipe_key(sha256: str) -> str:
    return _blob_key(sha256) + ".recipe"


def _retired_key(sha256: str) -> str:
    return _blob_key(sha256) + _RETIRED


def _xorb_key(xorb: str) -> str:
    check_xorb_name(xorb)
    return f"xorbs/{xorb[:2]}/{xorb[2:4]}/{xorb}"


def _key(kind: ObjectKind, name: str) -> str:
    return {"blob": _blob_key, "recipe": _recipe_key, "xorb": _xorb_key}[kind](name)


def _cached(xorb: str) -> str:
    """The name of a xorb in the cache, where it lies beside files."""
    return f"{xorb}.xorb"


def _listed(kind: ObjectKind, key: Key) -> StoredObject:
    name = key.path.rpartition("/")[2].removesuffix(".recipe")
    return StoredObject(kind, name, key.size, key.modified_at)
