"""Wire shapes of accounts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, Field

from tholos.accounts.authorization import Actor, OrganizationRole, Scope
from tholos.accounts.limits import MAX_LIMITS, Limits, written
from tholos.accounts.models import Account, AccountState, ApiKey, AuditEntry
from tholos.accounts.service import NewKey
from tholos.kit.clock import isoformat


class Belonging(BaseModel):
    """An organization that one belongs to."""

    name: str
    role: OrganizationRole


class WhoAmI(BaseModel):
    """The account behind a token."""

    name: str
    is_admin: bool
    scopes: list[Scope]
    limits: list[str] | None = Field(
        description='All that the token reaches ("acme/*:read"); null: nothing is left out.'
    )
    organizations: list[Belonging]

    @classmethod
    def of(
        cls, actor: Actor, limits: Limits | None, organizations: Iterable[tuple[Account, OrganizationRole]]
    ) -> WhoAmI:
        return cls(
            name=actor.name,
            is_admin=actor.is_admin,
            scopes=sorted(actor.scopes),
            limits=None if limits is None else written(limits),
            organizations=[Belonging(name=account.name, role=role) for account, role in organizations],
        )


class User(BaseModel):
    """A user."""

    name: str
    is_admin: bool
    state: AccountState
    created_at: str

    @classmethod
    def of(cls, account: Account) -> User:
        return cls(
            name=account.name,
            is_admin=account.is_admin,
            state="disabled" if account.disabled_at else "active",
            created_at=isoformat(account.created_at),
        )


class Key(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    limits: list[str] | None = Field(description="All that it reaches; null: nothing is left out.")
    expires_at: str | None
    created_at: str

    @classmethod
    def of(cls, key: ApiKey) -> Key:
        return cls(**_key_fields(key))


class CreatedKey(Key):
    """An API key with its secret: shown this once."""

    secret: str

    @classmethod
    def of_new(cls, new: NewKey) -> CreatedKey:
        return cls(**_key_fields(new.key), secret=new.secret)


class CreatedUser(User):
    """A new user with the secret of their first key: shown this once."""

    secret: str

    @classmethod
    def of_new(cls, account: Account, new: NewKey) -> CreatedUser:
        return cls(**User.of(account).model_dump(), secret=new.secret)


class Audit(BaseModel):
    """One entry of the audit log."""

    id: str
    at: str
    actor: str
    key_id: str | None
    action: str
    subject: str
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> Audit:
        return cls(
            id=entry.id,
            at=isoformat(entry.at),
            actor=entry.actor_name,
            key_id=entry.key_id,
            action=entry.action,
            subject=entry.subject,
            details=entry.details,
        )


class UserPage(BaseModel):
    items: list[User]
    next_cursor: str | None


class KeyPage(BaseModel):
    items: list[Key]
    next_cursor: str | None


class AuditPage(BaseModel):
    items: list[Audit]
    next_cursor: str | None


class CreateUser(BaseModel, extra="forbid"):
    """A new user."""

    name: str = Field(examples=["ada"])
    is_admin: bool = False


class UpdateUser(BaseModel, extra="forbid"):
    """What to change about a user; what is left out stays."""

    disabled: bool | None = None
    is_admin: bool | None = None


class CreateKey(BaseModel, extra="forbid"):
    """A new key for your own account."""

    name: Annotated[str, Field(min_length=1, max_length=96)] = "key"
    scopes: Annotated[list[Scope], Field(min_length=1)] = [Scope.READ, Scope.WRITE, Scope.PREDICT]
    expires_in_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    limits: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=MAX_LIMITS)] = Field(
        default=[],
        description="All that it may reach, each as `namespace/name:read`, `namespace/name:write`, or with `*` as the "
        "name. Empty: everything its account may.",
        examples=[["ada/penguins:read", "acme/*:write"]],
    )


def _key_fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "limits": None if key.limits is None else written(key.limits),
        "expires_at": isoformat(key.expires_at) if key.expires_at else None,
        "created_at": isoformat(key.created_at),
    }
