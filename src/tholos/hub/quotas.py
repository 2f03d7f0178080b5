"""Quotas: how much one account may store, and how many repos it may have.

What counts is logical: the sizes of all contents that the account's repos possess, in every revision, once per repo;
that others store the same, or that it compresses well, makes nobody's account smaller. Bytes are asked for before they
are taken in. Uploads that are under way at the same moment do not see each other and may together go over by what they
carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from tholos.accounts.authorization import Action, Actor, authorize
from tholos.accounts.models import Account
from tholos.accounts.service import get_account, record_audit, require_admin
from tholos.hub.access_models import AccountQuota
from tholos.hub.errors import QuotaExceeded
from tholos.hub.models import Repo, RepoBlob, RepoXorb, StoredBlob, XorbUpload
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import InvalidInput
from tholos.kit.settings import Settings

_NEARLY_FULL: Final = 0.9
_PROPOSED_PERCENT: Final = 80
"""Of a quota: so far may strangers' pull requests fill it. The rest stays for whom it belongs to."""
_MOST: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Quota:
    """The most bytes and repos that an account may have; 0 is without limit."""

    max_bytes: int = 0
    max_repos: int = 0

    @classmethod
    def default(cls, settings: Settings) -> Quota:
        """What the settings give an account of which nothing else was said."""
        return cls(settings.quota_bytes, settings.quota_repos)


NO_LIMITS: Final = Quota()


def quota_of(read: ReadSession, default: Quota, account_id: str) -> Quota:
    """What holds for an account."""
    own = read.get(AccountQuota, account_id)
    if own is None:
        return default
    return Quota(
        default.max_bytes if own.max_bytes is None else own.max_bytes,
        default.max_repos if own.max_repos is None else own.max_repos,
    )


def set_quota(write: WriteSession, actor: Actor, name: str, *, max_bytes: int | None, max_repos: int | None) -> Account:
    """Gives an account a quota of its own; None is what the settings say, 0 without limit. Administrators only.

    Raises Forbidden, AccountNotFound, InvalidInput.
    """
    require_admin(actor)
    account = get_account(write, name)
    if not 0 <= (max_bytes or 0) < _MOST or not 0 <= (max_repos or 0) < 1 << 31:
        raise InvalidInput("A quota is a number from 0, and not absurdly large.", next="0 is without limit.")
    quota = write.get(AccountQuota, account.id)
    if quota is None:
        quota = AccountQuota(account_id=account.id)
        write.add(quota)
    quota.max_bytes, quota.max_repos, quota.updated_at = max_bytes, max_repos, utcnow()
    record_audit(write, actor, "user.quota", account.name, {"max_bytes": max_bytes, "max_repos": max_repos})
    write.flush()
    return account


def usable_account(read: ReadSession, actor: Actor, name: str) -> Account:
    """An account whose storage the actor may look at: who may create in its namespace. Raises Forbidden."""
    account = get_account(read, name)
    authorize(actor, Action.WRITE, account)
    return account


def used_bytes(read: ReadSession, account_id: str) -> int:
    """Logical bytes of all repos of an account."""
    query = (
        select(func.coalesce(func.sum(StoredBlob.size), 0))
        .join(RepoBlob, RepoBlob.sha256 == StoredBlob.sha256)
        .join(Repo, Repo.id == RepoBlob.repo_id)
        .where(Repo.owner_id == account_id)
    )
    return int(read.scalar(query) or 0)


def repo_bytes(read: ReadSession, repo_id: str) -> int:
    """Logical bytes of one repo, in all its revisions."""
    query = select(func.coalesce(func.sum(StoredBlob.size), 0)).join(RepoBlob, RepoBlob.sha256 == StoredBlob.sha256)
    return int(read.scalar(query.where(RepoBlob.repo_id == repo_id)) or 0)


def used_repos(read: ReadSession, account_id: str) -> int:
    """How many repos an account has."""
    return read.scalar(select(func.count()).select_from(Repo).where(Repo.owner_id == account_id)) or 0


def room_for(read: ReadSession, default: Quota, account_id: str, *, proposed: bool = False) -> int | None:
    """Bytes that the account may still store, 0 where it is over its quota; None is without limit.

    ``proposed`` as in `require_room`.
    """
    limit = _bound(quota_of(read, default, account_id).max_bytes, proposed=proposed)
    return max(0, limit - used_bytes(read, account_id)) if limit else None


def require_room(read: ReadSession, default: Quota, account_id: str, size: int, *, proposed: bool = False) -> None:
    """Refuses ``size`` more bytes where they do not fit.

    ``proposed``: by somebody who may not write the repo; a part of the quota is not for them. Raises QuotaExceeded.
    """
    limit = _bound(quota_of(read, default, account_id).max_bytes, proposed=proposed)
    if limit and size > 0 and (used := used_bytes(read, account_id)) + size > limit:
        raise _full(read, account_id, used, limit, size)


def require_xorb_room(
    read: ReadSession, default: Quota, owner_id: str, uploader_id: str, size: int, *, proposed: bool = False
) -> None:
    """As `require_room`, for chunks of which no file is made yet: those that wait already count too."""
    limit = _bound(quota_of(read, default, owner_id).max_bytes, proposed=proposed)
    if not limit:
        return
    linked = select(RepoXorb.xorb_hash).where(RepoXorb.xorb_hash == XorbUpload.xorb_hash).exists()
    waiting = select(func.coalesce(func.sum(XorbUpload.size), 0)).where(XorbUpload.account_id == uploader_id, ~linked)
    used = used_bytes(read, owner_id)
    if used + int(read.scalar(waiting) or 0) + size > limit:
        raise _full(read, owner_id, used, limit, size)


def require_repo_room(read: ReadSession, default: Quota, account: Account) -> None:
    """Refuses one more repo where it does not fit. Raises QuotaExceeded."""
    limit = quota_of(read, default, account.id).max_repos
    if limit and (there := used_repos(read, account.id)) >= limit:
        raise QuotaExceeded(
            f"{account.name} has {there} repos; {limit} are allowed.",
            next="Delete a repo, or ask the operator for a larger quota.",
            repos=there,
            max_repos=limit,
        )


def quota_warning(read: ReadSession, default: Quota, account_id: str) -> str:
    """A sentence where nine tenths of the quota are used; otherwise nothing."""
    limit = quota_of(read, default, account_id).max_bytes
    if not limit or (used := used_bytes(read, account_id)) < _NEARLY_FULL * limit:
        return ""
    return f"{_name(read, account_id)} uses {used:,} of {limit:,} bytes: {100 * used // limit} % of the quota."


def _bound(limit: int, *, proposed: bool) -> int:
    return max(1, limit * _PROPOSED_PERCENT // 100) if limit and proposed else limit


def _full(read: ReadSession, account_id: str, used: int, limit: int, size: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"{_name(read, account_id)} uses {used:,} of {limit:,} bytes; {size:,} more do not fit.",
        next="Delete repos or large files that are not needed, or ask the operator for a larger quota.",
        used_bytes=used,
        max_bytes=limit,
        needed=size,
    )


def _name(read: ReadSession, account_id: str) -> str:
    return read.scalar(select(Account.name).where(Account.id == account_id)) or "The account"
