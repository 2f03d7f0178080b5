"""What a commit can do to files, and what it becomes: content that is in place, described by git objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tholos.hub.attributes import MAX_ATTRIBUTES_BYTES, SAMPLE_BYTES, Attributes, is_binary
from tholos.hub.errors import (
    BlobNotUploaded,
    InvalidAttributes,
    InvalidCommit,
    PointerToNothing,
    TooManyOperations,
)
from tholos.hub.gitobjects import MAX_POINTER_BYTES, Pointer, blob_id, parse_pointer
from tholos.hub.models import StoredBlob
from tholos.hub.paths import clean_path
from tholos.hub.quotas import NO_LIMITS, Quota
from tholos.kit.blobs import Blob, BlobStore
from tholos.kit.settings import Settings

ATTRIBUTES_FILE: Final = ".gitattributes"
_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class AddBlob:
    """Puts content at ``path`` that was uploaded to the repo before: its SHA-256 (64 hex) and size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class AddBytes:
    """Puts these bytes at ``path``."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AddFile:
    """Puts the content of a local file at ``path``: for work on this machine, whatever the size."""

    path: str
    file: Path


@dataclass(frozen=True, slots=True)
class AddStored:
    """Puts content at ``path`` that the caller itself has just written to the blob store, for this very commit."""

    path: str
    blob: Blob


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes a file, or a folder with all it holds."""

    path: str


Addition = AddBlob | AddBytes | AddFile | AddStored
Operation = Addition | Delete


@dataclass(frozen=True, slots=True)
class CommitLimits:
    """Bounds of one commit: size in bytes above which a file is kept through LFS, operations at most, and the quota of
    the repo's owner where no other was set for that account.
    """

    lfs_threshold_bytes: int = 10_000_000
    max_operations: int = 25_000
    default_quota: Quota = NO_LIMITS

    @classmethod
    def of(cls, settings: Settings) -> CommitLimits:
        """As the settings have them."""
        return cls(settings.lfs_threshold_bytes, settings.max_commit_operations, Quota.default(settings))


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a commit, content in place: the git blob id for the tree, and what that id stands for."""

    path: str
    oid: str
    blob: Blob
    lfs: bool
    uploaded: bool
    """Whether the content came with the commit, so that the repo possesses it by this very act."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The operations of a commit, checked and sorted: paths to remove, then content to put, by clean path."""

    removed: frozenset[str]
    added: Mapping[str, Addition]


def plan(operations: Sequence[Operation], limits: CommitLimits) -> Plan:
    """Checks paths and refuses contradictions.

    Raises InvalidPath, InvalidCommit (one path twice), TooManyOperations.
    """
    if len(operations) > limits.max_operations:
        raise TooManyOperations(
            f"The commit has {len(operations)} operations; this server takes {limits.max_operations} at once.",
            next="Split it into several commits.",
            limit=limits.max_operations,
        )
    removed: set[str] = set()
    added: dict[str, Addition] = {}
    for operation in operations:
        path = clean_path(operation.path)
        if path in removed if isinstance(operation, Delete) else path in added:
            raise InvalidCommit(f'The commit names "{path}" twice.', next="Name each path once.", path=path)
        if isinstance(operation, Delete):
            removed.add(path)
        else:
            added[path] = operation
    return Plan(frozenset(removed), added)


Possessed = Callable[[Iterable[str]], Mapping[str, StoredBlob]]
"""Which of these blobs (SHA-256) the repo possesses."""


