"""Use cases of accounts: signing in, users, keys, the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tholos.accounts import repository
from tholos.accounts.authorization import ALL_SCOPES, Action, Actor, Scope, authorize, hidden
from tholos.accounts.errors import (
    AccountDisabled,
    AccountNotFound,
    InvalidLimit,
    InvalidToken,
    KeyNotFound,
    LastAdministrator,
    MissingScope,
    NameTaken,
    TokenExpired,
    TokenLimited,
)
from tholos.accounts.limits import Limits, of_key, parse_limits, written
from tholos.accounts.models import Account, ApiKey, AuditEntry, WebSession
from tholos.accounts.names import check_namespace
from tholos.kit.clock import utcnow
from tholos.kit.crypto import hash_secret, new_secret
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import Forbidden
from tholos.kit.ids import new_id
from tholos.kit.paging import Page

ADMINISTRATOR = "admin"
_KEY_PREFIX = "tholos"
_SHOWN = len(_KEY_PREFIX) + 5


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. ``secret`` exists nowhere else and cannot be shown again."""

    key: ApiKey
    secret: str


# -- signing in


def authenticate(read: ReadSession, secret: str) -> Actor:
    """Who a bearer token belongs to. Raises InvalidToken, TokenExpired, AccountDisabled."""
    found = repository.key_with_account(read, hash_secret(secret))
    if found is None:
        raise InvalidToken(next="Check the token; make a new one with `tholos keys create`.")
    return _actor(found)


def actor_of_key(read: ReadSession, key_id: str) -> Actor:
    """Who a key belongs to, for a grant that we signed and that names it. Raises as ``authenticate``."""
    found = repository.key_by_id(read, key_id)
    if found is None:
        raise InvalidToken(next="Ask for the link or token again.")
    return _actor(found)


def actor_of_work(read: ReadSession, account_id: str, key_id: str | None) -> Actor:
    """The platform acting for an account, in a job that was started with this key: with all that the account may do
    now, and within the limits of the key, whatever has become of it. Raises AccountNotFound.
    """
    account = repository.account_by_id(read, account_id)
    if account is None:
        raise hidden(AccountNotFound, f"account {account_id[:40]}")
    key = read.get(ApiKey, key_id) if key_id else None
    limits = key.limits if key else None
    as_admin = account.is_admin and (key is None or Scope.ADMIN in key.scopes)
    return replace(
        Actor.system(account.id, account.name, is_admin=as_admin),
        key_id=key_id if limits is not None else None,
        memberships=repository.memberships_of(read, account.id),
        limits=of_key(limits, key_id) if limits is not None and key_id else None,
    )


def as_member_now(read: ReadSession, actor: Actor) -> Actor:
    """The actor with the roles in organizations that the account has at this moment."""
    return replace(actor, memberships=repository.memberships_of(read, actor.account_id))


def authenticate_session(read: ReadSession, secret: str) -> Actor | None:
    """Who a session cookie belongs to; None when it is unknown or over."""
    found = repository.session_with_account(read, hash_secret(secret))
    if found is None or found[0].expires_at < utcnow():
        return None
    try:
        return _actor(found[1])
    except (InvalidToken, TokenExpired, AccountDisabled):
        return None  # the key behind it has gone: the browser is simply signed out


def open_session(write: WriteSession, token: str, days: float) -> str:
    """Signs a browser in with a token; returns the cookie's value. Raises as ``authenticate``."""
    actor = authenticate(write, token)
    secret = new_secret("session")
    now = utcnow()
    repository.delete_sessions_expired_before(write, now)
    write.add(
        WebSession(hash=hash_secret(secret), key_id=actor.key_id, expires_at=now + timedelta(days=days), created_at=now)
    )
    record_audit(write, actor, "session.open", actor.name)
    return secret


def close_session(write: WriteSession, secret: str) -> None:
    """Signs a browser out."""
    repository.delete_session(write, hash_secret(secret))


def _actor(found: repository.KeyAndAccount) -> Actor:
    key, account = found.key, found.account
    if key.revoked_at is not None:
        raise InvalidToken("The token was revoked.", next="Make a new one with `tholos keys create`.")
    if key.expires_at is not None and key.expires_at < utcnow():
        raise TokenExpired(next="Make a new one with `tholos keys create`, then `tholos login`.")
    if account.disabled_at is not None:
        raise AccountDisabled(f"The account {account.name} is disabled.", next="Ask an administrator.")
    limits = None if key.limits is None else of_key(key.limits, key.id)
    return Actor(account.id, account.name, account.is_admin, key.scopes, key.id, found.memberships, limits)


