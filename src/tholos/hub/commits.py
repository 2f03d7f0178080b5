"""Commits: prepared outside any transaction, landed inside one, and the branch decides who was first.

Content is written and described before the revision that names it exists; a revision therefore never shows before
every blob and tree under it is in place, wherever the process is killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from tholos.accounts.authorization import Action, Actor, authorize, hidden, may
from tholos.accounts.service import as_member_now, record_audit
from tholos.hub import repository
from tholos.hub.attributes import MAX_ATTRIBUTES_BYTES, Attributes
from tholos.hub.cards import CARD_FILE, EMPTY_CARD, MAX_CARD_BYTES, Card, read_card
from tholos.hub.errors import (
    BlobNotUploaded,
    CommitRace,
    EntryNotFound,
    InvalidCommit,
    ObjectCollision,
    RepoNotFound,
    RevisionNotFound,
)
from tholos.hub.freshness import refuse_collected, refuse_stale
from tholos.hub.gitobjects import EMPTY_TREE_ID, Signature, commit_id, encode_commit
from tholos.hub.mirror.promises import is_promised_anywhere, promised
from tholos.hub.models import GitBlob, GitTree, Repo, RepoBlob, Revision, StoredBlob
from tholos.hub.names import HEADS, MAIN, PULLS
from tholos.hub.operations import ATTRIBUTES_FILE, CommitLimits, Operation, Stage, StagedFile, plan
from tholos.hub.quotas import Quota, quota_of, require_room
from tholos.hub.search import documents
from tholos.hub.trees import edit, find, git_blobs, loader
from tholos.kit.blobs import BlobNotFound, BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession, storable
from tholos.kit.outbox import emit

MAX_MESSAGE_CHARACTERS = 10_000
_ROWS_PER_TRANSACTION = 200  # keeps each write transaction under 10 ms
_HISTORY_SEARCHED = 200
_ATTEMPTS = 10
_MAX_INDEXED_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class PreparedCommit:
    """A commit whose content is all in place: only the branch has still to accept it (`land`)."""

    actor: Actor
    repo_id: str
    ref: str
    """Full name of the branch, `refs/heads/…`, or of the proposal, `refs/pr/…`."""
    parent: str
    tree_id: str
    commit_id: str
    """The id it will have; unless `land` finds that there is nothing to change."""
    raw: bytes
    author: str
    message: str
    created_at: datetime
    job_id: str | None
    staged_at: datetime
    """Nothing of it was staged, or found in place, before."""
    card: Card | None
    """The card as it will be, when the commit changes that of main."""
    merged: str | None = None
    """The revision that it brings in beside its parent; None where it is no merge."""
    action: Action = Action.WRITE
    """What the actor must be allowed to do to the repo."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The ref of a pull request, as what a commit is made on: it takes no more than the right to read the repo.

    The caller answers for it that the pull request is the actor's to change.
    """

    ref: str
    """Full name, `refs/pr/…`."""
    start: str | None = None
    """The revision at which the ref is only about to be made; None where it is there."""

    def __post_init__(self) -> None:
        """Refuses what would be a way round the right to write."""
        if not self.ref.startswith(PULLS):
            msg = f"{self.ref} is no proposal"
            raise ValueError(msg)


def prepare_commit(
    database: Database,
    blobs: BlobStore,
    actor: Actor,
    repo: Repo,
    operations: Sequence[Operation],
    message: str,
    *,
    branch: str = MAIN,
    parent: str | None = None,
    author: str | None = None,
    job_id: str | None = None,
    limits: CommitLimits | None = None,
    proposal: Proposal | None = None,
) -> PreparedCommit:
    """Checks and stages a commit. Never call it inside a transaction: it hashes, writes blobs, and opens its own.

    ``parent`` is the full id of the revision the operations are meant for; None means whatever is the head now.
    ``author`` is the name that the commit carries, by default the actor's. ``proposal`` takes the branch's place.

    Raises RepoNotFound, RevisionNotFound, InvalidCommit, InvalidPath, TooManyOperations, BlobNotUploaded,
    PointerToNothing, InvalidAttributes, EntryNotFound, PathConflict, ObjectCollision, QuotaExceeded, DiskFull.
    """
    limits = limits or CommitLimits()
    staged_at = utcnow()
    text = _checked_message(message)
    changes = plan(operations, limits)
    ref = proposal.ref if proposal else HEADS + branch
    action = Action.READ if proposal else Action.WRITE
    with database.read() as read:
        current = read.get(Repo, repo.id)
        if current is None:
            raise hidden(RepoNotFound, repo.label)
        authorize(actor, action, current)
        if proposal is not None and proposal.start is not None:
            base = revision_with_id(read, current, proposal.start)
        else:
            base = _base(read, current, ref, parent)
        attributes = attributes_of(read, blobs, base.tree_id)
    stage = Stage(blobs, lambda sha256s: _possessed(database, repo.id, sha256s), limits)
    files = stage.files(changes.added, attributes)
    _check_quota(database, current, files, limits.default_quota, proposed=not may(actor, Action.WRITE, current))
    with database.read() as read:
        root, trees = edit(
            loader(read), base.tree_id, remove=changes.removed, put={file.path: file.oid for file in files}
        )
    _record(database, repo, files, trees)
    now = utcnow()
    name = author or actor.name
    raw = encode_commit(tree=root, parents=[base.commit_id], author=signature_of(actor, name, now), message=text)
    card = None
    if ref == HEADS + MAIN and CARD_FILE in changes.added.keys() | changes.removed:
        with database.read() as read:
            card = card_of(read, blobs, root)
    return PreparedCommit(
        actor=actor,
        repo_id=repo.id,
        ref=ref,
        parent=base.commit_id,
        tree_id=root,
        commit_id=commit_id(raw),
        raw=raw,
        author=name,
        message=text,
        created_at=now,
        job_id=job_id,
        staged_at=staged_at,
        card=card,
        action=action,
    )


def land(write: WriteSession, prepared: PreparedCommit) -> Revision:
    """Moves the branch (or proposal) to the prepared commit, in the caller's transaction.

    A commit that changes nothing returns the head. A commit that landed before (same parent, same tree: a client that
    lost the answer asks again) returns that revision.

    Raises CommitRace when the branch has moved on otherwise, RepoNotFound or RevisionNotFound when repo or branch have
    gone, Forbidden when the actor lost the right meanwhile, StagedTooLongAgo.
    """
    refuse_stale(write, prepared.staged_at)
    repo = repository.held_repo(write, prepared.repo_id)
    if repo is None:
        raise hidden(RepoNotFound, "repo of this commit")
    # a job prepares for long: who has left the organization meanwhile lands nothing in it
    authorize(as_member_now(write, prepared.actor), prepared.action, repo)
    ref = repository.locked_ref(write, repo.id, prepared.ref)
    if ref is None:
        raise _no_branch(prepared.ref.removeprefix(HEADS))
    if ref.commit_id != prepared.parent:
        return _landed_before(write, repo, prepared, ref.commit_id)
    head = repository.revision(write, repo.id, ref.commit_id)
    if head is not None and head.tree_id == prepared.tree_id:
        return head
    revision = repository.revision(write, repo.id, prepared.commit_id)
    if revision is None:  # it exists where the same commit landed on another branch within the same second
        revision = Revision(
            repo_id=repo.id,
            commit_id=prepared.commit_id,
            tree_id=prepared.tree_id,
            parent_id=prepared.parent,
            parents=[prepared.parent, *([prepared.merged] if prepared.merged else [])],
            author=prepared.author,
            message=prepared.message,
            raw=prepared.raw,
            job_id=prepared.job_id,
            created_at=prepared.created_at,
        )
        write.add(revision)
        write.flush()
    ref.commit_id = prepared.commit_id
    ref.updated_at = utcnow()
    if not prepared.ref.startswith(PULLS):  # what others propose makes a repo no fresher
        repo.updated_at = ref.updated_at
    if prepared.card is not None:
        index_card(write, repo, prepared.card)
    announce(write, prepared.actor, repo, prepared.ref, revision.commit_id, before=prepared.parent)
    return revision


def announce(
    write: WriteSession, actor: Actor, repo: Repo, ref: str, revision: str, *, before: str | None = None
) -> None:
    """Notes that a branch (by its full name) has moved to a revision that is new: audit log and outbox.

    ``before`` is the revision at which it was.
    """
    documents.touch(write, repo)
    details = {"revision": revision, "ref": ref}
    record_audit(write, actor, "repo.commit", repo.label, details)
    emit(write, "repo.committed", {"repo_id": repo.id, "kind": repo.kind.value, **details, "before": before})
    write.flush()


def commit(
    database: Database,
    blobs: BlobStore,
    actor: Actor,
    repo: Repo,
    operations: Sequence[Operation],
    message: str,
    *,
    branch: str = MAIN,
    parent: str | None = None,
    author: str | None = None,
    limits: CommitLimits | None = None,
) -> Revision:
    """Prepares and lands. Where the caller named no parent, a lost race is run again on the new head.

    Raises as `prepare_commit` and `land`.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        prepared = prepare_commit(
            database,
            blobs,
            actor,
            repo,
            operations,
            message,
            branch=branch,
            parent=parent,
            author=author,
            limits=limits,
        )
        try:
            with database.write() as write:
                return land(write, prepared)
        except CommitRace:
            if parent is not None or attempt == _ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


