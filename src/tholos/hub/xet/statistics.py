"""How much there is, and how much room it takes: the two differ by what is shared and compressed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from tholos.hub.models import Repo
from tholos.hub.xet import repository
from tholos.kit.database import ReadSession


@dataclass(frozen=True, slots=True)
class Usage:
    """``logical_bytes``: the sizes of all contents, counted once per repo that has them. ``stored_bytes``: what they
    take on disk, with what several share counted once; a xorb counts whole even if only some of its chunks are used.
    Of a repo or an account it is what they would take alone: nobody learns from it what others store.
    """

    logical_bytes: int
    stored_bytes: int


def repo_usage(read: ReadSession, repo_id: str) -> Usage:
    """Of one repo, in all its revisions. The caller has authorized the reader."""
    return Usage(*repository.own_usage(read, select(Repo.id).where(Repo.id == repo_id)))


def account_usage(read: ReadSession, account_id: str) -> Usage:
    """Of all repos of an account. For the account itself and administrators: it counts private repos."""
    return Usage(*repository.own_usage(read, repository.repos_of_account(account_id)))


def total_usage(read: ReadSession) -> Usage:
    """Of all repos. For administrators."""
    return Usage(*repository.total_usage(read))
