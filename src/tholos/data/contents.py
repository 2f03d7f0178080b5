"""The data files of a dataset revision, and what its card says about reading them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from tholos.data.errors import BadCard
from tholos.data.formats import SourceFile
from tholos.data.formats.detection import data_files
from tholos.hub import service as hub
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession

_CARD_KEY = "tholos"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a view is a function of."""

    files: tuple[tuple[str, str], ...]
    """(path, SHA-256 of the content) in path order."""
    skip_corrupt_images: bool = False

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it, in 64 hex digits."""
        text = json.dumps([self.files, self.skip_corrupt_images], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def sources(self, blobs: BlobStore) -> list[SourceFile]:
        """The files as local files of the blob store."""
        return [SourceFile(path, blobs.path(sha256)) for path, sha256 in self.files]


def contents_of(read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: hub.Revision) -> Contents:
    """The contents of a revision.

    Its card may hold ``tholos: {corrupt_images: skip}`` in the YAML header. Raises BadCard, ContentDeleted.
    """
    entries = hub.tree(read, repo, revision.commit_id, recursive=True)
    files = {entry.path: entry for entry in entries if entry.sha256 is not None}
    chosen = data_files(list(files))
    hub.require_all_kept(read, repo, [files[path] for path in chosen])
    return Contents(
        tuple((path, files[path].sha256 or "") for path in chosen),
        _skips_corrupt_images(hub.card_of(read, blobs, revision.tree_id).metadata.get(_CARD_KEY)),
    )


def contents_of_folder(files: Iterable[SourceFile]) -> Contents:
    """The contents that a revision of exactly these files would have."""
    digests = {}
    for source in files:
        with source.file.open("rb") as stream:
            digests[source.path] = hashlib.file_digest(stream, "sha256").hexdigest()
    return Contents(tuple((path, digests[path]) for path in data_files(list(digests))))


def _skips_corrupt_images(settings: object) -> bool:
    if settings is None:
        return False
    choice = settings.get("corrupt_images", "refuse") if isinstance(settings, dict) else settings
    if choice not in ("refuse", "skip"):
        raise BadCard(
            f"The card's header says corrupt_images: {choice!r}.",
            next="Write `tholos: {corrupt_images: skip}` or `refuse`, or leave it out.",
        )
    return choice == "skip"
