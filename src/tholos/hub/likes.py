"""Likes: who marked which repo as worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from tholos.accounts.authorization import Actor
from tholos.accounts.models import Account
from tholos.accounts.service import namespace_for
from tholos.hub import repository
from tholos.hub.models import Repo, RepoLike
from tholos.hub.names import RepoKind
from tholos.hub.repos import get_repo, require_reader
from tholos.hub.search import documents
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import NotAuthenticated

_MAX_LISTED = 1000


def like(write: WriteSession, actor: Actor, kind: RepoKind, name: str) -> None:
    """Notes that the actor likes a repo; saying so twice changes nothing. Raises RepoNotFound, Forbidden."""
    repo = get_repo(write, actor, kind, name)
    _may_say(write, actor)
    row = {"repo_id": repo.id, "account_id": actor.account_id, "created_at": utcnow()}
    repository.insert_missing(write, RepoLike, [row])
    documents.count_likes(write, repo.id)


def unlike(write: WriteSession, actor: Actor, kind: RepoKind, name: str) -> None:
    """Takes a like back. Raises RepoNotFound, Forbidden."""
    repo = get_repo(write, actor, kind, name)
    _may_say(write, actor)
    write.execute(delete(RepoLike).where(RepoLike.repo_id == repo.id, RepoLike.account_id == actor.account_id))
    documents.count_likes(write, repo.id)


def likers(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> list[Account]:
    """Who likes a repo, newest first; 1,000 at most. Raises RepoNotFound."""
    repo = get_repo(read, actor, kind, name)
    query = select(Account).join(RepoLike, RepoLike.account_id == Account.id).where(RepoLike.repo_id == repo.id)
    return list(read.scalars(query.order_by(RepoLike.created_at.desc(), Account.id).limit(_MAX_LISTED)))


def likes_of(read: ReadSession, actor: Actor, account: Account) -> list[tuple[Repo, datetime]]:
    """The repos that an account likes and the actor may read, newest first; 1,000 at most. Raises MissingScope."""
    require_reader(actor)
    query = select(Repo, RepoLike.created_at).join(RepoLike, RepoLike.repo_id == Repo.id)
    query = query.where(RepoLike.account_id == account.id, repository.readable_by(actor))
    rows = read.execute(query.order_by(RepoLike.created_at.desc(), Repo.id).limit(_MAX_LISTED))
    return [(repo, moment) for repo, moment in rows]


def like_counts(read: ReadSession, repos: Sequence[Repo]) -> dict[str, int]:
    """How many like each repo, by its id."""
    query = select(RepoLike.repo_id, func.count()).where(RepoLike.repo_id.in_([repo.id for repo in repos]))
    counts = dict(read.execute(query.group_by(RepoLike.repo_id)).all())
    return {repo.id: counts.get(repo.id, 0) for repo in repos}


def _may_say(write: WriteSession, actor: Actor) -> None:
    # A like is the account's own word: somebody says it, with a token that may write.
    if actor.is_anonymous:
        raise NotAuthenticated("Sign in to like a repo.", next="Send `Authorization: Bearer <token>`.")
    namespace_for(write, actor, actor.name)