class Stage:
    """Puts the content of a commit in place and works out its git blob ids. Used outside any transaction."""

    def __init__(self, blobs: BlobStore, possessed: Possessed, limits: CommitLimits) -> None:
        self._blobs = blobs
        self._lookup = possessed
        self._limits = limits
        self._possessed: Mapping[str, StoredBlob] = {}

    def files(self, added: Mapping[str, Addition], attributes: Attributes) -> list[StagedFile]:
        """Stages every addition. ``attributes`` are the repo's rules before this commit.

        Raises BlobNotUploaded, PointerToNothing, InvalidAttributes, DiskFull.
        """
        self._possessed = self._lookup({item.sha256 for item in added.values() if isinstance(item, AddBlob)})
        if ATTRIBUTES_FILE in added:
            attributes = self._new_attributes(added[ATTRIBUTES_FILE])
        with ThreadPoolExecutor(_THREADS) as pool:  # a disk syncs eight small files in little more than the time of one
            return list(pool.map(lambda path: self._file(path, added[path], attributes), added))

    def _new_attributes(self, operation: Addition) -> Attributes:
        match operation:
            case AddBytes(_, data):
                return Attributes.parse(data)
            case AddFile(_, file):
                return Attributes.parse(file.read_bytes())
            case AddStored(_, blob) if blob.size <= MAX_ATTRIBUTES_BYTES:
                return Attributes.parse(self._read(blob.sha256))
            case AddStored(_, blob):
                raise InvalidAttributes(
                    f".gitattributes has {blob.size:,} bytes.", next="Keep it to the rules for Git LFS."
                )
            case AddBlob(path, sha256, size):
                self._check_possession(path, sha256, size)
                if size > self._limits.lfs_threshold_bytes:
                    raise InvalidAttributes(
                        f".gitattributes has {size:,} bytes.", next="Keep it to the rules for Git LFS."
                    )
                return Attributes.parse(self._read(sha256))

    def _file(self, path: str, operation: Addition, attributes: Attributes) -> StagedFile:
        match operation:
            case AddBlob(_, sha256, size):
                self._check_possession(path, sha256, size)
                blob, uploaded = Blob(sha256, size), False
            case AddBytes(_, data):
                blob, uploaded = self._blobs.put_bytes(data), True
            case AddFile(_, file):
                blob, uploaded = self._blobs.put_file(file), True
            case AddStored(_, stored):
                blob, uploaded = stored, True
        if blob.size <= MAX_POINTER_BYTES and (pointer := parse_pointer(self._read(blob.sha256))):
            # A pointer given as content means the file behind it, if this repo has that; no other repo's is in reach.
            self._check_pointer(path, pointer)
            return StagedFile(path, pointer.oid, Blob(pointer.sha256, pointer.size), lfs=True, uploaded=False)
        if self._is_lfs(path, blob, attributes):
            return StagedFile(path, Pointer(blob.sha256, blob.size).oid, blob, lfs=True, uploaded=uploaded)
        return StagedFile(path, blob_id(self._read(blob.sha256)), blob, lfs=False, uploaded=uploaded)

    def _is_lfs(self, path: str, blob: Blob, attributes: Attributes) -> bool:
        if path == ATTRIBUTES_FILE or blob.size == 0:
            return False  # git reads the first itself, and LFS knows no pointer to nothing
        if blob.size > self._limits.lfs_threshold_bytes or attributes.wants_lfs(path):
            return True
        with self._blobs.open(blob.sha256) as file:
            return is_binary(file.read(SAMPLE_BYTES), complete=blob.size <= SAMPLE_BYTES)

    def _check_possession(self, path: str, sha256: str, size: int) -> None:
        known = self._possessed.get(sha256)
        if known is None or not self._blobs.exists(sha256):
            raise BlobNotUploaded(
                f'The content of "{path}" (SHA-256 {sha256[:64]}) was not uploaded to this repo.',
                next="Upload it with PUT …/blobs/{sha256} first, then repeat the commit.",
                path=path,
                sha256=sha256[:64],
            )
        if known.size != size:
            raise BlobNotUploaded(
                f'The commit gives "{path}" {size} bytes, but the uploaded content has {known.size}.',
                next="Send the size of the uploaded content.",
                path=path,
                sha256=sha256,
            )

    def _check_pointer(self, path: str, pointer: Pointer) -> None:
        known = self._lookup([pointer.sha256]).get(pointer.sha256)
        if known is None or known.size != pointer.size or not self._blobs.exists(pointer.sha256):
            raise PointerToNothing(
                f'"{path}" is a Git LFS pointer to content that was not uploaded to this repo.',
                next="Upload the file itself; with git, run `git lfs pull` first.",
                path=path,
                sha256=pointer.sha256,
            )

    def _read(self, sha256: str) -> bytes:
        with self._blobs.open(sha256) as file:
            return file.read()
