"""The body of a commit: one JSON object per line, read as it arrives and never held whole."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tholos.hub import service as hub
from tholos.hub.errors import InvalidCommit, TooManyOperations
from tholos.hub.transfers import CommitTooLarge
from tholos.kit.blobs import BlobStore

_SMALL_BYTES: Final = 64 << 10
_KEPT_BYTES: Final = 16 << 20
_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class LfsFile:
    """A file whose content was uploaded before; ``size`` None where it is a copy of what the repo has."""

    path: str
    sha256: str
    size: int | None


@dataclass
class CommitBody:
    """What the lines read so far amount to. Content that is not small goes to the blob store at once."""

    blobs: BlobStore
    max_operations: int
    summary: str = ""
    description: str = ""
    parent: str | None = None
    operations: list[hub.Operation] = field(default_factory=list)
    lfs_files: list[LfsFile] = field(default_factory=list)
    _kept: int = 0

    def feed(self, lines: Iterable[bytes]) -> None:
        """Reads some complete lines. Raises InvalidCommit, TooManyOperations, DiskFull."""
        large: list[tuple[str, bytes]] = []
        for line in lines:
            if line.strip():
                large += self._line(line)
        if large:
            with ThreadPoolExecutor(_THREADS) as pool:  # the disk syncs several files in the time of one
                self.operations += pool.map(self._stored, large)
        if len(self.operations) + len(self.lfs_files) > self.max_operations:
            raise TooManyOperations(
                f"The commit has over {self.max_operations} operations.", next="Split it into several commits."
            )

    def _line(self, line: bytes) -> list[tuple[str, bytes]]:
        try:
            parsed = orjson.loads(line)
            key, value = parsed["key"], dict(parsed["value"])
        except (ValueError, TypeError, KeyError):
            raise _malformed('a line is not {"key": …, "value": {…}}') from None
        match key:
            case "header":
                self.summary, self.description = _text(value, "summary"), _text(value, "description")
                self.parent = _text(value, "parentCommit") or None
            case "file":
                return self._file(_text(value, "path"), _content(value))
            case "lfsFile":
                self.lfs_files.append(_lfs_file(value))
            case "deletedFile" | "deletedFolder" | "deletedEntry":
                self.operations.append(hub.Delete(_text(value, "path").rstrip("/")))
            case _:
                raise _malformed(f'"{str(key)[:40]}" is no operation of a commit')
        return []

    def _file(self, path: str, data: bytes) -> list[tuple[str, bytes]]:
        """Keeps a small file in memory, where there is room, and returns any other, to be stored."""
        if len(data) > _SMALL_BYTES or self._kept + len(data) > _KEPT_BYTES:
            return [(path, data)]
        self._kept += len(data)
        self.operations.append(hub.AddBytes(path, data))
        return []

    def _stored(self, content: tuple[str, bytes]) -> hub.Operation:
        path, data = content
        return hub.AddStored(path, self.blobs.put_bytes(data))

    @property
    def message(self) -> str:
        """The commit message: the summary, and the description below it."""
        return f"{self.summary}\n\n{self.description}".strip()


async def lines(chunks: AsyncIterator[bytes], *, max_line: int, max_bytes: int) -> AsyncIterator[list[bytes]]:
    """The complete lines of a stream, some at a time. Raises CommitTooLarge."""
    pending: list[bytes] = []
    waiting = total = 0
    async for chunk in chunks:
        total += len(chunk)
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join([*pending, complete[0]])
            pending, waiting = [], 0
        pending.append(rest)
        waiting += len(rest)
        if waiting > max_line or total > max_bytes:
            raise CommitTooLarge(
                f"The commit's body is over {max_bytes:,} bytes, or one file inside it over {max_line:,}.",
                next="Upload large files by LFS or Xet before the commit, as the clients do.",
            )
        if complete:
            yield complete
    if waiting:
        yield [b"".join(pending)]


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise _malformed(f'the field "{name}" is not a text')
    return text


def _content(value: dict[str, Any]) -> bytes:
    text = _text(value, "content")
    if value.get("encoding", "base64") == "utf-8":
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _malformed(f'the content of "{_text(value, "path")[:200]}" is not base64') from None


def _lfs_file(value: dict[str, Any]) -> LfsFile:
    size = value.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise _malformed("the size of a file is not a whole number")
    if value.get("algo", "sha256") != "sha256":
        raise _malformed("the only hash of LFS files is sha256")
    oid = _text(value, "oid")
    if not hub.is_sha256(oid):
        raise _malformed("the oid of a file is no SHA-256")
    return LfsFile(_text(value, "path"), oid, size)


def _malformed(problem: str) -> InvalidCommit:
    return InvalidCommit(f"The commit cannot be read: {problem}.", next="Send it as the clients do, line by line.")
