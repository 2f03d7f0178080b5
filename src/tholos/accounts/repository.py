"""Queries over accounts, keys, sessions and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select

from tholos.accounts.authorization import OrganizationRole
from tholos.accounts.models import Account, ApiKey, AuditEntry, Membership, ReservedName, WebSession
from tholos.kit.database import ReadSession, WriteSession, storable
from tholos.kit.paging import Page, decode_cursor, encode_cursor

# Built once, and one query for key, account and memberships: every prediction asks it.
_KEY = (
    select(ApiKey, Account, Membership.organization_id, Membership.role)
    .join(Account, Account.id == ApiKey.account_id)
    .outerjoin(Membership, Membership.account_id == Account.id)
)
_BY_HASH = _KEY.where(ApiKey.hash == bindparam("wanted"))
_BY_ID = _KEY.where(ApiKey.id == bindparam("wanted"))
_BY_SESSION = (
    _KEY.add_columns(WebSession)
    .join(WebSession, WebSession.key_id == ApiKey.id)
    .where(WebSession.hash == bindparam("wanted"))
)


@dataclass(frozen=True, slots=True)
class KeyAndAccount:
    """A key, whose it is, and that account's roles by the organization's id."""

    key: ApiKey
    account: Account
    memberships: dict[str, OrganizationRole]


def account_by_name(read: ReadSession, name: str) -> Account | None:
    if not storable(name):  # nobody is called so, and PostgreSQL would not even look
        return None
    return read.scalar(select(Account).where(Account.name_key == name.lower()))


def account_by_id(read: ReadSession, account_id: str) -> Account | None:
    return read.get(Account, account_id)


def users(read: ReadSession, cursor: str | None, limit: int) -> Page[Account]:
    """Users by name."""
    query = select(Account).where(Account.kind == "user").order_by(Account.name_key).limit(limit + 1)
    if cursor:
        query = query.where(Account.name_key > decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query))
    return Page(rows[:limit], encode_cursor(rows[limit - 1].name_key) if len(rows) > limit else None)


def is_reserved(read: ReadSession, name: str) -> bool:
    """Whether repos of another hub are kept here under this name."""
    return read.get(ReservedName, name.lower()) is not None


def count_active_administrators(read: ReadSession) -> int:
    query = select(func.count()).select_from(Account).where(Account.is_admin, Account.disabled_at.is_(None))
    return read.scalar(query) or 0


def first_administrator(read: ReadSession) -> Account | None:
    """The administrator who has been one for the longest, in whose name the server does its own upkeep."""
    query = select(Account).where(Account.is_admin, Account.disabled_at.is_(None)).order_by(Account.created_at)
    return read.scalar(query.limit(1))


def key_with_account(read: ReadSession, secret_hash: str) -> KeyAndAccount | None:
    return _one(read.execute(_BY_HASH, {"wanted": secret_hash}).all())


def key_by_id(read: ReadSession, key_id: str) -> KeyAndAccount | None:
    return _one(read.execute(_BY_ID, {"wanted": key_id}).all())


def session_with_account(read: ReadSession, secret_hash: str) -> tuple[WebSession, KeyAndAccount] | None:
    rows = read.execute(_BY_SESSION, {"wanted": secret_hash}).all()
    found = _one([row[:4] for row in rows])
    return None if found is None else (rows[0][4], found)


def memberships_of(read: ReadSession, account_id: str) -> dict[str, OrganizationRole]:
    """A user's roles by the organization's id."""
    query = select(Membership.organization_id, Membership.role).where(Membership.account_id == account_id)
    return dict(read.execute(query).all())


def _one(rows: Sequence[Sequence[Any]]) -> KeyAndAccount | None:
    if not rows:
        return None
    roles = {row[2]: row[3] for row in rows if row[2] is not None and row[3] is not None}
    return KeyAndAccount(rows[0][0], rows[0][1], roles)


def keys_of(read: ReadSession, account_id: str) -> list[ApiKey]:
    """An account's keys that were not revoked, newest first."""
    query = select(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
    return list(read.scalars(query.order_by(ApiKey.id.desc())))


def delete_session(write: WriteSession, secret_hash: str) -> None:
    write.execute(delete(WebSession).where(WebSession.hash == secret_hash))


def delete_sessions_expired_before(write: WriteSession, moment: datetime) -> None:
    write.execute(delete(WebSession).where(WebSession.expires_at < moment))


def audit_entries(
    read: ReadSession, actor_id: str | None, cursor: str | None, limit: int, *, key_id: str | None = None
) -> Page[AuditEntry]:
    """Audit entries, newest first; of one account, or (None) of all; of one key if given."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit + 1)
    if actor_id is not None:
        query = query.where(AuditEntry.actor_id == actor_id)
    if key_id is not None:
        query = query.where(AuditEntry.key_id == key_id)
    if cursor:
        query = query.where(AuditEntry.id < decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query))
    return Page(rows[:limit], encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)
