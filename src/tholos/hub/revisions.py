"""Revisions and the names that point at them: branches and tags."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tholos.accounts.authorization import Action, Actor
from tholos.accounts.service import record_audit
from tholos.hub import repository
from tholos.hub.ancestry import Position, ancestry, count_ancestry
from tholos.hub.commits import card_of, index_card
from tholos.hub.errors import (
    AmbiguousRevision,
    EntryNotFound,
    InvalidPath,
    InvalidRefName,
    RefExists,
    RefProtected,
    RevisionNotFound,
)
from tholos.hub.gitobjects import is_commit_id
from tholos.hub.models import Ref, Repo, Revision
from tholos.hub.names import HEADS, MAIN, TAGS, RepoKind, check_ref_name
from tholos.hub.paths import clean_path
from tholos.hub.repos import get_repo
from tholos.hub.search import documents
from tholos.hub.trees import TreeEntry, find, find_all, page
from tholos.kit.blobs import BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession
from tholos.kit.outbox import emit
from tholos.kit.paging import Page, decode_cursor, encode_cursor

RefKind = Literal["branch", "tag"]
_PREFIX: dict[RefKind, str] = {"branch": HEADS, "tag": TAGS}


@dataclass(frozen=True, slots=True)
class NamedRef:
    """A branch or tag by its short name, and whether it was made just now."""

    kind: RefKind
    name: str
    commit_id: str
    created: bool = False


def resolve(read: ReadSession, actor: Actor, kind: RepoKind, name: str, rev: str = MAIN) -> tuple[Repo, Revision]:
    """The repo "namespace/name" and the revision that ``rev`` names in it.

    ``rev`` is a full commit id, a branch, a tag, a full ref name, or the first seven or more digits of a commit id.
    A full commit id is never anything else. A branch or tag wins over the beginning of an id, as in git: else a
    proposed commit, whose id its author can choose, could make it useless.

    Raises InvalidName, RepoNotFound, RevisionNotFound, AmbiguousRevision.
    """
    repo = get_repo(read, actor, kind, name)
    return repo, revision_of(read, repo, rev)


def revision_of(read: ReadSession, repo: Repo, rev: str) -> Revision:
    """The revision that ``rev`` names in a repo the caller has authorized. Raises as `resolve`."""
    missing = RevisionNotFound(
        f'{repo.label} has no branch, tag or commit "{rev[:100]}".',
        next="List its branches and tags, or leave the revision out for the head of main.",
        revision=rev[:100],
    )
    if "\0" in rev or not rev or len(rev) > 300:
        raise missing
    if is_commit_id(rev):
        found = repository.revision(read, repo.id, rev)
        if found is None:
            raise missing
        return found
    for ref_name in (rev,) if rev.startswith("refs/") else (HEADS + rev, TAGS + rev):
        if ref := repository.ref(read, repo.id, ref_name):
            target = repository.revision(read, repo.id, ref.commit_id)
            assert target is not None  # a foreign key holds it
            return target
    candidates = repository.revisions_by_prefix(read, repo.id, rev)
    if not candidates:
        raise missing
    if len(candidates) > 1:
        raise AmbiguousRevision(
            f'Several commits of {repo.label} begin with "{rev}".', next="Give more digits.", revision=rev
        )
    return candidates[0]


def list_revisions(
    read: ReadSession, actor: Actor, kind: RepoKind, name: str, rev: str, *, cursor: str | None, limit: int
) -> tuple[Repo, Page[Revision]]:
    """The history of ``rev``, newest first, merged branches included. Raises as `resolve`, and BadCursor."""
    repo = get_repo(read, actor, kind, name)
    if cursor:
        start, skip = decode_cursor(cursor, str, int)
        position = Position(start, max(skip, 0))
    else:
        position = Position(revision_of(read, repo, rev).commit_id)
    found, following = ancestry(read, repo.id, position, limit)
    return repo, Page(found, encode_cursor(*following) if following else None)


def tree(read: ReadSession, repo: Repo, commit_id: str, path: str = "", *, recursive: bool = False) -> list[TreeEntry]:
    """Every entry below a folder of a revision ("" is the root), in git's order; ``recursive`` descends.

    Raises RevisionNotFound, EntryNotFound, InvalidPath.
    """
    return page(read, _root(read, repo, commit_id), path=path, recursive=recursive)


def tree_page(
    read: ReadSession,
    actor: Actor,
    kind: RepoKind,
    name: str,
    rev: str,
    *,
    path: str = "",
    recursive: bool = False,
    cursor: str | None = None,
    limit: int = 1000,
) -> tuple[Revision, Page[TreeEntry]]:
    """One page of `tree`. The cursor holds the commit, so that pages agree while the branch moves on.

    Raises as `resolve` and `tree`, and BadCursor.
    """
    repo = get_repo(read, actor, kind, name)
    after = ""
    if cursor:
        rev, after = decode_cursor(cursor, str, str)
    revision = revision_of(read, repo, rev)
    entries = page(read, revision.tree_id, path=path, recursive=recursive, after=after, limit=limit + 1)
    more = len(entries) > limit
    return revision, Page(entries[:limit], encode_cursor(revision.commit_id, entries[limit - 1].path) if more else None)


def file(read: ReadSession, repo: Repo, commit_id: str, path: str) -> TreeEntry:
    """A file of a revision. Raises RevisionNotFound, InvalidPath, and EntryNotFound (also for a folder)."""
    entry = find(read, _root(read, repo, commit_id), path)
    if entry.type != "file":
        raise EntryNotFound(f'"{entry.path}" is a folder, not a file.', next="List it instead.", path=entry.path)
    return entry


def entries(read: ReadSession, revision: Revision, paths: Sequence[str]) -> list[TreeEntry]:
    """Files and folders of a revision at those of the paths where there are any; what is no path is left out."""
    wanted: list[str] = []
    for path in paths:
        with suppress(InvalidPath):
            wanted.append(clean_path(path.strip("/")))
    return find_all(read, revision.tree_id, wanted)


def count_revisions(read: ReadSession, repo: Repo, revision: Revision) -> int:
    """How many revisions led to this one, itself included."""
    return count_ancestry(read, repo.id, revision.commit_id)


def list_refs(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> list[NamedRef]:
    """Branches and tags, by name. Raises RepoNotFound."""
    repo = get_repo(read, actor, kind, name)
    return [_named(ref) for ref in repository.refs(read, repo.id) if ref.name.startswith((HEADS, TAGS))]


def set_ref(
    database: Database,
    blobs: BlobStore,
    actor: Actor,
    kind: RepoKind,
    name: str,
    *,
    ref_kind: RefKind,
    ref_name: str,
    rev: str,
    force: bool = False,
) -> NamedRef:
    """Makes a branch or tag point at a revision; ``force`` moves one that points elsewhere.

    Raises as `resolve`, and InvalidRefName, RefExists, Forbidden. Not inside a transaction.
    """
    full_name = _PREFIX[ref_kind] + check_ref_name(ref_name)
    with database.read() as read:
        repo = get_repo(read, actor, kind, name, Action.WRITE)
        target = revision_of(read, repo, rev)
        card = card_of(read, blobs, target.tree_id) if full_name == HEADS + MAIN else None
    with database.write() as write:
        repo = get_repo(write, actor, kind, name, Action.WRITE)
        repository.lock_repo(write, repo.id)
        ref = repository.locked_ref(write, repo.id, full_name)
        if ref is not None and ref.commit_id == target.commit_id:
            return NamedRef(ref_kind, ref_name, ref.commit_id)
        if ref is not None and not force:
            raise RefExists(
                f'The {ref_kind} "{ref_name}" exists already and points at {ref.commit_id}.',
                next=f'Choose another name, or repeat with "force" to move it to {target.commit_id}.',
                revision=ref.commit_id,
            )
        refuse_passing_for_a_commit(write, repo, ref_name, target.commit_id)
        before = ref.commit_id if ref else None
        if ref is None:
            refuse_nested(write, repo, ref_kind, ref_name)
            write.add(Ref(repo_id=repo.id, name=full_name, commit_id=target.commit_id, updated_at=utcnow()))
        else:
            ref.commit_id, ref.tag_id, ref.updated_at = target.commit_id, None, utcnow()
        if card is not None:
            index_card(write, repo, card)
        note_ref(write, actor, repo, action=f"{ref_kind}.set", ref=full_name, commit_id=target.commit_id, before=before)
        return NamedRef(ref_kind, ref_name, target.commit_id, created=ref is None)


def delete_ref(
    write: WriteSession, actor: Actor, kind: RepoKind, name: str, *, ref_kind: RefKind, ref_name: str
) -> None:
    """Removes a branch or tag; its revisions stay reachable by id.

    Raises RepoNotFound, Forbidden, RefProtected (main), RevisionNotFound.
    """
    repo = get_repo(write, actor, kind, name, Action.WRITE)
    full_name = _PREFIX[ref_kind] + ref_name
    if full_name == HEADS + MAIN:
        raise RefProtected('The branch "main" cannot be deleted.', next="Move it instead, or delete the repo.")
    ref = None if "\0" in ref_name else repository.locked_ref(write, repo.id, full_name)
    if ref is None:
        raise RevisionNotFound(
            f'{repo.label} has no {ref_kind} "{ref_name[:100]}".', next="List its branches and tags."
        )
    note_ref(write, actor, repo, action=f"{ref_kind}.delete", ref=full_name, commit_id=ref.commit_id)
    write.delete(ref)
    write.flush()


def _root(read: ReadSession, repo: Repo, commit_id: str) -> str:
    return revision_of(read, repo, commit_id).tree_id


def _named(ref: Ref) -> NamedRef:
    kind: RefKind = "branch" if ref.name.startswith(HEADS) else "tag"
    return NamedRef(kind, ref.name.removeprefix(_PREFIX[kind]), ref.commit_id)


def refuse_nested(write: WriteSession, repo: Repo, ref_kind: RefKind, ref_name: str) -> None:
    """Raises RefExists where a branch or tag would have to be a folder and a file at once in a clone."""
    # git clients keep each ref in a file of that name, so one cannot be a folder of another
    for ref in repository.refs(write, repo.id):
        other = ref.name.removeprefix(_PREFIX[ref_kind])
        if other == ref.name:
            continue
        if other.startswith(ref_name + "/") or ref_name.startswith(other + "/"):
            raise RefExists(
                f'The {ref_kind} "{other}" exists already, and git cannot keep "{ref_name}" beside it.',
                next='Choose a name that is not nested in the other one\'s, such as "experiment-2".',
            )


def refuse_passing_for_a_commit(write: WriteSession, repo: Repo, ref_name: str, commit_id: str) -> None:
    """Raises InvalidRefName for a branch or tag with the abbreviated id of a commit at which it would not point."""
    found = repository.revisions_by_prefix(write, repo.id, ref_name)
    if any(other.commit_id != commit_id for other in found):
        raise InvalidRefName(
            f'"{ref_name}" cannot name a branch or tag here: the id of a commit of this repo begins so.',
            next='Choose a name that cannot be taken for that commit, for example "experiment-2" or "v1.0".',
        )


def note_ref(
    write: WriteSession,
    actor: Actor,
    repo: Repo,
    *,
    action: str,
    ref: str,
    commit_id: str,
    before: str | None = None,
) -> None:
    """Notes that a ref (by its full name) was set or deleted, as ``action`` says: audit log and outbox.

    ``before`` is the revision at which a ref was that has moved.
    """
    repo.updated_at = utcnow()
    documents.touch(write, repo)
    record_audit(write, actor, action, repo.label, {"ref": ref, "revision": commit_id})
    topic = "repo.ref_set" if action.endswith("set") else "repo.ref_deleted"
    payload = {"repo_id": repo.id, "kind": repo.kind.value, "ref": ref, "revision": commit_id, "before": before}
    emit(write, topic, payload)
    write.flush()
