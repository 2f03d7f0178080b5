"""Repos: made, found, changed, removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.exc import IntegrityError

from tholos.accounts.authorization import Action, Actor, Role, Scope, Visibility, authorize, may, permitted
from tholos.accounts.errors import MissingScope
from tholos.accounts.models import Account
from tholos.accounts.service import namespace_for, record_audit
from tholos.hub import repository
from tholos.hub.access_models import Gate
from tholos.hub.attributes import default_attributes
from tholos.hub.cards import EMPTY_CARD
from tholos.hub.commits import index_card, signature_of, stage_objects
from tholos.hub.errors import RepoExists, RepoMoved, RepoNotFound
from tholos.hub.gitobjects import FILE_MODE, Entry, blob_id, commit_id, encode_commit, encode_tree, tree_id
from tholos.hub.models import Ref, Repo, RepoCollaborator, Revision
from tholos.hub.names import HEADS, MAIN, RepoKind, split_name
from tholos.hub.operations import ATTRIBUTES_FILE, StagedFile
from tholos.hub.quotas import NO_LIMITS, Quota, require_repo_room
from tholos.hub.search import documents
from tholos.jobs import service as jobs
from tholos.kit.blobs import BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession, storable
from tholos.kit.errors import InvalidInput
from tholos.kit.ids import new_id
from tholos.kit.outbox import emit
from tholos.kit.paging import Page

MAX_DESCRIPTION_CHARACTERS = 2000
_FIRST_MESSAGE = "Initial commit"
_MAX_CONDITIONS = 20
_MAX_TAGS_LISTED = 5000


@dataclass(frozen=True, slots=True)
class RepoView:
    """A repo as lists and pages show it: the row, the head of main, the tags of its card."""

    repo: Repo
    head: str | None
    tags: list[str]


def create_repo(
    database: Database,
    blobs: BlobStore,
    actor: Actor,
    kind: RepoKind,
    name: str,
    *,
    visibility: Visibility = "private",
    description: str = "",
    default_quota: Quota = NO_LIMITS,
) -> Repo:
    """Makes a repo "namespace/name" (a bare "name" lies in the actor's namespace) with a first commit on main.

    The first commit holds `.gitattributes`, which says what Git LFS keeps. Not inside a transaction.

    ``default_quota`` holds where no other was set for the owner.

    Raises InvalidName, AccountNotFound, Forbidden, RepoExists, QuotaExceeded, InvalidInput (description), DiskFull.
    """
    namespace, short_name = split_name(name, kind, actor.name)
    _check_text(description, "description", MAX_DESCRIPTION_CHARACTERS)
    with database.read() as read:
        owner = namespace_for(read, actor, namespace)
        if repository.repo_by_name(read, kind, owner.name, short_name):
            raise _exists(kind, f"{owner.name}/{short_name}")
        require_repo_room(read, default_quota, owner)
    rules = default_attributes(media=kind is RepoKind.DATASET)
    content = blobs.put_bytes(rules)
    first = StagedFile(ATTRIBUTES_FILE, blob_id(rules), content, lfs=False, uploaded=True)
    try:
        with database.write() as write:
            holder = namespace_for(write, actor, namespace)
            repo = _new_repo(holder, kind, short_name, visibility, description)
            if not may(actor, Action.WRITE, holder):  # a contributor writes to what they made, not to all there is
                repo.collaborators.append(collaborator(repo.id, actor.account_id, Role.WRITER))
            write.add(repo)
            write.flush()
            repository.release_name(write, kind, repo.namespace_key, repo.name_key)
            _first_commit(write, actor, repo, first)
            record_audit(write, actor, "repo.create", repo.label, {"visibility": visibility})
            emit(write, "repo.created", {"repo_id": repo.id, "kind": kind.value})
    except IntegrityError as error:  # two at once: the unique index decides
        with database.read() as read:
            if repository.repo_by_name(read, kind, owner.name, short_name):
                raise _exists(kind, f"{owner.name}/{short_name}") from error
        raise
    return repo


def ensure_repo(
    database: Database, blobs: BlobStore, actor: Actor, kind: RepoKind, name: str, *, visibility: Visibility = "private"
) -> Repo:
    """The repo of that name (or that once had it), made when it does not exist yet; the actor may write to it.

    Raises as `create_repo`, and Forbidden when it exists and the actor may only read it.
    """
    try:
        with database.read() as read:
            try:
                repo = get_repo(read, actor, kind, name)
            except RepoMoved as moved:
                repo = get_repo(read, actor, kind, moved.name)
        authorize(actor, Action.WRITE, repo)
        return repo
    except RepoNotFound:
        return create_repo(database, blobs, actor, kind, name, visibility=visibility)


def get_repo(read: ReadSession, actor: Actor, kind: RepoKind, name: str, action: Action = Action.READ) -> Repo:
    """The repo "namespace/name", whatever the name's case; a bare "name" lies in the actor's namespace.

    Raises InvalidName, RepoNotFound (also for what the actor may not see; RepoMoved for a former name of what they
    may), Forbidden.
    """
    namespace, short_name = split_name(name, kind, None if actor.is_anonymous else actor.name)
    repo = repository.repo_by_name(read, kind, namespace, short_name)
    if repo is None:
        moved = repository.repo_by_former_name(read, kind, namespace, short_name)
        if moved is not None and may(actor, Action.READ, moved):
            raise RepoMoved(kind, f"{namespace}/{short_name}", moved.full_name)
    return permitted(actor, action, repo, RepoNotFound, f"{kind} {namespace}/{short_name}")


def get_repo_by_id(read: ReadSession, actor: Actor, repo_id: str, action: Action = Action.READ) -> Repo:
    """The repo with that id. Raises RepoNotFound (also for what the actor may not see), Forbidden."""
    return permitted(actor, action, read.get(Repo, repo_id), RepoNotFound, f"repo {repo_id[:40]}")


def list_repos(
    read: ReadSession,
    actor: Actor,
    *,
    kind: RepoKind | None = None,
    search: str = "",
    owner: str = "",
    tag: str = "",
    searches: Sequence[str] = (),
    tags: Sequence[str] = (),
    gated: bool | None = None,
    order: repository.Order = "updated",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Repo]:
    """Repos that the actor may read, last changed (or last created) first.

    ``search`` is looked for in name and description, whatever its case; ``owner`` is a namespace, ``tag`` one of the
    card's tags. ``searches`` and ``tags`` are more of either, and all must be met. Raises BadCursor, InvalidInput,
    MissingScope.
    """
    if Scope.READ not in actor.scopes:
        raise MissingScope("This token has no 'read' scope.", next="Use a token with the scope.", scope="read")
    every_search = [text for text in (search, *searches) if text]
    every_tag = [text for text in (tag, *tags) if text]
    if len(every_search) + len(every_tag) > _MAX_CONDITIONS:
        raise InvalidInput(
            f"A list is narrowed down by {_MAX_CONDITIONS} searches and tags at most.", next="Ask for fewer at once."
        )
    for values, what in ((every_search, "search"), ([owner], "owner"), (every_tag, "tag")):
        for value in values:
            _check_text(value, what, 200)
    return repository.repos(
        read,
        actor,
        kind=kind,
        searches=every_search,
        owner=owner,
        tags=every_tag,
        gated=gated,
        order=order,
        cursor=cursor,
        limit=limit,
    )


def require_reader(actor: Actor) -> None:
    """Raises MissingScope unless the actor's key may read: for lists, which ask nothing of a single repo."""
    if Scope.READ not in actor.scopes:
        raise MissingScope("This token has no 'read' scope.", next="Use a token with the scope.", scope="read")


def count_repos(read: ReadSession, actor: Actor, kind: RepoKind, owner: Account) -> int:
    """How many repos of an account the actor may read. Raises MissingScope."""
    require_reader(actor)
    return repository.count_repos(read, actor, kind, owner.id)


def list_tags(read: ReadSession, actor: Actor, kind: RepoKind) -> list[str]:
    """The tags in use on repos that the actor may read, sorted; 5,000 at most. Raises MissingScope."""
    require_reader(actor)
    return repository.tags_seen(read, actor, kind, _MAX_TAGS_LISTED)


def view(read: ReadSession, repos: Sequence[Repo]) -> list[RepoView]:
    """Head and tags of each repo, in two queries for all."""
    ids = [repo.id for repo in repos]
    heads = repository.heads(read, ids, HEADS + MAIN)
    tags = repository.tags_of(read, ids)
    return [RepoView(repo, heads.get(repo.id), tags[repo.id]) for repo in repos]


def update_repo(
    write: WriteSession,
    actor: Actor,
    kind: RepoKind,
    name: str,
    *,
    visibility: Visibility | None = None,
    description: str | None = None,
    gated: Gate | Literal[False] | None = None,
) -> Repo:
    """Changes who may read a repo (its owner only) or what it says about itself.

    ``gated`` says whether readers of its files have to ask first, and who answers; False opens it to all who see it.

    Raises RepoNotFound, Forbidden, InvalidInput.
    """
    shares = visibility is not None or gated is not None
    repo = get_repo(write, actor, kind, name, Action.ADMIN if shares else Action.WRITE)
    if description is not None:
        _check_text(description, "description", MAX_DESCRIPTION_CHARACTERS)
        repo.description = description
        repo.search_text = search_text(repo.full_name, description)
    if visibility is not None:
        repo.visibility = visibility
    if gated is not None:
        repo.gated = gated or None
    repo.updated_at = utcnow()
    documents.put(write, repo)
    changes = {"visibility": visibility, "description": description is not None, "gated": gated}
    record_audit(write, actor, "repo.update", repo.label, changes)
    emit(write, "repo.updated", {"repo_id": repo.id, "kind": kind.value})
    write.flush()
    return repo


def delete_repo(write: WriteSession, actor: Actor, kind: RepoKind, name: str) -> None:
    """Removes a repo with its revisions, refs and measurements. Content that nobody names is collected later.

    Raises RepoNotFound, Forbidden.
    """
    repo = get_repo(write, actor, kind, name, Action.ADMIN)
    record_audit(write, actor, "repo.delete", repo.label, {"repo_id": repo.id})
    was = {"name": repo.full_name, "owner_id": repo.owner_id, "visibility": repo.visibility}
    emit(write, "repo.deleted", {"repo_id": repo.id, "kind": kind.value, **was})
    write.flush()
    jobs.abandon(write, repo.id)
    documents.remove(write, repo.id)
    repository.delete_repo(write, repo.id)


def collaborator(repo_id: str, account_id: str, role: Role) -> RepoCollaborator:
    """A new row that gives an account a role in a repo."""
    return RepoCollaborator(repo_id=repo_id, account_id=account_id, role=role, created_at=utcnow())


def _new_repo(owner: Account, kind: RepoKind, name: str, visibility: Visibility, description: str) -> Repo:
    now = utcnow()
    return Repo(
        id=new_id("repo"),
        kind=kind,
        owner_id=owner.id,
        namespace=owner.name,
        namespace_key=owner.name.lower(),
        name=name,
        name_key=name.lower(),
        visibility=visibility,
        gated=None,
        description=description,
        search_text=search_text(f"{owner.name}/{name}", description),
        card={},
        collaborators=[],
        created_at=now,
        updated_at=now,
    )


def _first_commit(write: WriteSession, actor: Actor, repo: Repo, first: StagedFile) -> None:
    tree = encode_tree([Entry(FILE_MODE, first.path, first.oid)])
    root = tree_id(tree)
    raw = encode_commit(
        tree=root, parents=[], author=signature_of(actor, actor.name, repo.created_at), message=_FIRST_MESSAGE
    )
    stage_objects(write, repo.id, [first], {root: tree})
    revision = Revision(
        repo_id=repo.id,
        commit_id=commit_id(raw),
        tree_id=root,
        parent_id=None,
        parents=[],
        author=actor.name,
        message=_FIRST_MESSAGE,
        raw=raw,
        job_id=None,
        created_at=repo.created_at,
    )
    write.add(revision)
    write.flush()
    write.add(Ref(repo_id=repo.id, name=HEADS + MAIN, commit_id=revision.commit_id, updated_at=repo.created_at))
    index_card(write, repo, EMPTY_CARD)
    write.flush()


def search_text(full_name: str, description: str) -> str:
    """What a search looks at: name and description, case-folded."""
    return f"{full_name}\n{description}".casefold()


def _check_text(text: str, what: str, limit: int) -> None:
    if len(text) > limit or not storable(text):
        raise InvalidInput(
            f"The {what} is longer than {limit} characters or holds a NUL or a lone surrogate.",
            next="Shorten or correct it.",
        )


def _exists(kind: RepoKind, full_name: str) -> RepoExists:
    return RepoExists(
        f"The {kind} {full_name} exists already.",
        next="Push to it, or choose another name.",
        kind=kind.value,
        name=full_name,
    )
