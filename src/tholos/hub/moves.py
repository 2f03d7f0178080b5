"""Moves: a repo under another name, with the old name leading to it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tholos.accounts.authorization import Action, Actor, authorize, hidden, may
from tholos.accounts.service import namespace_for, record_audit
from tholos.hub import repository
from tholos.hub.errors import RepoExists, RepoNotFound
from tholos.hub.models import Repo, RepoAlias
from tholos.hub.names import RepoKind, split_name
from tholos.hub.quotas import NO_LIMITS, Quota, repo_bytes, require_repo_room, require_room
from tholos.hub.repos import get_repo, search_text
from tholos.hub.search import documents
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.outbox import emit


def move_repo(
    write: WriteSession, actor: Actor, kind: RepoKind, source: str, target: str, default_quota: Quota = NO_LIMITS
) -> Repo:
    """Gives the repo ``source`` the name ``target`` ("namespace/name"); its owner only, who may create there.

    ``default_quota`` holds where no other was set for the new owner. Raises InvalidName, RepoNotFound,
    AccountNotFound, Forbidden, RepoExists, QuotaExceeded.
    """
    repo = _held(write, actor, kind, source)
    namespace, name = split_name(target, kind, actor.name)
    owner = namespace_for(write, actor, namespace)
    if owner.id != repo.owner_id:  # giving it away is the owner's to do, not a collaborator's
        namespace_for(write, actor, repo.namespace, Action.ADMIN)
    taken = RepoExists(
        f"The {kind} {owner.name}/{name} exists already.",
        next="Choose another name.",
        kind=kind.value,
        name=f"{owner.name}/{name}",
    )
    other = repository.repo_by_name(write, kind, owner.name, name)
    if other is not None and other.id != repo.id:
        raise taken
    if owner.id != repo.owner_id:
        require_repo_room(write, default_quota, owner)
        require_room(write, default_quota, owner.id, repo_bytes(write, repo.id))
    before = repo.full_name
    old = (kind, repo.namespace_key, repo.name_key)
    repo.owner_id, repo.namespace, repo.namespace_key = owner.id, owner.name, owner.name.lower()
    repo.name, repo.name_key = name, name.lower()
    repo.search_text = search_text(repo.full_name, repo.description)
    repo.updated_at = utcnow()
    try:
        write.flush()
    except IntegrityError as error:  # two at once: the unique index decides
        raise taken from error
    repository.free_namespace(write, old[1])
    repository.release_name(write, *old)
    repository.release_name(write, kind, repo.namespace_key, repo.name_key)
    if old != (kind, repo.namespace_key, repo.name_key):
        write.add(RepoAlias(kind=old[0], namespace_key=old[1], name_key=old[2], repo_id=repo.id))
    documents.put(write, repo)
    record_audit(write, actor, "repo.move", repo.label, {"from": before})
    emit(write, "repo.updated", {"repo_id": repo.id, "kind": kind.value, "moved_from": before})
    write.flush()
    return repo


def _held(write: WriteSession, actor: Actor, kind: RepoKind, source: str) -> Repo:
    """The repo to move, as it is once nobody else can change its names."""
    found = get_repo(write, actor, kind, source, Action.ADMIN)
    name = found.full_name
    repository.lock_repo(write, found.id)
    repo = repository.held_repo(write, found.id)
    if repo is None or repo.full_name != name:
        raise hidden(RepoNotFound, f"{kind} {name}")
    authorize(actor, Action.ADMIN, repo)
    return repo


def moved_to(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> str | None:
    """The present name of the repo that had this name before; None where there was none, or none for this actor.

    Raises InvalidName.
    """
    namespace, short_name = split_name(name, kind)
    repo = repository.repo_by_former_name(read, kind, namespace, short_name)
    return repo.full_name if repo is not None and may(actor, Action.READ, repo) else None


def names_of(read: ReadSession, actor: Actor, repo_ids: Iterable[str]) -> dict[str, str]:
    """The present full names of repos, by id; only of those that the actor may see."""
    query = select(Repo.id, Repo.namespace, Repo.name).where(Repo.id.in_(set(repo_ids)), repository.readable_by(actor))
    return {repo_id: f"{namespace}/{name}" for repo_id, namespace, name in read.execute(query)}
