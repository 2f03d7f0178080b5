"""A bucket of an S3-compatible service: objects by key, and one error for whatever keeps it from answering."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tholos.kit.blobs.contract import StoreUnreachable
from tholos.kit.settings import Settings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore.store import S3Config, S3Store

_PART_BYTES: Final = 16 << 20
_PARTS_AT_ONCE: Final = 4
_MAX_PARTS: Final = 9_000  # of the 10,000 that the protocol allows
_RETRIES: Final = 3


class Key(NamedTuple):
    """An object: its key below the store's prefix, its size in bytes, and when it was written."""

    path: str
    size: int
    modified_at: datetime


class Bucket:
    """One bucket, or what lies below a prefix of it. Safe to use from several threads.

    Every method raises StoreUnreachable when the service does not answer in time, or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        name, _, prefix = settings.blob_store.removeprefix("s3://").partition("/")
        self._settings = settings
        self._name = name
        self._prefix = prefix.strip("/")
        self._opened: S3Store | None = None

    @property
    def _store(self) -> S3Store:
        if self._opened is None:
            self._opened = _open(self._settings, self._name, self._prefix)
        return self._opened

    def put(self, path: str, content: bytes | Path) -> None:
        """Writes an object, whole or not at all, over what has its key. A large file goes in parts, few at a time."""
        import obstore

        part = _PART_BYTES
        if isinstance(content, Path):
            part = max(part, content.stat().st_size // _MAX_PARTS + 1)
        with self._asked("take a file"):
            obstore.put(self._store, path, content, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)

    def put_new(self, path: str, content: Path) -> bool:
        """Writes an object of up to some 100 MiB unless its key is taken; returns whether it did."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._asked("take a file"):
            try:
                obstore.put(self._store, path, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def size(self, path: str) -> int | None:
        """Bytes of an object; None where there is none."""
        import obstore

        with self._asked("say what it holds"):
            try:
                return int(obstore.head(self._store, path)["size"])
            except FileNotFoundError:
                return None

    def read(self, path: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` (not included) of an object. Raises FileNotFoundError."""
        import obstore

        if start >= end:
            return b""
        with self._asked("give a file"):
            return obstore.get_range(self._store, path, start=start, end=end).to_bytes()

    def keys(self, prefix: str) -> Iterator[Key]:
        """Every object below a prefix, a page at a time."""
        import obstore

        pages = iter(obstore.list(self._store, prefix))
        while True:
            with self._asked("list its files"):
                page = next(pages, None)
            if page is None:
                return
            yield from (Key(found["path"], found["size"], found["last_modified"]) for found in page)

    def delete(self, path: str) -> None:
        """Removes an object, if it is there."""
        import obstore

        with self._asked("remove a file"):
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError:
                return

    def link(self, path: str, lifetime_s: float) -> str:
        """An address at which anyone may fetch the object for so long."""
        import obstore

        with self._asked("sign a link"):
            return str(obstore.sign(self._store, "GET", path, timedelta(seconds=lifetime_s)))

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StoreUnreachable(
                f"The bucket {self._name} refused to {what}: the server's key may not do that.",
                next="The operator checks THOLOS_S3_ACCESS_KEY_ID, its secret and the bucket's policy.",
            ) from error
        except BaseError as error:
            raise StoreUnreachable(
                f"The bucket {self._name} did not {what}.",
                next="Try again in a while; the operator checks THOLOS_BLOB_STORE, THOLOS_S3_ENDPOINT and the service.",
            ) from error


class RangedFile(io.RawIOBase):
    """An object as a file that is read by ranges; wrap it in a BufferedReader. Not for two threads at once."""

    def __init__(self, bucket: Bucket, path: str, size: int) -> None:
        super().__init__()
        self._bucket = bucket
        self._path = path
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer by one request. Raises StoreUnreachable, FileNotFoundError."""
        view = memoryview(buffer).cast("B")
        data = self._bucket.read(self._path, self._position, min(self._size, self._position + len(view)))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _open(settings: Settings, name: str, prefix: str) -> S3Store:
    from obstore.store import S3Store

    limit = timedelta(seconds=settings.s3_timeout_s)
    config: S3Config = {"region": settings.s3_region}
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    if settings.s3_access_key_id:
        config["access_key_id"] = settings.s3_access_key_id
        config["secret_access_key"] = settings.s3_secret_access_key
    options: Any = {
        "allow_http": settings.s3_endpoint.startswith("http://"),
        "timeout": limit,
        "connect_timeout": min(limit, timedelta(seconds=5)),
    }
    return S3Store(
        name,
        prefix=prefix or None,
        config=config,
        client_options=options,
        retry_config={"max_retries": _RETRIES, "retry_timeout": limit},
    )
