"""Histories made anew: without some files, or as one revision. What was stays, addressed by its id and by nothing else.

Measurements, jobs and lineage name revisions by their ids: those go on to resolve, with all their metadata. A link in
the lineage leads from the old head of a branch to the new one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from tholos.accounts.authorization import Action, Actor
from tholos.hub import repository
from tholos.hub.commits import announce, signature_of
from tholos.hub.errors import CommitRace, InvalidCommit, RevisionNotFound
from tholos.hub.gitobjects import (
    DIRECTORY_MODE,
    EMPTY_TREE_ID,
    Entry,
    commit_id,
    encode_commit,
    encode_tree,
    parse_tree,
    tree_id,
)
from tholos.hub.models import GitTree, Repo, Revision
from tholos.hub.names import HEADS, RepoKind
from tholos.hub.repos import get_repo
from tholos.jobs.lineage import Edge, record_link
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession, storable
from tholos.kit.services import Services

_MAX_MESSAGE: Final = 10_000
_ROWS: Final = 200
# A signature covers the bytes of the commit, which are others now.
_SIGNATURE = re.compile(rb"^(?:gpgsig|gpgsig-sha256) [^\n]*\n(?: [^\n]*\n)*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """New folders and revisions, ready to be put in place, and where each ref moves: from one commit to another."""

    trees: Mapping[str, bytes] = field(default_factory=dict)
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    """Those that are new, by their ids."""
    refs: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def rewrite_without(read: ReadSession, repo: Repo, doomed: Collection[str]) -> Rewriting:
    """The histories of all branches and tags without entries for these blob ids."""
    trees = _Trees(read, frozenset(doomed))
    refs = repository.refs(read, repo.id)
    query = select(Revision).where(Revision.repo_id == repo.id)
    there = {revision.commit_id: revision for revision in read.scalars(query)}
    made: dict[str, str] = {}
    new: dict[str, Revision] = {}
    for old in _oldest_first(there, {ref.commit_id for ref in refs}):
        revision = there[old]
        root = trees.stripped(revision.tree_id)
        parents = [made.get(parent, parent) for parent in revision.parents]
        if root == revision.tree_id and parents == revision.parents:
            made[old] = old
            continue
        raw = _reparented(revision, root, parents)
        made[old] = commit_id(raw)
        new[made[old]] = _copy(revision, made[old], root, parents, raw)
    moves = {ref.name: (ref.commit_id, made[ref.commit_id]) for ref in refs if made[ref.commit_id] != ref.commit_id}
    fresh = {oid: revision for oid, revision in new.items() if oid not in there}
    return Rewriting(trees.made, fresh, moves)


def stage_trees(database: Database, plan: Rewriting) -> None:
    """Puts the new folders in place, a few at a time; nothing names them yet."""
    rows = [{"oid": oid, "data": data} for oid, data in plan.trees.items()]
    for start in range(0, len(rows), _ROWS):
        with database.write() as write:
            repository.insert_missing(write, GitTree, rows[start : start + _ROWS])


def apply_rewriting(write: WriteSession, actor: Actor, repo: Repo, plan: Rewriting) -> None:
    """Puts the new revisions in place and moves the refs; the caller holds the lock on the repo.

    An annotated tag that moves becomes a plain one. Raises CommitRace when a ref is not where it was.
    """
    refs = {name: repository.locked_ref(write, repo.id, name) for name in sorted(plan.refs)}
    for name, ref in refs.items():
        if ref is None or ref.commit_id != plan.refs[name][0]:
            raise CommitRace(f'"{name}" of {repo.label} has moved meanwhile; nothing was done.', next="Try again.")
    write.add_all(plan.revisions.values())
    write.flush()
    for name, ref in refs.items():
        assert ref is not None  # looked at above
        old, new = plan.refs[name]
        ref.commit_id, ref.tag_id, ref.updated_at = new, None, utcnow()
        if name.startswith(HEADS):
            announce(write, actor, repo, name, new)
            _link(write, repo, old, new, "rewrite")
    if plan.refs:
        repo.updated_at = utcnow()
    write.flush()


def squash_branch(services: Services, actor: Actor, kind: RepoKind, name: str, branch: str, message: str) -> Revision:
    """Makes the head of a branch its only revision: the same files, without parents. For who may write to the repo.

    Raises RepoNotFound, Forbidden, RevisionNotFound, InvalidCommit (the message), CommitRace.
    """
    text = message.strip()
    if not text or len(text) > _MAX_MESSAGE or not storable(text):
        raise InvalidCommit(
            f"The commit message is empty, longer than {_MAX_MESSAGE} characters, or cannot be stored.",
            next="Say in a line what the revision holds.",
        )
    full_name = HEADS + branch.removeprefix(HEADS)
    with services.database.write() as write:
        repo = get_repo(write, actor, kind, name, Action.WRITE)
        ref = repository.locked_ref(write, repo.id, full_name) if storable(full_name) else None
        head = repository.revision(write, repo.id, ref.commit_id) if ref else None
        if ref is None or head is None:
            raise RevisionNotFound(f'There is no branch "{branch[:200]}" in this repo.', next="List its branches.")
        if not head.parents:
            return head
        now = utcnow()
        raw = encode_commit(tree=head.tree_id, parents=[], author=signature_of(actor, actor.name, now), message=text)
        made = repository.revision(write, repo.id, commit_id(raw))
        if made is None:
            made = Revision(
                repo_id=repo.id,
                commit_id=commit_id(raw),
                tree_id=head.tree_id,
                parent_id=None,
                parents=[],
                author=actor.name,
                message=text,
                raw=raw,
                job_id=None,
                created_at=now,
            )
            write.add(made)
            write.flush()
        ref.commit_id, ref.tag_id, ref.updated_at = made.commit_id, None, now
        repo.updated_at = now
        announce(write, actor, repo, full_name, made.commit_id)
        _link(write, repo, head.commit_id, made.commit_id, "squash")
        return made


class _Trees:
    """Folders without the doomed files; each is looked at once."""

    def __init__(self, read: ReadSession, doomed: frozenset[str]) -> None:
        self._read = read
        self._doomed = doomed
        self._done: dict[str, str] = {EMPTY_TREE_ID: EMPTY_TREE_ID}
        self.made: dict[str, bytes] = {}

    def stripped(self, oid: str) -> str:
        """The id of a folder's twin without the files; a folder that is left empty is left out."""
        if oid in self._done:
            return self._done[oid]
        payload = repository.tree_payloads(self._read, [oid])[oid]
        kept: list[Entry] = []
        changed = False
        for entry in parse_tree(payload):
            if entry.oid in self._doomed and entry.mode != DIRECTORY_MODE:
                changed = True
                continue
            below = self.stripped(entry.oid) if entry.mode == DIRECTORY_MODE else entry.oid
            changed |= below != entry.oid
            if below != EMPTY_TREE_ID or entry.oid == EMPTY_TREE_ID:
                kept.append(Entry(entry.mode, entry.name, below))
        if not changed:
            self._done[oid] = oid
            return oid
        data = encode_tree(kept)
        self._done[oid] = tree_id(data)
        if kept:
            self.made[self._done[oid]] = data
        return self._done[oid]


