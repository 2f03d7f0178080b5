"""The index, made whole by the agent: files are read after a branch has moved, and what is missing is put in.

None of this happens inside a transaction that someone waits for: cards and headers are read first, then written.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update

from tholos.accounts.authorization import Actor
from tholos.accounts.service import record_audit
from tholos.hub import repository
from tholos.hub.artifacts import describe
from tholos.hub.commits import card_of
from tholos.hub.models import Repo
from tholos.hub.names import HEADS, MAIN, RepoKind
from tholos.hub.search import documents
from tholos.hub.search.models import SearchDocument
from tholos.hub.trees import first_files
from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database, ReadSession
from tholos.kit.errors import Forbidden
from tholos.kit.logs import get_logger

_FILES = 5_000
_AT_ONCE = 100
_NUMBERS = 1 << documents.DOC_BITS
log = get_logger("hub.search")


def catch_up(database: Database, blobs: BlobStore) -> int:
    """Reads the files of repos whose branches have moved, a hundred at most; returns how many repos it read."""
    repo_ids = _due(database)
    for repo_id in repo_ids:
        _index(database, blobs, repo_id)
    return len(repo_ids)


def put_missing(database: Database) -> int:
    """Puts in the repos that the index lacks, to be read by `catch_up`; returns how many they were."""
    there = select(SearchDocument.repo_id).where(SearchDocument.repo_id == Repo.id).exists()
    with database.read() as read:
        missing = list(read.scalars(select(Repo.id).where(~there).order_by(Repo.id)))
    for repo_id in missing:
        with database.write() as write:
            repo = repository.held_repo(write, repo_id)
            if repo is not None:
                documents.put(write, repo)
                documents.touch(write, repo)
    return len(missing)


def rebuild(database: Database, actor: Actor) -> int:
    """Has the agent read every repo anew; returns how many these are. Searches go on meanwhile.

    Administrators only. Raises Forbidden.
    """
    if not actor.has_admin_power:
        raise Forbidden("Only administrators build the search index anew.", next="Ask one of them.")
    with database.write() as write:
        record_audit(write, actor, "search.rebuild", "search index", {})
    put_missing(database)
    with database.read() as read:
        count = read.scalar(select(func.count()).select_from(SearchDocument)) or 0
    parts = count // _AT_ONCE + 1
    for part in range(parts):  # documents have random numbers: equal ranges hold about equally many
        first, end = (part * _NUMBERS) // parts, ((part + 1) * _NUMBERS) // parts
        with database.write() as write:
            write.execute(
                update(SearchDocument)
                .where(SearchDocument.doc >= first, SearchDocument.doc < end)
                .values(stale=True)
                .execution_options(synchronize_session=False)
            )
    return count


def _due(database: Database) -> list[str]:
    with database.read() as read:
        return list(read.scalars(select(SearchDocument.repo_id).where(SearchDocument.stale).limit(_AT_ONCE)))


def _index(database: Database, blobs: BlobStore, repo_id: str) -> None:
    with database.read() as read:
        repo = read.get(Repo, repo_id)
        head = _head(read, repo_id)
    if repo is None:
        return
    words, details = "", dict[str, Any]()
    if head is not None:
        try:
            words, details = _content(database, blobs, repo, head)
        except OSError:  # content that is damaged or away: the repo is found by the rest
            log.exception("a repo's files could not be read", repo=repo_id)
    with database.write() as write:
        held = repository.held_repo(write, repo_id)
        if held is None:
            return
        documents.put(write, held, words, details)
        if _head(write, repo_id) == head:  # otherwise it is due again
            write.execute(
                update(SearchDocument)
                .where(SearchDocument.repo_id == repo_id)
                .values(stale=False)
                .execution_options(synchronize_session=False)
            )


def _head(read: ReadSession, repo_id: str) -> str | None:
    ref = repository.ref(read, repo_id, HEADS + MAIN)
    return ref.commit_id if ref else None


def _content(database: Database, blobs: BlobStore, repo: Repo, head: str) -> tuple[str, dict[str, Any]]:
    with database.read() as read:
        revision = repository.revision(read, repo.id, head)
        if revision is None:  # the repo was deleted a moment ago
            return "", {}
        card = card_of(read, blobs, revision.tree_id)
        files = first_files(read, revision.tree_id, _FILES) if repo.kind is RepoKind.MODEL else []
        held = repository.possessed(read, repo.id, [entry.sha256 for entry in files if entry.sha256])
        files = [entry for entry in files if entry.sha256 in held]  # what was deleted for good says nothing any more
    return documents.card_terms(card), describe(blobs, files)
