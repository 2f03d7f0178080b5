"""What is promised to a repo: content that its upstream has and that is fetched when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import delete, exists, select

from tholos.hub import repository
from tholos.hub.mirror.errors import ContentElsewhere
from tholos.hub.mirror.models import RepoPromise
from tholos.hub.models import RepoBlob
from tholos.hub.trees import TreeEntry
from tholos.kit.database import ReadSession, WriteSession

_IN_CHUNK = 500
# What came by another way (a push, Xet) needs nobody's promise any more.
_OPEN = ~exists().where(RepoBlob.repo_id == RepoPromise.repo_id, RepoBlob.sha256 == RepoPromise.sha256)


def promised(read: ReadSession, repo_id: str, sha256s: Iterable[str]) -> dict[str, int]:
    """Which of these contents are promised to the repo, with their sizes in bytes."""
    wanted = sorted(set(sha256s))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(RepoPromise.sha256, RepoPromise.size).where(
            RepoPromise.repo_id == repo_id, RepoPromise.sha256.in_(wanted[start : start + _IN_CHUNK]), _OPEN
        )
        found.update((sha256, size) for sha256, size in read.execute(query))
    return found


def has_promises(read: ReadSession, repo_id: str) -> bool:
    """Whether any content of the repo is still with its upstream."""
    return read.scalar(select(RepoPromise.sha256).where(RepoPromise.repo_id == repo_id, _OPEN).limit(1)) is not None


def is_promised_anywhere(read: ReadSession, sha256: str) -> bool:
    """Whether the content is promised to any repo: who opens files without knowing for which repo then leaves it."""
    return read.scalar(select(RepoPromise.sha256).where(RepoPromise.sha256 == sha256, _OPEN).limit(1)) is not None


def is_promised(read: ReadSession, repo_id: str, entry: TreeEntry) -> bool:
    """Whether a file of the repo is still with its upstream."""
    return entry.lfs and entry.sha256 is not None and bool(promised(read, repo_id, [entry.sha256]))


def here(read: ReadSession, repo_id: str, entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """Those of the entries whose content the repo possesses, and the folders."""
    found = list(entries)
    missing = promised(read, repo_id, [entry.sha256 for entry in found if entry.lfs and entry.sha256])
    return [entry for entry in found if entry.sha256 not in missing]


def require_here(read: ReadSession, repo_id: str, entries: Iterable[TreeEntry]) -> None:
    """Raises ContentElsewhere unless the repo possesses the content of these files.

    That the store holds content with this SHA-256 counts for nothing: it may be somebody else's.
    """
    files = {entry.sha256: entry.path for entry in entries if entry.lfs and entry.sha256}
    missing = promised(read, repo_id, files)
    if missing:
        first = files[min(missing, key=lambda sha256: files[sha256])]
        raise ContentElsewhere(
            f'The content of "{first}" has not been fetched from the upstream yet.',
            next="Download the file once, or run `tholos mirror sync` for this repo, then try again.",
            path=first,
            files=len(missing),
        )


def promise(write: WriteSession, repo_id: str, sizes: Mapping[str, int]) -> None:
    """Notes what the repo names and does not possess."""
    held = repository.possessed(write, repo_id, sizes)
    rows = [
        {"repo_id": repo_id, "sha256": sha256, "size": size} for sha256, size in sizes.items() if sha256 not in held
    ]
    for start in range(0, len(rows), _IN_CHUNK):
        repository.insert_missing(write, RepoPromise, rows[start : start + _IN_CHUNK])


def fulfil(write: WriteSession, repo_id: str, sha256: str) -> None:
    """Takes a promise back, in the transaction in which the repo comes to possess the content."""
    write.execute(delete(RepoPromise).where(RepoPromise.repo_id == repo_id, RepoPromise.sha256 == sha256))