def signature_of(actor: Actor, name: str, when: datetime) -> Signature:
    """How a commit made by the actor is signed; the address can never be anyone's (RFC 2606)."""
    return Signature(name, f"{actor.name}@users.tholos.invalid", when)


def attributes_of(read: ReadSession, blobs: BlobStore, root: str) -> Attributes:
    """The LFS rules in force in a tree."""
    data = _content(read, blobs, root, ATTRIBUTES_FILE, MAX_ATTRIBUTES_BYTES)
    return Attributes(()) if data is None else Attributes.parse(data)


def card_of(read: ReadSession, blobs: BlobStore, root: str) -> Card:
    """The card in a tree; an empty one where there is no README.md."""
    data = _content(read, blobs, root, CARD_FILE, MAX_CARD_BYTES + 1)
    return EMPTY_CARD if data is None else read_card(data)


def index_card(write: WriteSession, repo: Repo, card: Card) -> None:
    """Makes the card's metadata and tags what lists show and filter by, without what is too long for a list."""
    room = _MAX_INDEXED_CHARACTERS
    kept: dict[str, Any] = {}
    for key, value in sorted(card.metadata.items(), key=lambda item: len(str(item))):
        room -= len(str((key, value)))
        if room < 0:
            break
        kept[key] = value
    repo.card = kept
    repository.replace_tags(write, repo.id, card.tags)
    documents.put(write, repo, documents.card_terms(card))


