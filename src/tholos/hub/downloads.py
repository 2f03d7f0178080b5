"""Downloads: a file of a revision over HTTP, whole or in part, at the speed of the page cache."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, Final
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tholos.hub.errors import UnsatisfiableRange
from tholos.hub.gitobjects import is_commit_id
from tholos.hub.trees import TreeEntry
from tholos.kit.blobs import BlobStore

_CHUNK_BYTES: Final = 1 << 20
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_TEXT: Final = "text/plain; charset=utf-8"
# What a browser may show in place: plain text and pixels. Everything that could run, HTML and SVG among it, is plain
# text or a download.
_SHOWN: Mapping[str, str] = {
    **dict.fromkeys(
        (
            ".txt",
            ".md",
            ".log",
            ".py",
            ".toml",
            ".yaml",
            ".yml",
            ".cfg",
            ".ini",
            ".sh",
            ".html",
            ".htm",
            ".xml",
            ".svg",
        ),
        _TEXT,
    ),
    **dict.fromkeys(
        (".js", ".css", ".jsonl", ".ndjson", ".csv", ".tsv", ".rst", ".sql", ".r", ".jinja", ".license"), _TEXT
    ),
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_SHOWN_NAMES: Final = frozenset({"LICENSE", "NOTICE", ".gitattributes", ".gitignore", "Makefile", "Dockerfile"})


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``end`` of a file, the end not included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """The one range that a `Range` header asks for; None for the whole file.

    As RFC 9110 has it, a header that is malformed or asks for several ranges is ignored.

    Raises UnsatisfiableRange when the range begins past the end of the file.
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]) or max(len(match[1]), len(match[2])) > 18:
        return None
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, end = max(0, size - int(match[2])), size
    if start >= size:
        raise UnsatisfiableRange(
            f"The file has {size} bytes; the range begins past its end.",
            next=f"Ask for bytes=0-{max(0, size - 1)} or a part of it.",
            size=size,
        )
    return ByteRange(start, end)


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client's `If-None-Match` says that it has this very content."""
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/").strip('"') for tag in if_none_match.split(",")}
    return etag in known or "*" in known


def file_response(
    blobs: BlobStore,
    entry: TreeEntry,
    headers: Mapping[str, str],
    *,
    rev: str,
    commit_id: str,
    attachment: bool = False,
    answering: Callable[[ByteRange, int, Mapping[str, str]], Response] | None = None,
) -> Response:
    """The answer to a GET or HEAD of a file with these request headers (lower case): 200, 206 or 304.

    ``rev`` is what the client asked for: an answer for a commit id never changes. ``answering`` sends the part where
    the content is not in the store.

    Raises UnsatisfiableRange.
    """
    size = entry.size or 0
    answer = {
        "etag": f'"{entry.etag}"',
        "accept-ranges": "bytes",
        "x-tholos-revision": commit_id,
        "vary": "authorization, cookie",
        # never `public`: a shared cache would go on serving a repo that has become private
        "cache-control": "private, max-age=31536000, immutable" if is_commit_id(rev) else "private, no-cache",
    }
    if is_unchanged(headers.get("if-none-match"), entry.etag):
        return Response(status_code=304, headers=answer)
    if_range = headers.get("if-range")
    wanted = None
    if if_range is None or if_range == answer["etag"]:
        wanted = requested_range(headers.get("range"), size)
    part = wanted or ByteRange(0, size)
    answer |= _presentation(entry.path, attachment=attachment)
    answer["content-length"] = str(part.length)
    if wanted is not None:
        answer["content-range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    if answering is not None:
        return answering(part, 200 if wanted is None else 206, answer)
    return BlobResponse(partial(blobs.open, entry.sha256 or ""), part, 200 if wanted is None else 206, answer)


class BlobResponse(Response):
    """Sends part of a file in pieces of 1 MiB, reading the next while the last is on its way.

    The file is opened before the first byte leaves, so that one deleted meanwhile is still sent whole.
    """

    def __init__(
        self, opening: Callable[[], BinaryIO], part: ByteRange, status_code: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(status_code=status_code)
        self._opening = opening
        self._part = part
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; a client that leaves ends it."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD" or not self._part.length:
            await send(start)
            await send({"type": "http.response.body"})
            return
        file = await asyncio.to_thread(self._open)
        departure = asyncio.ensure_future(_departure(receive))
        try:
            await send(start)
            await self._send(file, send, departure)
        finally:
            departure.cancel()
            file.close()

    def _open(self) -> BinaryIO:
        file = self._opening()
        file.seek(self._part.start)
        return file

    async def _send(self, file: BinaryIO, send: Send, departure: asyncio.Future[None]) -> None:
        left = self._part.length
        upcoming = _read(file, left)
        try:
            while left and not departure.done():
                data = await upcoming
                if not data:
                    raise OSError("a blob is shorter than recorded")
                left -= len(data)
                if left:
                    upcoming = _read(file, left)
                await send({"type": "http.response.body", "body": data, "more_body": left > 0})
        finally:
            await asyncio.wait([upcoming])  # a thread may still read: not from a file that is closed


def _read(file: BinaryIO, left: int) -> asyncio.Future[bytes]:
    return asyncio.ensure_future(asyncio.to_thread(file.read, min(_CHUNK_BYTES, left)))


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _presentation(path: str, *, attachment: bool) -> dict[str, str]:
    name = PurePosixPath(path).name
    shown = _TEXT if name in _SHOWN_NAMES else _SHOWN.get(PurePosixPath(path).suffix.lower())
    disposition = "inline" if shown and not attachment else "attachment"
    plain = "".join(character if character.isalnum() and character.isascii() else "_" for character in name)
    return {
        "content-type": shown or "application/octet-stream",
        "content-disposition": f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
