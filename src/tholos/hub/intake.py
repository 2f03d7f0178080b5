"""Intake: what a client is told before it sends files: which to upload by LFS, which to leave out, what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tholos.hub.attributes import Attributes, is_binary
from tholos.hub.commits import attributes_of
from tholos.hub.ignores import IgnoreRules
from tholos.hub.models import Revision
from tholos.hub.operations import ATTRIBUTES_FILE
from tholos.hub.paths import clean_path
from tholos.hub.trees import find_all
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that a client means to commit: its path, its size in bytes, and its first bytes."""

    path: str
    size: int
    sample: bytes


@dataclass(frozen=True, slots=True)
class Advice:
    """How to send a candidate: by LFS or inside the commit, or not at all."""

    path: str
    lfs: bool
    ignored: bool
    etag: str | None
    """What lies at the path now: the SHA-256 of an LFS file, else the git id; None where nothing does."""


def advise(
    read: ReadSession,
    blobs: BlobStore,
    revision: Revision,
    candidates: Sequence[Candidate],
    *,
    ignore_rules: str = "",
    lfs_threshold_bytes: int,
) -> list[Advice]:
    """What to do with each candidate, for a commit on top of a revision of a repo the caller has authorized.

    ``ignore_rules`` is the text of the `.gitignore` that comes with the commit. Raises InvalidPath.
    """
    attributes = attributes_of(read, blobs, revision.tree_id)
    paths = [clean_path(candidate.path) for candidate in candidates]
    there = {entry.path: entry for entry in find_all(read, revision.tree_id, paths)}
    ignores = IgnoreRules.parse(ignore_rules)
    return [
        Advice(
            path=candidate.path,
            lfs=_goes_by_lfs(path, candidate, attributes, lfs_threshold_bytes),
            ignored=ignores.ignore(path),
            etag=there[path].etag if path in there and there[path].type == "file" else None,
        )
        for path, candidate in zip(paths, candidates, strict=True)
    ]


def _goes_by_lfs(path: str, candidate: Candidate, attributes: Attributes, threshold: int) -> bool:
    if path == ATTRIBUTES_FILE or candidate.size == 0:
        return False
    if candidate.size > threshold or attributes.wants_lfs(path):
        return True
    return is_binary(candidate.sample, complete=candidate.size <= len(candidate.sample))