def _oldest_first(there: Mapping[str, Revision], tips: Collection[str]) -> list[str]:
    """Every commit that the tips lead to, parents before children."""
    order: dict[str, None] = {}
    pending = [(tip, False) for tip in sorted(tips)]
    while pending:
        oid, parents_done = pending.pop()
        if oid in order or oid not in there:
            continue
        if parents_done:
            order[oid] = None
            continue
        pending.append((oid, True))
        pending += [(parent, False) for parent in there[oid].parents if parent not in order]
    return list(order)


def _reparented(revision: Revision, root: str, parents: list[str]) -> bytes:
    head, gap, message = revision.raw.partition(b"\n\n")
    lines = _SIGNATURE.sub(b"", head + b"\n").removesuffix(b"\n").split(b"\n")
    rest = [line for line in lines[1:] if not line.startswith(b"parent ")]
    first = [b"tree " + root.encode(), *(b"parent " + parent.encode() for parent in parents)]
    return b"\n".join([*first, *rest]) + gap + message


def _copy(revision: Revision, oid: str, root: str, parents: list[str], raw: bytes) -> Revision:
    return Revision(
        repo_id=revision.repo_id,
        commit_id=oid,
        tree_id=root,
        parent_id=parents[0] if parents else None,
        parents=parents,
        author=revision.author,
        message=revision.message,
        raw=raw,
        job_id=revision.job_id,
        created_at=revision.created_at,
    )


def _link(write: WriteSession, repo: Repo, old: str, new: str, kind: str) -> None:
    def edge(commit: str) -> Edge:
        return Edge(f"rev:{repo.id}@{commit}", "revision", f"{repo.label}@{commit[:10]}")

    record_link(write, edge(old), edge(new), kind=kind, owner_id=repo.owner_id)
