"""Uploads: a stream of bytes becomes a verified blob that a repo possesses.

The event loop only collects what the network delivers; hashing and writing happen in a worker thread, one batch at a
time, while the next batch gathers. Memory is bounded by two batches whatever the size of the file.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from tholos.accounts.authorization import Action, Actor, hidden, may
from tholos.hub import repository
from tholos.hub.errors import BlobTooLarge, DiskLow, RepoNotFound
from tholos.hub.freshness import keep_promised, refuse_collected
from tholos.hub.mirror.promises import fulfil
from tholos.hub.models import Repo, RepoBlob, StoredBlob
from tholos.hub.names import RepoKind
from tholos.hub.proposals import get_proposable, upload_limit
from tholos.hub.quotas import Quota, require_room, room_for
from tholos.hub.repos import get_repo
from tholos.kit.blobs import Blob, BlobWriter
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import InvalidInput, TholosError
from tholos.kit.services import Services

_BATCH_BYTES = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that may proceed: to which repo, under which name, and whether the repo has it already."""

    repo: Repo
    sha256: str
    known: bool
    max_bytes: int
    room: int | None = None
    """Bytes that the quota of the repo's owner has left; None is without limit."""


def begin_upload(
    services: Services,
    actor: Actor,
    kind: RepoKind,
    name: str,
    *,
    sha256: str,
    size: int | None,
    proposes: bool = False,
    staged: int = 0,
) -> Upload:
    """Decides, before the first byte is read, whether an upload of ``size`` bytes (None: not announced) may proceed.

    ``proposes``: for a pull request, which takes no right to write the repo. ``staged``: bytes that lie here already
    for other uploads of the same account, and count as if the repo's owner had them.

    Raises RepoNotFound, Forbidden, InvalidInput (SHA-256), BlobTooLarge, QuotaExceeded, DiskLow.
    """
    default = Quota.default(services.settings)
    with services.database.read() as read:
        repo = get_proposable(read, actor, kind, name) if proposes else get_repo(read, actor, kind, name, Action.WRITE)
        if not is_sha256(sha256):
            raise InvalidInput("The address does not end in a SHA-256.", next="Give 64 lower-case hexadecimal digits.")
        known = sha256 in repository.possessed(read, repo.id, [sha256])
        room = None
        if known:
            keep_promised(services, read, repo.id, [sha256])
        if not known:
            stranger = not may(actor, Action.WRITE, repo)
            require_room(read, default, repo.owner_id, (size or 0) + staged, proposed=stranger)
            room = room_for(read, default, repo.owner_id, proposed=stranger) if size is None else None
    limit = upload_limit(services, actor, repo)
    upload = Upload(repo, sha256, known and services.blobs.exists(sha256), limit, room)
    if size is not None and size > limit:
        raise too_large(limit)
    if not upload.known:
        check_space(services, size or 0)
    return upload


async def receive(services: Services, upload: Upload, chunks: AsyncIterator[bytes]) -> Blob:
    """Stores a stream of bytes and makes the repo its possessor; nothing is kept unless all of it is as announced.

    Raises BlobMismatch, BlobTooLarge, QuotaExceeded, DiskLow, DiskFull, RepoNotFound (deleted meanwhile), and what the
    stream raises.
    """
    if upload.known:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        return Blob(upload.sha256, size)
    unannounced = _Room(services, upload)
    with await asyncio.to_thread(services.blobs.writer) as writer:

        def write(data: bytes) -> None:
            check_space(services, len(data))  # the size may not have been announced, and others write as well
            unannounced.take(len(data))
            writer.write(data)

        await pump(chunks, write, upload.max_bytes, too_large)
        return await asyncio.to_thread(finish_upload, services, upload, writer)