def stage_objects(write: WriteSession, repo_id: str, files: Sequence[StagedFile], trees: Mapping[str, bytes]) -> None:
    """Records content and git objects that are in place, and possession of what came with the commit.

    All of it is fresh then: collection leaves it alone until the commit has landed.

    Raises BlobNotUploaded when the repo has lost possession meanwhile, ContentCollected, ObjectCollision when
    a git id already stands for other content: SHA-1 can be made to collide.
    """
    now = utcnow()
    uploaded = {file.blob.sha256: file.blob for file in files if file.uploaded}
    repository.insert_fresh(
        write,
        StoredBlob,
        [{"sha256": sha256, "size": blob.size, "created_at": now} for sha256, blob in uploaded.items()],
    )
    refuse_collected(write, "blob", {sha256: blob.stored_at for sha256, blob in uploaded.items()})
    repository.insert_fresh(
        write, RepoBlob, [{"repo_id": repo_id, "sha256": sha256, "created_at": now} for sha256 in uploaded]
    )
    named = {file.blob.sha256: file.path for file in files if not file.uploaded}
    absent = named.keys() - repository.freshen_possession(write, repo_id, named)
    for sha256 in absent - promised(write, repo_id, absent).keys():
        raise BlobNotUploaded(
            f'The content of "{named[sha256]}" is not there any more: it was uploaded long ago and never committed.',
            next="Upload it again, then repeat the commit.",
            path=named[sha256],
            sha256=sha256,
        )
    rows: dict[str, dict[str, Any]] = {
        file.oid: {"oid": file.oid, "sha256": file.blob.sha256, "size": file.blob.size, "lfs": file.lfs}
        for file in files
    }
    repository.insert_fresh(write, GitBlob, list(rows.values()))
    stored = git_blobs(write, rows)
    for file in files:
        if stored[file.oid].sha256 != file.blob.sha256:
            raise ObjectCollision(
                f'The content of "{file.path}" has the git id of different content ({file.oid}).',
                next="Change the file by at least one byte: two contents with one SHA-1 are made on purpose.",
                path=file.path,
            )
    repository.insert_fresh(write, GitTree, [{"oid": oid, "data": data} for oid, data in trees.items()])
    for oid, data in repository.tree_payloads(write, trees).items():
        if trees[oid] != data:
            raise ObjectCollision(
                f"A folder of the commit has the git id of a different folder ({oid}).",
                next="Change a file in it: two folders with one SHA-1 are made on purpose.",
            )