# -- users


def create_administrator(write: WriteSession) -> str | None:
    """On an empty database, makes the administrator and returns their token; otherwise None.

    The caller keeps the token before the transaction ends: a crash in between must not lose it.
    """
    if repository.users(write, None, 1).items:
        return None
    account = _new_account(ADMINISTRATOR, is_admin=True)
    write.add(account)
    write.flush()
    actor = Actor(account.id, account.name, is_admin=True)
    record_audit(write, actor, "user.create", account.name)
    return issue_key(write, actor, account, "first start", ALL_SCOPES).secret


def create_user(write: WriteSession, actor: Actor, name: str, *, is_admin: bool = False) -> tuple[Account, NewKey]:
    """Makes a user with a first key (all scopes but ``admin``, unless an administrator). Administrators only.

    Raises Forbidden, InvalidName, NameReserved, NameTaken.
    """
    require_admin(actor)
    check_namespace(name)
    if repository.account_by_name(write, name):
        raise NameTaken(f"The name {name!r} is taken.", next="Choose another name.", name=name)
    if repository.is_reserved(write, name):
        raise NameTaken(
            f"The name {name!r} is taken by repos that were fetched from another hub.",
            next="Choose another name, or delete these repos first (`tholos repos delete`).",
            name=name,
        )
    account = _new_account(name, is_admin=is_admin)
    write.add(account)
    write.flush()
    record_audit(write, actor, "user.create", name, {"is_admin": is_admin})
    scopes = ALL_SCOPES if is_admin else ALL_SCOPES - {Scope.ADMIN}
    return account, issue_key(write, actor, account, "first key", scopes)


def set_user(
    write: WriteSession, actor: Actor, name: str, *, disabled: bool | None = None, is_admin: bool | None = None
) -> Account:
    """Disables, enables, promotes or demotes. Administrators only. Raises LastAdministrator."""
    require_admin(actor)
    account = get_user(write, name)
    was_active_admin = account.is_admin and account.disabled_at is None
    if disabled is not None:
        account.disabled_at = utcnow() if disabled else None
    if is_admin is not None:
        account.is_admin = is_admin
    write.flush()
    if was_active_admin and repository.count_active_administrators(write) == 0:
        raise LastAdministrator(next="Make another user an administrator first.")
    record_audit(write, actor, "user.update", account.name, {"disabled": disabled, "is_admin": is_admin})
    return account


def get_account(read: ReadSession, name: str) -> Account:
    """The account of that name. Raises AccountNotFound."""
    account = repository.account_by_name(read, name)
    if account is None:
        raise hidden(AccountNotFound, f"account {name[:100]}")
    return account


def get_user(read: ReadSession, name: str) -> Account:
    """The user of that name. Raises AccountNotFound, also for an organization's."""
    account = get_account(read, name)
    if account.kind != "user":
        raise hidden(AccountNotFound, f"account {name[:100]}")
    return account


def list_accounts(read: ReadSession, actor: Actor, cursor: str | None, limit: int) -> Page[Account]:
    """All users. Administrators only."""
    require_admin(actor)
    return repository.users(read, cursor, limit)


def require_admin(actor: Actor) -> None:
    """Raises Forbidden unless an administrator asks with a token of scope ``admin``."""
    if not actor.has_admin_power:
        raise Forbidden(
            "Only an administrator may do this.", next="Use an administrator's token that has the 'admin' scope."
        )


def _new_account(name: str, *, is_admin: bool) -> Account:
    return Account(
        id=new_id("acc"),
        name=name,
        name_key=name.lower(),
        kind="user",
        full_name="",
        is_admin=is_admin,
        disabled_at=None,
        created_at=utcnow(),
    )


# -- keys


def require_whole(actor: Actor) -> None:
    """Raises TokenLimited where the token stands for less than its account."""
    if actor.limits is not None:
        raise TokenLimited(
            "A token that is limited to repos cannot do this.", next="Use a token without limits, or the web pages."
        )


