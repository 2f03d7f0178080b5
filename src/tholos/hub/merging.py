"""Merging: what two lines of revisions did to their common ancestor, file by file, and both in one tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from tholos.accounts.authorization import Action, Actor, authorize, hidden
from tholos.hub import repository
from tholos.hub.cards import CARD_FILE
from tholos.hub.commits import PreparedCommit, card_of, revision_with_id, signature_of, stage_objects
from tholos.hub.errors import MergeConflict, NothingToMerge, PathConflict, RepoNotFound, RevisionNotFound
from tholos.hub.gitobjects import EMPTY_TREE_ID, Entry, commit_id, encode_commit
from tholos.hub.models import Repo, Revision
from tholos.hub.names import HEADS, MAIN
from tholos.hub.trees import TreeLoader, edit, loader
from tholos.kit.blobs import BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession
from tholos.kit.errors import Unprocessable

MAX_CHANGES: Final = 100_000
_MAX_NAMED: Final = 100
_ROWS_PER_TRANSACTION: Final = 200

Changes = Mapping[str, tuple[Entry | None, Entry | None]]
"""Path to what was there and what is there; None is nothing."""


@dataclass(frozen=True, slots=True)
class MergedTree:
    """The root tree of a merge, and the payloads of the trees that are new; or the paths that stand against it."""

    root: str
    made: Mapping[str, bytes]
    conflicts: tuple[str, ...] = ()


def changed_entries(load: TreeLoader, before: str, after: str) -> Changes:
    """Every file that differs between two root trees; folders that are the same are not read.

    Raises Unprocessable where they are more than 100,000.
    """
    found: dict[str, tuple[Entry | None, Entry | None]] = {}
    _compare(load, "", before, after, found)
    return found


def merge_base(read: ReadSession, repo: Repo, one: str, other: str) -> str | None:
    """The newest revision that both descend from (or are); None where their histories have nothing in common."""
    query = select(Revision.commit_id, Revision.parents).where(Revision.repo_id == repo.id)
    parents = dict(read.execute(query).all())
    common = _ancestors(parents, one) & _ancestors(parents, other)
    # what is a parent of something common is older than it
    best = common - {parent for oid in common for parent in parents[oid]}
    return min(best) if best else None


def conflicts_of(read: ReadSession, repo: Repo, source: str, branch: str) -> tuple[str, ...]:
    """The files over which a merge of a revision into a branch would fail; a hundred at most. Raises Unprocessable."""
    head = repository.ref(read, repo.id, HEADS + branch)
    if head is None:
        return ()
    return _merged(read, repo, head.commit_id, source).conflicts


def prepare_merge(
    database: Database, blobs: BlobStore, actor: Actor, repo: Repo, *, source: str, branch: str, message: str
) -> PreparedCommit:
    """The commit that brings a revision into a branch, all in place: only the branch has still to accept it (`land`).

    Not inside a transaction. Raises RepoNotFound, Forbidden, RevisionNotFound, NothingToMerge, MergeConflict.
    """
    staged_at = utcnow()
    with database.read() as read:
        current = read.get(Repo, repo.id)
        if current is None:
            raise hidden(RepoNotFound, repo.label)
        authorize(actor, Action.WRITE, current)
        ref = repository.ref(read, repo.id, HEADS + branch)
        if ref is None:
            raise RevisionNotFound(f'There is no branch "{branch[:200]}" in this repo any more.', next="Make it again.")
        head = ref.commit_id
        merged = _merged(read, current, head, source)
        before = revision_with_id(read, current, head).tree_id
    if merged.conflicts:
        raise MergeConflict(
            f'The branch "{branch}" has changed the same files: {", ".join(merged.conflicts[:10])}.',
            next=f'Bring the changes of "{branch}" into the pull request, then merge again.',
            files=list(merged.conflicts),
        )
    _record(database, repo, merged.made)
    now = utcnow()
    signature = signature_of(actor, actor.name, now)
    raw = encode_commit(tree=merged.root, parents=[head, source], author=signature, message=message)
    card = None
    if branch == MAIN:
        with database.read() as read:
            changed = changed_entries(loader(read), before, merged.root)
            card = card_of(read, blobs, merged.root) if CARD_FILE in changed else None
    return PreparedCommit(
        actor=actor,
        repo_id=repo.id,
        ref=HEADS + branch,
        parent=head,
        tree_id=merged.root,
        commit_id=commit_id(raw),
        raw=raw,
        author=actor.name,
        message=message,
        created_at=now,
        job_id=None,
        staged_at=staged_at,
        card=card,
        merged=source,
    )


def _merged(read: ReadSession, repo: Repo, head: str, source: str) -> MergedTree:
    """Raises NothingToMerge where the branch has all of the source already."""
    base = merge_base(read, repo, head, source)
    if base == source:
        raise NothingToMerge("The branch has everything that is proposed.", next="Commit something to propose first.")
    ours, theirs = (revision_with_id(read, repo, oid).tree_id for oid in (head, source))
    if base == head:
        return MergedTree(theirs, {})
    load = loader(read)
    ancestor = revision_with_id(read, repo, base).tree_id if base else EMPTY_TREE_ID
    proposed, done = changed_entries(load, ancestor, theirs), changed_entries(load, ancestor, ours)
    wanted = {
        path: after for path, (_, after) in proposed.items() if path not in done or not _same(done[path][1], after)
    }
    if conflicts := sorted(wanted.keys() & done.keys()):
        return MergedTree(ours, {}, tuple(conflicts[:_MAX_NAMED]))
    put = {path: entry for path, entry in wanted.items() if entry is not None}
    try:
        root, made = edit(
            load,
            ours,
            remove=[path for path, entry in wanted.items() if entry is None],
            put={path: entry.oid for path, entry in put.items()},
            modes={path: entry.mode for path, entry in put.items()},
        )
    except PathConflict as error:  # a file here and a folder there, or names that differ in case only
        return MergedTree(ours, {}, (str(error.details["path"]),))
    return MergedTree(root, made)


def _compare(
    load: TreeLoader, prefix: str, before: str, after: str, found: dict[str, tuple[Entry | None, Entry | None]]
) -> None:
    if before == after:
        return
    old, new = load(before), load(after)
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        folder_before = was.oid if was and was.is_directory else EMPTY_TREE_ID
        folder_after = now.oid if now and now.is_directory else EMPTY_TREE_ID
        _compare(load, f"{prefix}{name}/", folder_before, folder_after, found)
        file_before = was if was and not was.is_directory else None
        file_after = now if now and not now.is_directory else None
        if file_before or file_after:
            found[prefix + name] = (file_before, file_after)
        if len(found) > MAX_CHANGES:
            raise Unprocessable(
                f"More than {MAX_CHANGES:,} files differ.", next="Propose it in parts, or push it with git."
            )


def _same(one: Entry | None, other: Entry | None) -> bool:
    return one is other if one is None or other is None else (one.mode, one.oid) == (other.mode, other.oid)


def _ancestors(parents: Mapping[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        oid = pending.pop()
        if oid in parents and oid not in found:
            found.add(oid)
            pending += parents[oid]
    return found


def _record(database: Database, repo: Repo, trees: Mapping[str, bytes]) -> None:
    oids = list(trees)
    for start in range(0, len(oids), _ROWS_PER_TRANSACTION):
        with database.write() as write:
            if repository.held_repo(write, repo.id) is None:
                raise hidden(RepoNotFound, repo.label)
            stage_objects(write, repo.id, [], {oid: trees[oid] for oid in oids[start : start + _ROWS_PER_TRANSACTION]})
