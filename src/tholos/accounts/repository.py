"""Queries over accounts, keys, sessions and the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select

from tholos.accounts.models import Account, ApiKey, AuditEntry, WebSession
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.paging import Page, decode_cursor, encode_cursor


def account_by_name(read: ReadSession, name: str) -> Account | None:
    return read.scalar(select(Account).where(Account.name_key == name.lower()))


def account_by_id(read: ReadSession, account_id: str) -> Account | None:
    return read.get(Account, account_id)


def accounts(read: ReadSession, cursor: str | None, limit: int) -> Page[Account]:
    """Accounts by name."""
    query = select(Account).order_by(Account.name_key).limit(limit + 1)
    if cursor:
        query = query.where(Account.name_key > decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query))
    return Page(rows[:limit], encode_cursor(rows[limit - 1].name_key) if len(rows) > limit else None)


def count_active_administrators(read: ReadSession) -> int:
    query = select(func.count()).select_from(Account).where(Account.is_admin, Account.disabled_at.is_(None))
    return read.scalar(query) or 0


def key_with_account(read: ReadSession, secret_hash: str) -> tuple[ApiKey, Account] | None:
    row = read.execute(
        select(ApiKey, Account).join(Account, Account.id == ApiKey.account_id).where(ApiKey.hash == secret_hash)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def key_by_id(read: ReadSession, key_id: str) -> tuple[ApiKey, Account] | None:
    row = read.execute(
        select(ApiKey, Account).join(Account, Account.id == ApiKey.account_id).where(ApiKey.id == key_id)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def session_with_account(read: ReadSession, secret_hash: str) -> tuple[WebSession, ApiKey, Account] | None:
    row = read.execute(
        select(WebSession, ApiKey, Account)
        .join(ApiKey, ApiKey.id == WebSession.key_id)
        .join(Account, Account.id == ApiKey.account_id)
        .where(WebSession.hash == secret_hash)
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def keys_of(read: ReadSession, account_id: str) -> list[ApiKey]:
    """An account's keys that were not revoked, newest first."""
    query = select(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
    return list(read.scalars(query.order_by(ApiKey.id.desc())))


def delete_session(write: WriteSession, secret_hash: str) -> None:
    write.execute(delete(WebSession).where(WebSession.hash == secret_hash))


def delete_sessions_expired_before(write: WriteSession, moment: datetime) -> None:
    write.execute(delete(WebSession).where(WebSession.expires_at < moment))


def audit_entries(read: ReadSession, actor_id: str | None, cursor: str | None, limit: int) -> Page[AuditEntry]:
    """Audit entries, newest first; of one account, or (None) of all."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit + 1)
    if actor_id is not None:
        query = query.where(AuditEntry.actor_id == actor_id)
    if cursor:
        query = query.where(AuditEntry.id < decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query))
    return Page(rows[:limit], encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)