def create_key(
    write: WriteSession,
    actor: Actor,
    name: str,
    scopes: frozenset[Scope],
    expires_in_days: float | None,
    limits: Sequence[str] = (),
) -> NewKey:
    """Makes a key for the actor's own account, with no scope the asking key lacks.

    ``limits`` ("ada/penguins:read", "acme/*:write") are all that it reaches; none at all: whatever the account does.

    Raises MissingScope, TokenLimited, InvalidLimit.
    """
    require_whole(actor)
    if limits and Scope.ADMIN in scopes:
        raise InvalidLimit("A limited token cannot have the scope 'admin'.", next="Leave out the scope, or the limits.")
    if lacking := scopes - actor.scopes:
        raise MissingScope(
            f"This token cannot give the scope '{min(lacking)}', which it lacks itself.",
            next="Ask for fewer scopes, or use a token that has them.",
            scope=min(lacking),
        )
    if Scope.WRITE not in actor.scopes:
        raise MissingScope("A key can be made only with a token of scope 'write'.", next="Use such a token.")
    expires_at = None if expires_in_days is None else utcnow() + timedelta(days=expires_in_days)
    own = get_account(write, actor.name)
    return issue_key(write, actor, own, name, scopes, expires_at=expires_at, limits=parse_limits(limits) or None)


def list_keys(read: ReadSession, actor: Actor) -> list[ApiKey]:
    """The actor's keys that were not revoked; a limited one sees itself alone."""
    keys = repository.keys_of(read, actor.account_id)
    return keys if actor.limits is None else [key for key in keys if key.id == actor.key_id]


def own_key(read: ReadSession, actor: Actor) -> ApiKey | None:
    """The key that the actor uses; None for the platform itself."""
    return read.get(ApiKey, actor.key_id) if actor.key_id else None


def revoke_key(write: WriteSession, actor: Actor, key_id: str) -> None:
    """Ends a key of the actor's at once. Raises KeyNotFound."""
    key = write.get(ApiKey, key_id)
    own = key is not None and key.account_id == actor.account_id and actor.limits is None
    if key is None or not (own or key_id == actor.key_id or actor.has_admin_power):
        raise hidden(KeyNotFound, f"key {key_id[:40]}")
    if Scope.WRITE not in actor.scopes:
        raise MissingScope("A key can be revoked only with a token of scope 'write'.", next="Use such a token.")
    key.revoked_at = utcnow()
    record_audit(write, actor, "key.revoke", key.id)


def issue_key(
    write: WriteSession,
    actor: Actor,
    account: Account,
    name: str,
    scopes: frozenset[Scope],
    *,
    expires_at: datetime | None = None,
    limits: Limits | None = None,
) -> NewKey:
    """Makes a key of an account, on the word of a caller who has checked everything."""
    secret = new_secret(_KEY_PREFIX)
    key = ApiKey(
        id=new_id("key"),
        account_id=account.id,
        name=name,
        prefix=secret[:_SHOWN],
        hash=hash_secret(secret),
        scope_names=sorted(scopes),
        limits=limits,
        expires_at=expires_at,
        revoked_at=None,
        created_at=utcnow(),
    )
    write.add(key)
    details = {"account": account.name, "scopes": sorted(scopes)}
    record_audit(
        write, actor, "key.create", key.id, details if limits is None else details | {"limits": written(limits)}
    )
    return NewKey(key, secret)


# -- namespaces and the audit log


def namespace_for(read: ReadSession, actor: Actor, name: str, action: Action = Action.CREATE) -> Account:
    """The account whose namespace it is, if the actor may make repos in it (or may do ``action`` to all that is in it).

    Raises AccountNotFound, Forbidden.
    """
    account = get_account(read, name)
    authorize(actor, action, account)
    return account


def record_audit(
    write: WriteSession, actor: Actor, action: str, subject: str, details: dict[str, Any] | None = None
) -> None:
    """Appends to the audit log, in the transaction of the thing itself. ``action`` reads "repo.create"."""
    write.add(
        AuditEntry(
            id=new_id("aud"),
            at=utcnow(),
            actor_id=actor.account_id,
            actor_name=actor.name,
            key_id=actor.key_id,
            action=action,
            subject=subject[:300],
            details=details or {},
        )
    )


def read_audit(read: ReadSession, actor: Actor, cursor: str | None, limit: int) -> Page[AuditEntry]:
    """The audit log, newest first: an administrator sees all of it, others what they did themselves."""
    own_key = None if actor.limits is None else actor.key_id
    whose = None if actor.has_admin_power else actor.account_id
    return repository.audit_entries(read, whose, cursor, limit, key_id=own_key)
