"""Storage in use, for those who may know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from tholos.accounts.authorization import Actor
from tholos.accounts.models import Account
from tholos.accounts.service import require_admin
from tholos.hub import repository
from tholos.hub.access import require_content
from tholos.hub.models import Repo, RepoBlob, StoredBlob
from tholos.hub.names import RepoKind
from tholos.hub.quotas import Quota, quota_of, usable_account, used_repos
from tholos.hub.repos import get_repo
from tholos.hub.xet import statistics
from tholos.hub.xet.statistics import Usage
from tholos.kit.database import ReadSession

_LARGEST: Final = 100


@dataclass(frozen=True, slots=True)
class RepoUsage:
    """What one repo holds."""

    repo: Repo
    usage: Usage


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What an account holds and may hold, with its largest repos that the reader may see."""

    account: Account
    usage: Usage
    repos: int
    quota: Quota
    largest: list[RepoUsage]


def of_repo(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> RepoUsage:
    """Of one repo, in all its revisions. Raises RepoNotFound, GatedRepo."""
    repo = get_repo(read, actor, kind, name)
    # what a proposal shares with the files of a gated repo would show in the bytes that it adds
    require_content(read, actor, repo)
    return RepoUsage(repo, statistics.repo_usage(read, repo.id))


def of_account(read: ReadSession, actor: Actor, name: str, default: Quota) -> AccountUsage:
    """Of all repos of an account; for who may create in its namespace. Raises AccountNotFound, Forbidden."""
    account = usable_account(read, actor, name)
    size = func.coalesce(func.sum(StoredBlob.size), 0)
    query = (
        select(Repo)
        .join(RepoBlob, RepoBlob.repo_id == Repo.id)
        .join(StoredBlob, StoredBlob.sha256 == RepoBlob.sha256)
        .where(Repo.owner_id == account.id, repository.readable_by(actor))
        .group_by(Repo.id)
        .order_by(size.desc(), Repo.id)
    )
    largest = [RepoUsage(repo, statistics.repo_usage(read, repo.id)) for repo in read.scalars(query.limit(_LARGEST))]
    return AccountUsage(
        account=account,
        usage=statistics.account_usage(read, account.id),
        repos=used_repos(read, account.id),
        quota=quota_of(read, default, account.id),
        largest=largest,
    )


def total(read: ReadSession, actor: Actor) -> Usage:
    """Of all repos. Administrators only."""
    require_admin(actor)
    return statistics.total_usage(read)