class _Room:
    """What the quota leaves to an upload that did not say how long it is."""

    def __init__(self, services: Services, upload: Upload) -> None:
        self._services = services
        self._upload = upload
        self._taken = 0

    def take(self, size: int) -> None:
        """Raises QuotaExceeded."""
        self._taken += size
        if self._upload.room is not None and self._taken > self._upload.room:
            with self._services.database.read() as read:
                default = Quota.default(self._services.settings)
                require_room(read, default, self._upload.repo.owner_id, self._taken)


def is_sha256(text: str) -> bool:
    """Whether the text is 64 lower-case hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


def possessed_sizes(services: Services, read: ReadSession, repo: Repo, sha256s: Iterable[str]) -> dict[str, int]:
    """Size in bytes of each of these contents that the repo possesses and the store still holds."""
    found = repository.possessed(read, repo.id, [sha256 for sha256 in sha256s if is_sha256(sha256)])
    sizes = {sha256: blob.size for sha256, blob in found.items() if services.blobs.exists(sha256)}
    keep_promised(services, read, repo.id, sizes)
    return sizes


def record_upload(write: WriteSession, repo: Repo, blob: Blob) -> None:
    """Notes that the repo possesses a blob that is whole and durable in the store.

    Raises RepoNotFound, ContentCollected (its very copy was being removed).
    """
    if repository.held_repo(write, repo.id) is None:
        raise hidden(RepoNotFound, repo.label)
    now = utcnow()
    repository.insert_fresh(write, StoredBlob, [{"sha256": blob.sha256, "size": blob.size, "created_at": now}])
    refuse_collected(write, "blob", {blob.sha256: blob.stored_at})
    repository.insert_fresh(write, RepoBlob, [{"repo_id": repo.id, "sha256": blob.sha256, "created_at": now}])
    fulfil(write, repo.id, blob.sha256)


def finish_upload(services: Services, upload: Upload, writer: BlobWriter) -> Blob:
    """Makes what was written a blob and the repo its possessor.

    Raises BlobMismatch, DiskFull, StoreUnreachable, RepoNotFound, ContentCollected.
    """
    blob = writer.finish(upload.sha256)
    with services.database.write() as write:
        record_upload(write, upload.repo, blob)
    return blob


async def pump(
    chunks: AsyncIterator[bytes],
    write: Callable[[bytes], None],
    limit: int,
    refusal: Callable[[int], TholosError],
) -> None:
    """Hands a stream to ``write`` in batches of some MiB, each in a worker thread, one at a time.

    Raises what ``write`` and the stream raise, and ``refusal(limit)`` as soon as there are more than ``limit`` bytes.
    """
    batch: list[bytes] = []
    gathered = total = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            batch.append(chunk)
            gathered += len(chunk)
            total += len(chunk)
            if total > limit:
                raise refusal(limit)
            if gathered >= _BATCH_BYTES:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(_write, write, batch))
                batch, gathered = [], 0
    finally:
        # the thread must be done with the file before anyone closes it, whatever ended the stream
        if writing is not None:
            await asyncio.wait([writing])
    if writing is not None:
        writing.result()
    await asyncio.to_thread(_write, write, batch)


def _write(write: Callable[[bytes], None], batch: list[bytes]) -> None:
    for piece in batch:  # as they came: to join them first costs more than to hash and write each
        write(piece)


def check_space(services: Services, size: int) -> None:
    """Refuses what would eat into the disk's reserve. Raises DiskLow."""
    free = shutil.disk_usage(services.settings.home).free
    reserve = services.settings.disk_reserve_bytes
    if free - reserve < size:
        raise DiskLow(
            f"The upload needs {size:,} more bytes, but the server's disk has only {max(0, free - reserve):,} to give.",
            next="Free some space on the server's disk, then repeat the upload.",
            needed=size,
            free=free,
        )


def too_large(limit: int) -> BlobTooLarge:
    """The error for a file over the limit, in bytes."""
    return BlobTooLarge(
        f"The file is larger than {limit:,} bytes.",
        next="Split the file, or ask the operator to raise THOLOS_MAX_BLOB_BYTES.",
        max_bytes=limit,
    )
