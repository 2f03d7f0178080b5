"""HTTP of accounts."""

from __future__ import annotations

from fastapi import APIRouter

from tholos.accounts import errors, organizations, service
from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, Read
from tholos.accounts.schemas import (
    Audit,
    AuditPage,
    CreatedKey,
    CreatedUser,
    CreateKey,
    CreateUser,
    Key,
    KeyPage,
    UpdateUser,
    User,
    UserPage,
    WhoAmI,
)
from tholos.kit.errors import Forbidden, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["accounts"])


@router.get("/whoami")
def whoami(actor: CurrentActor, read: Read) -> WhoAmI:
    """The account behind the token, and what the token is limited to."""
    key = service.own_key(read, actor)
    return WhoAmI.of(actor, key.limits if key else None, organizations.of_user(read, actor, actor.account_id))


@router.post(
    "/users",
    status_code=201,
    responses=responses([errors.InvalidName, errors.NameReserved, errors.NameTaken, Forbidden]),
)
def create_user(body: CreateUser, actor: CurrentActor, services: ServicesDep) -> CreatedUser:
    """Makes a user; the answer holds the secret of their first key. Administrators only."""
    with services.database.write() as write:
        account, key = service.create_user(write, actor, body.name, is_admin=body.is_admin)
    return CreatedUser.of_new(account, key)


@router.get("/users", responses=responses([Forbidden]))
def list_users(actor: CurrentActor, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> UserPage:
    """Every user. Administrators only."""
    page = service.list_accounts(read, actor, cursor, limit)
    return UserPage(items=[User.of(account) for account in page.items], next_cursor=page.next_cursor)


@router.patch("/users/{name}", responses=responses([errors.AccountNotFound, errors.LastAdministrator, Forbidden]))
def update_user(name: str, body: UpdateUser, actor: CurrentActor, services: ServicesDep) -> User:
    """Disables, enables, promotes or demotes a user. Administrators only."""
    with services.database.write() as write:
        return User.of(service.set_user(write, actor, name, disabled=body.disabled, is_admin=body.is_admin))


@router.post(
    "/keys", status_code=201, responses=responses([errors.MissingScope, errors.TokenLimited, errors.InvalidLimit])
)
def create_key(body: CreateKey, actor: CurrentActor, services: ServicesDep) -> CreatedKey:
    """Makes an API key for your own account; its secret is in this answer and nowhere else."""
    with services.database.write() as write:
        return CreatedKey.of_new(
            service.create_key(write, actor, body.name, frozenset(body.scopes), body.expires_in_days, body.limits)
        )


@router.get("/keys")
def list_keys(actor: CurrentActor, read: Read) -> KeyPage:
    """Your API keys that were not revoked."""
    return KeyPage(items=[Key.of(key) for key in service.list_keys(read, actor)], next_cursor=None)


@router.delete("/keys/{key_id}", status_code=204, responses=responses([errors.KeyNotFound]))
def revoke_key(key_id: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Revokes a key at once."""
    with services.database.write() as write:
        service.revoke_key(write, actor, key_id)


@router.get("/audit")
def read_audit(actor: CurrentActor, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> AuditPage:
    """What was done, newest first: all of it for an administrator, your own deeds otherwise."""
    page = service.read_audit(read, actor, cursor, limit)
    return AuditPage(items=[Audit.of(entry) for entry in page.items], next_cursor=page.next_cursor)