def _record(database: Database, repo: Repo, files: Sequence[StagedFile], trees: Mapping[str, bytes]) -> None:
    pending_files, pending_trees = iter(files), iter(trees.items())
    while True:
        some = list(islice(pending_files, _ROWS_PER_TRANSACTION))
        below = dict(islice(pending_trees, _ROWS_PER_TRANSACTION))
        if not some and not below:
            return
        with database.write() as write:
            if repository.held_repo(write, repo.id) is None:
                raise hidden(RepoNotFound, repo.label)
            stage_objects(write, repo.id, some, below)


def _check_quota(
    database: Database, repo: Repo, files: Sequence[StagedFile], default: Quota, *, proposed: bool
) -> None:
    sizes = {file.blob.sha256: file.blob.size for file in files if file.uploaded}
    if not sizes:
        return
    with database.read() as read:
        if quota_of(read, default, repo.owner_id).max_bytes:
            new = sizes.keys() - repository.possessed(read, repo.id, sizes).keys()
            require_room(read, default, repo.owner_id, sum(sizes[sha256] for sha256 in new), proposed=proposed)


def _possessed(database: Database, repo_id: str, sha256s: Any) -> dict[str, StoredBlob]:
    with database.read() as read:
        return repository.possessed(read, repo_id, sha256s)


def revision_with_id(read: ReadSession, repo: Repo, commit: str) -> Revision:
    """The revision with that full id. Raises RevisionNotFound."""
    found = repository.revision(read, repo.id, commit)
    if found is None:
        raise RevisionNotFound(f"{repo.label} has no revision {commit[:64]}.", next="Start from the head of a branch.")
    return found


def _base(read: ReadSession, repo: Repo, ref_name: str, parent: str | None) -> Revision:
    branch = ref_name.removeprefix(HEADS)
    ref = repository.ref(read, repo.id, ref_name)
    if ref is None:
        raise _no_branch(branch)
    base = repository.revision(read, repo.id, parent or ref.commit_id)
    if base is None:
        raise RevisionNotFound(
            f"The parent {str(parent)[:64]} is not a revision of {repo.label}.",
            next=f'Name the head of "{branch}", {ref.commit_id}, or leave the parent out.',
            head=ref.commit_id,
        )
    return base


def _landed_before(write: WriteSession, repo: Repo, prepared: PreparedCommit, head: str) -> Revision:
    same = {
        revision.commit_id: revision
        for revision in repository.revisions_with_tree(write, repo.id, prepared.parent, prepared.tree_id)
    }
    if same:
        for revision in repository.history(write, repo.id, head, _HISTORY_SEARCHED):
            if revision.commit_id in same:
                return revision
    branch = prepared.ref.removeprefix(HEADS)
    raise CommitRace(
        f'The branch "{branch}" of {repo.label} has moved: its head is {head}, not {prepared.parent} any more.',
        next="Look at what changed, then commit again with the new head as the parent.",
        head=head,
        parent=prepared.parent,
        branch=branch,
    )


def _no_branch(branch: str) -> RevisionNotFound:
    return RevisionNotFound(
        f'There is no branch "{branch[:200]}" in this repo.',
        next="Create the branch first, or commit to another.",
        branch=branch[:200],
    )


def _checked_message(message: str) -> str:
    text = message.strip()
    problem = ""
    if not text:
        problem = "is empty"
    elif len(text) > MAX_MESSAGE_CHARACTERS:
        problem = f"is longer than {MAX_MESSAGE_CHARACTERS} characters"
    elif not storable(text):
        problem = "holds a NUL or a lone surrogate"
    if problem:
        raise InvalidCommit(f"The commit message {problem}.", next="Say in a line what the commit changes.")
    return text


def _content(read: ReadSession, blobs: BlobStore, root: str, path: str, max_bytes: int) -> bytes | None:
    if root == EMPTY_TREE_ID:
        return None
    try:
        entry = find(read, root, path)
    except EntryNotFound:
        return None
    if entry.sha256 is None or (entry.lfs and is_promised_anywhere(read, entry.sha256)):
        return None
    try:
        with blobs.open(entry.sha256) as file:
            return file.read(max_bytes)
    except BlobNotFound:  # a large file that was deleted for good, and collected
        return None
