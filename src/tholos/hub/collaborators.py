"""Collaborators: accounts that are not the owner, with a role in one repo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from tholos.accounts import organizations
from tholos.accounts.authorization import Action, Actor, Role, Scope, hidden
from tholos.accounts.errors import MissingScope
from tholos.accounts.models import Account
from tholos.accounts.service import get_user, record_audit
from tholos.hub import repository
from tholos.hub.errors import (
    CollaboratorNotFound,
    OwnerIsNoCollaborator,
    TooManyCollaborators,
)
from tholos.hub.models import Repo, RepoCollaborator
from tholos.hub.names import RepoKind
from tholos.hub.repos import collaborator, get_repo
from tholos.kit.database import ReadSession, WriteSession


@dataclass(frozen=True, slots=True)
class Collaborator:
    """An account with its role in a repo."""

    account: Account
    role: Role
    since: datetime


def collaborators(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> list[Collaborator]:
    """Who works on a repo besides its owner, by name; for those who administer it. Raises RepoNotFound, Forbidden."""
    repo = get_repo(read, actor, kind, name, Action.ADMIN)
    query = select(Account, RepoCollaborator).join(RepoCollaborator, RepoCollaborator.account_id == Account.id)
    rows = read.execute(query.where(RepoCollaborator.repo_id == repo.id).order_by(Account.name_key))
    return [Collaborator(account, row.role, row.created_at) for account, row in rows]


def set_collaborator(
    write: WriteSession, actor: Actor, kind: RepoKind, name: str, user: str, role: Role, *, most: int
) -> Collaborator:
    """Gives a user a role in a repo, or another one. Its owner, admins of its organization, and its own admins only.

    Raises RepoNotFound, Forbidden, AccountNotFound, OwnerIsNoCollaborator, TooManyCollaborators.
    """
    repo = get_repo(write, actor, kind, name, Action.ADMIN)
    repository.lock_repo(write, repo.id)  # two who add one at once
    account = get_user(write, user)
    if account.id == repo.owner_id:
        raise OwnerIsNoCollaborator(f"{account.name} owns {repo.label}.", next="The owner needs no role.")
    row = write.get(RepoCollaborator, (repo.id, account.id), populate_existing=True)
    if row is None:
        if len(repo.collaborators) >= most:
            raise TooManyCollaborators(
                f"{repo.label} has {most} collaborators already.",
                next="Remove one, use an organization, or raise THOLOS_MAX_COLLABORATORS.",
            )
        row = collaborator(repo.id, account.id, role)
        write.add(row)
    row.role = role
    record_audit(write, actor, "collaborator.set", repo.label, {"user": account.name, "role": role.value})
    write.flush()
    return Collaborator(account, role, row.created_at)


def remove_collaborator(write: WriteSession, actor: Actor, kind: RepoKind, name: str, user: str) -> None:
    """Takes a user's role in a repo back; everyone may give up their own.

    Raises RepoNotFound, Forbidden, MissingScope, AccountNotFound, CollaboratorNotFound.
    """
    own = not actor.is_anonymous and actor.limits is None and user.lower() == actor.name.lower()
    repo = get_repo(write, actor, kind, name, Action.READ if own else Action.ADMIN)
    if Scope.WRITE not in actor.scopes:
        raise MissingScope("This token has no 'write' scope.", next="Use a token with the scope.", scope="write")
    account = get_user(write, user)
    row = write.get(RepoCollaborator, (repo.id, account.id), populate_existing=True)
    if row is None:
        raise hidden(CollaboratorNotFound, f"collaborator {account.name} of {repo.label}")
    write.delete(row)
    record_audit(write, actor, "collaborator.remove", repo.label, {"user": account.name})
    write.flush()


def remove_member(write: WriteSession, actor: Actor, organization: str, user: str) -> None:
    """Takes a user out of an organization, with the roles they hold in single repos of it.

    Raises as `accounts.organizations.remove_member`.
    """
    left, account = organizations.remove_member(write, actor, organization, user)
    of_it = select(Repo.id).where(Repo.owner_id == left.id)
    write.execute(
        delete(RepoCollaborator).where(RepoCollaborator.account_id == account.id, RepoCollaborator.repo_id.in_(of_it)),
        execution_options={"synchronize_session": False},
    )
