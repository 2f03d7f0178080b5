r"""Git objects as pure functions of bytes: blobs, trees, commits and LFS pointers.

Every identifier here equals what ``git hash-object``, ``git write-tree`` and ``git commit-tree`` compute, so a
revision can be exported, cloned and checked with ``git fsck`` without rewriting anything.

Identifiers are 40 lower-case hexadecimal digits (SHA-1 of ``"<type> <length>\0" + payload``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

ObjectType = Literal["blob", "tree", "commit", "tag"]

FILE_MODE: Final = "100644"
EXECUTABLE_MODE: Final = "100755"
SYMLINK_MODE: Final = "120000"
DIRECTORY_MODE: Final = "40000"

MAX_POINTER_BYTES: Final = 1024  # the LFS specification: a longer file is never a pointer
EMPTY_TREE_ID: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

_POINTER_VERSION: Final = "https://git-lfs.github.com/spec/v1"
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:ext-[0-9]-[^\n]+\n)*"
    rb"oid sha256:([0-9a-f]{64})\n"
    rb"size ([0-9]{1,18})\n?"
)
_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_TREE_LINE = re.compile(rb"([0-7]{1,6}) ([^\0]*)\0(.{20})", re.DOTALL)
_AROUND_NAME: Final = len(" \0") + 20


class MalformedObject(ValueError):
    """Raised when bytes that should be a git object are not one."""


class Entry(NamedTuple):  # not a dataclass: a page of a large tree makes thousands, and this is a third of the time
    """One line of a tree: ``mode`` as git writes it (``"100644"``, ``"40000"`` …), one path segment, an object id."""

    mode: str
    name: str
    oid: str

    @property
    def is_directory(self) -> bool:
        return self.mode == DIRECTORY_MODE


@dataclass(frozen=True, slots=True)
class Signature:
    """Who and when, as a commit records it. ``when`` is an aware datetime; git keeps whole seconds."""

    name: str
    email: str
    when: datetime

    def encode(self) -> bytes:
        """Return ``Name <email> seconds +0000``; the time is written in UTC whatever zone ``when`` carries."""
        return f"{_ident(self.name)} <{_ident(self.email)}> {int(self.when.timestamp())} +0000".encode()


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a Git LFS pointer says: the SHA-256 (64 hex) and the size in bytes of the real content."""

    sha256: str
    size: int

    def encode(self) -> bytes:
        """Return the canonical pointer text, the exact bytes that git stores in place of the content."""
        return f"version {_POINTER_VERSION}\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @property
    def oid(self) -> str:
        """The git blob id of the pointer text: what a tree holds for an LFS file."""
        return blob_id(self.encode())


def object_id(kind: ObjectType, payload: bytes) -> str:
    """Return the id of one git object held in memory."""
    digest = object_hasher(kind, len(payload))
    digest.update(payload)
    return digest.hexdigest()


def object_hasher(kind: ObjectType, size: int) -> hashlib._Hash:
    """Return a SHA-1 that has seen the header of an object of ``size`` bytes; feed it the payload in any pieces."""
    return hashlib.sha1(f"{kind} {size}\0".encode(), usedforsecurity=False)


def blob_id(data: bytes) -> str:
    """Return the id of ``data`` as a git blob."""
    return object_id("blob", data)


def parse_pointer(data: bytes) -> Pointer | None:
    """Return what an LFS pointer points at, or None when ``data`` is ordinary content."""
    if len(data) > MAX_POINTER_BYTES:
        return None
    match = _POINTER.fullmatch(data)
    return Pointer(match[1].decode(), int(match[2])) if match else None


def encode_tree(entries: Iterable[Entry]) -> bytes:
    """Return the payload of a tree object, entries in git's order (a directory sorts as if its name ended in "/").

    Raises ValueError when two entries share a name.
    """
    ordered = sorted(entries, key=tree_order)
    names = {entry.name for entry in ordered}
    if len(names) != len(ordered):
        raise ValueError("a tree cannot hold two entries of one name")
    return b"".join(
        entry.mode.encode() + b" " + entry.name.encode() + b"\0" + bytes.fromhex(entry.oid) for entry in ordered
    )


def tree_order(entry: Entry) -> bytes:
    """Return the key by which git sorts the entries of a tree."""
    return entry.name.encode() + b"/" if entry.is_directory else entry.name.encode()


def parse_tree(payload: bytes) -> list[Entry]:
    """Return the entries of a tree payload in their stored order.

    Raises MalformedObject when the bytes end early or a mode or name cannot be read.
    """
    lines = _TREE_LINE.findall(payload)
    # lines that together are as long as the payload leave no gap; the loop below is for the others, and says where
    if sum([len(mode) + len(name) + _AROUND_NAME for mode, name, _ in lines]) == len(payload):
        with suppress(UnicodeDecodeError):
            return [Entry(mode.decode(), name.decode(), oid.hex()) for mode, name, oid in lines]
    return _parse_with_care(payload)


def _parse_with_care(payload: bytes) -> list[Entry]:
    entries: list[Entry] = []
    position = 0
    while position < len(payload):
        space = payload.find(b" ", position, position + 7)
        end = payload.find(b"\0", space + 1) if space > position else -1
        if end < 0 or end + 21 > len(payload):
            raise MalformedObject(f"tree entry at byte {position} is incomplete")
        try:
            mode, name = payload[position:space].decode("ascii"), payload[space + 1 : end].decode()
        except UnicodeDecodeError as error:
            raise MalformedObject(f"tree entry at byte {position} is not UTF-8") from error
        entries.append(Entry(mode, name, payload[end + 1 : end + 21].hex()))
        position = end + 21
    return entries


def tree_id(payload: bytes) -> str:
    """Return the id of a tree payload (see ``encode_tree``)."""
    return object_id("tree", payload)


def encode_commit(
    *, tree: str, parents: Sequence[str], author: Signature, message: str, committer: Signature | None = None
) -> bytes:
    """Return the payload of a commit object; the message gets git's closing newline when it lacks one."""
    body = message if message.endswith("\n") else message + "\n"
    lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
    lines.append(b"author " + author.encode())
    lines.append(b"committer " + (committer or author).encode())
    return b"\n".join(lines) + b"\n\n" + body.encode()


def commit_id(payload: bytes) -> str:
    """Return the id of a commit payload (see ``encode_commit``)."""
    return object_id("commit", payload)


def is_commit_id(text: str) -> bool:
    """Tell whether ``text`` is a full object id: 40 lower-case hexadecimal digits."""
    return _COMMIT_ID.fullmatch(text) is not None


def _ident(text: str) -> str:
    # git refuses angle brackets and line ends inside a name or an address, and trims punctuation at both ends
    cleaned = "".join(character for character in text if character not in "<>\n\r\0").strip(" .,:;\"'\\")
    return cleaned or "unknown"
