"""What a store of blobs promises, whatever it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, Protocol, Self

from tholos.kit.clock import utcnow
from tholos.kit.errors import InsufficientStorage, InvalidInput, NotFound, Unavailable

if TYPE_CHECKING:
    from tholos.kit.blobs.parts import StagedParts
    from tholos.kit.blobs.recipes import Recipe
    from tholos.kit.blobs.xorbs import XorbIndex


class BlobNotFound(NotFound):
    """There is no blob with that SHA-256."""

    code = "blob_not_found"


class XorbNotFound(NotFound):
    """There is no xorb with that hash."""

    code = "xorb_not_found"


class BlobMismatch(InvalidInput):
    """The bytes do not have the SHA-256 that was announced."""

    code = "blob_mismatch"


class DiskFull(InsufficientStorage):
    """The server's disk is full; nothing of this upload was kept."""

    code = "disk_full"


class StoreUnreachable(Unavailable):
    """The bucket that holds the server's files does not answer, or refuses."""

    code = "store_unreachable"
    retry_after_s: int | None = 5


class DamagedBlob(OSError):
    """What lies on disk is not what was written there: the disk, or someone with access to it, changed it."""


@dataclass(frozen=True, slots=True)
class Blob:
    """``sha256`` in 64 hex digits and ``size`` in bytes."""

    sha256: str
    size: int
    stored_at: datetime = field(default_factory=utcnow, compare=False)
    """A moment at which it was not in the store yet, or was seen there: no later than this call began."""


ObjectKind = Literal["blob", "recipe", "xorb"]


class StoredObject(NamedTuple):
    """One thing that a store holds: a whole file or a recipe by SHA-256, or a xorb by its hash."""

    kind: ObjectKind
    name: str
    size: int
    """Bytes as they lie there."""
    stored_at: datetime


class BlobWriter(Protocol):
    """An upload in progress. Leaving the context without ``finish`` keeps nothing."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends bytes. Raises DiskFull."""

    def finish(self, expected_sha256: str | None = None) -> Blob:
        """Makes the blob durable and visible. Raises BlobMismatch and DiskFull; then nothing was kept."""


class XorbWriter(Protocol):
    """A xorb in progress. Leaving the context without ``finish`` keeps nothing."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends serialized chunks. Raises DiskFull."""

    def finish(self, xorb: str, index: XorbIndex) -> None:
        """Makes the xorb durable and visible. The caller has verified that ``xorb`` is the hash of these chunks.

        Where one of that name is there already, that one stays: its chunks are the same, but they may be compressed
        otherwise, and readers hold byte ranges of it. Raises DiskFull; then nothing was kept.
        """


class XorbStore(Protocol):
    """Where xorbs live, by hash (64 hex digits as the protocol writes them). Safe to use from several threads."""

    def writer(self) -> XorbWriter:
        """Starts an upload."""

    def exists(self, xorb: str) -> bool:
        """Whether the xorb is whole and durable here."""

    def index(self, xorb: str) -> XorbIndex:
        """Where its chunks lie. Raises XorbNotFound, DamagedBlob."""

    def open(self, xorb: str) -> BinaryIO:
        """Its serialized chunks (``index(xorb).size`` bytes, then bytes of our own). Raises XorbNotFound."""


class BlobStore(Protocol):
    """Where blobs live. Safe to use from several threads and processes."""

    @property
    def xorbs(self) -> XorbStore:
        """The chunks that recipes are made of."""

    @property
    def parts(self) -> StagedParts:
        """Parts of uploads that are not whole yet; they lie on this machine, whatever the store stands on."""

    def writer(self) -> BlobWriter:
        """Starts an upload."""

    def open(self, sha256: str) -> BinaryIO:
        """The blob's bytes, seekable. Raises BlobNotFound; reading raises DamagedBlob."""

    def path(self, sha256: str) -> Path:
        """A local file with the blob's bytes; never write to it. ``open`` is cheaper for a blob that is a recipe.

        Raises BlobNotFound, DamagedBlob, DiskFull.
        """

    def exists(self, sha256: str) -> bool:
        """Whether the blob is whole and durable here, in either form."""

    def put_bytes(self, data: bytes) -> Blob:
        """Stores bytes."""

    def put_file(self, path: Path) -> Blob:
        """Stores a copy of a file."""

    def put_recipe(self, sha256: str, recipe: Recipe) -> Recipe | None:
        """Stores a blob as a recipe, unless it is there in either form; returns the recipe by which it is read.

        That is None where there is a whole file, and another recipe where there was one whose xorbs are all here. The
        caller has verified that the bytes the recipe gives have this SHA-256. Raises DiskFull.
        """

    def lay_recipe(self, sha256: str, recipe: Recipe) -> None:
        """Lays a recipe beside the whole file, which is read as long as it is there. Raises DiskFull.

        The caller has verified that the bytes the recipe gives have this SHA-256.
        """

    def retire(self, sha256: str) -> bool:
        """From now on the recipe is read, and nobody is given a path or a link to the whole file beside it any more.

        Returns whether anybody may have been given one until now. The caller has made sure that the recipe serves.
        """

    def drop_whole(self, sha256: str) -> None:
        """Removes the whole file of a blob that is read by its recipe."""

    def recipe(self, sha256: str) -> Recipe | None:
        """The blob's recipe, if there is one. Raises DamagedBlob."""

    def download_address(self, sha256: str) -> str | None:
        """Where a client may fetch the whole blob by itself for a short time; None: it has to come through here."""

    def listing(self) -> Iterator[StoredObject]:
        """Everything that is whole and durable here, in no order. What comes meanwhile may be missing."""

    def open_stored(self, kind: ObjectKind, name: str) -> BinaryIO:
        """What lies in the store under that name, past every cache. Raises BlobNotFound, XorbNotFound."""

    def remove(self, kind: ObjectKind, name: str) -> None:
        """Removes one thing, if it is there. Who has it open reads on."""

    def sweep(self, older_than_s: float = 24 * 3600) -> int:
        """Removes uploads that were begun and never finished, and what the cache has too much; returns how many."""
