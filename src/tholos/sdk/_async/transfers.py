"""Files to and from a repo: streamed, hashed, resumed where they broke off, in flat memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tholos.sdk import errors
from tholos.sdk._async.concurrency import in_thread, map_parallel
from tholos.sdk.local_files import CHUNK_BYTES, LocalFile, is_here, made, sha256_of, sweep, target_below
from tholos.sdk.partial_files import PartialFile
from tholos.sdk.progress import TransferCount
from tholos.sdk.results import Entry

if TYPE_CHECKING:
    from tholos.sdk._async.transport import AsyncTransport

PARALLEL_FILES = 4
_DOWNLOAD_TRIES = 4
_PARTIAL_CONTENT = 206
_ASK_FIRST_BYTES = 1 << 20
"""From this size on the server is asked whether the repo has the content, as after a push that broke off."""


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A local file with the SHA-256 of its content."""

    file: LocalFile
    sha256: str

    def operation(self) -> dict[str, Any]:
        """This file as an operation of a commit."""
        return {"op": "add", "path": self.file.path, "sha256": self.sha256, "size": self.file.size}


async def hash_files(files: Sequence[LocalFile]) -> list[HashedFile]:
    """Every file with its SHA-256, each read once."""

    async def hashed(file: LocalFile) -> HashedFile:
        return HashedFile(file, await in_thread(sha256_of, file.source))

    return await map_parallel(hashed, files, PARALLEL_FILES)


async def upload(
    transport: AsyncTransport, repo_path: str, files: Sequence[HashedFile], count: TransferCount, query: str = ""
) -> None:
    """Sends every file's content as a blob of the repo; the server checks each hash before it keeps one."""

    async def send(hashed: HashedFile) -> None:
        url = f"{repo_path}/blobs/{hashed.sha256}{query}"
        if hashed.file.size < _ASK_FIRST_BYTES or not await _has(transport, url):
            await transport.send(
                "PUT",
                url,
                content=lambda: _chunks(hashed.file, count),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(hashed.file.size)},
            )
        count.finished(hashed.file.path, hashed.file.size)

    await map_parallel(send, files, PARALLEL_FILES)


async def _has(transport: AsyncTransport, url: str) -> bool:
    try:
        await transport.send("HEAD", url)
    except errors.NotFound:
        return False
    return True


async def _chunks(file: LocalFile, count: TransferCount) -> AsyncIterator[bytes]:
    sent = 0
    source = await in_thread(file.source.open, "rb", buffering=0)
    try:
        while chunk := await in_thread(source.read, CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            count.reached(file.path, sent)
    finally:
        source.close()


async def download(
    transport: AsyncTransport, files_path: str, entries: Sequence[Entry], folder: Path, count: TransferCount
) -> Path:
    """Fetches files of a revision into ``folder`` (``files_path`` is the URL path that theirs are appended to).

    A file that is there already with the same content is left alone. The others are written under a temporary name,
    taken up again where an earlier attempt broke off, verified and renamed into place. Returns the resolved folder;
    raises TransferFailed when a file arrives damaged or its path leads out of the folder.
    """
    root = await in_thread(made, folder)
    for entry in entries:  # refuse the whole before anything is written
        target_below(root, entry.path)

    async def fetch(entry: Entry) -> None:
        if not await in_thread(is_here, root, entry.path, size=entry.size, sha256=entry.sha256):
            await _fetch(transport, files_path, entry, root, count)
        count.finished(entry.path, entry.size)

    try:
        await map_parallel(fetch, entries, PARALLEL_FILES)
    finally:
        await in_thread(sweep, root)
    return root


async def _fetch(transport: AsyncTransport, files_path: str, entry: Entry, root: Path, count: TransferCount) -> None:
    partial = await in_thread(PartialFile.open, root, entry)
    try:
        for tries_left in reversed(range(_DOWNLOAD_TRIES)):
            try:
                await _fetch_rest(transport, f"{files_path}/{quote(entry.path)}", entry, partial, count)
            except (errors.ServerUnreachable, errors.RangeNotSatisfiable):
                if not tries_left:
                    raise
                continue
            if partial.complete:
                await in_thread(partial.put_in_place)
                return
            await in_thread(partial.restart)
        await in_thread(partial.discard)
    finally:
        await in_thread(partial.close)
    raise errors.TransferFailed(
        f"{entry.path} did not arrive as the server announced it: its checksum is wrong.",
        next="Pull again. If it stays so, tell the operator: the stored file may be damaged.",
        code="checksum_mismatch",
        details={"path": entry.path, "sha256": entry.sha256},
    )


async def _fetch_rest(
    transport: AsyncTransport, url: str, entry: Entry, partial: PartialFile, count: TransferCount
) -> None:
    """Appends to ``partial`` what it lacks; from the beginning when the server does not send a part."""
    if partial.complete:
        return
    if partial.size >= entry.size:
        await in_thread(partial.restart)
    headers = {"Range": f"bytes={partial.size}-"} if partial.size else {}
    async with transport.open("GET", url, headers=headers) as response:
        if partial.size and response.status_code != _PARTIAL_CONTENT:
            await in_thread(partial.restart)
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            await in_thread(partial.write, chunk)
            count.reached(entry.path, partial.size)
            if partial.size > entry.size:
                return  # more than announced: not the file it claims to be
