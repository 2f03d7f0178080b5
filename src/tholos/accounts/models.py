"""Tables: accounts, API keys, web sessions, the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Enum, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tholos.accounts.authorization import OrganizationRole, Role, Scope, Visibility
from tholos.accounts.errors import AccountNotFound
from tholos.accounts.limits import Limits
from tholos.kit.database import Base, Json, UtcDateTime
from tholos.kit.errors import NotFound

AccountKind = Literal["user", "organization"]


class Account(Base):
    """A user or an organization, owner of a namespace. As a Resource it stands for the namespace and all that is in it.

    Nobody signs in as an organization: its members act for it.
    """

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(96))
    name_key: Mapped[str] = mapped_column(String(96), unique=True)
    """The name in lower case: names that differ only in case are one name."""
    kind: Mapped[AccountKind] = mapped_column(String(16), default="user")
    full_name: Mapped[str] = mapped_column(String(200), default="")
    """What an organization calls itself; empty: as its name."""
    is_admin: Mapped[bool]
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def owner_id(self) -> str:
        return self.id

    @property
    def visibility(self) -> Visibility:
        return "public"

    @property
    def grants(self) -> Mapping[str, Role]:
        return {}

    @property
    def label(self) -> str:
        return f"namespace {self.name}"

    @property
    def not_found(self) -> type[NotFound]:
        return AccountNotFound

    @property
    def covered_by(self) -> tuple[str, ...]:
        return (f"{self.name_key}/*",)


class Membership(Base):
    """A user belongs to an organization."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_account_id", "account_id"),)  # every sign-in asks for a user's

    organization_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[OrganizationRole] = mapped_column(
        Enum(
            OrganizationRole, native_enum=False, length=16, values_callable=lambda roles: [role.value for role in roles]
        )
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """A bearer token of an account. Only its hash is kept; the prefix lets people recognise it."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_account_id", "account_id"),)  # a user's page lists their keys

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(String(96))
    prefix: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scope_names: Mapped[list[str]] = mapped_column(Json)
    limits: Mapped[Limits | None] = mapped_column(Json)
    """The repos and namespaces that it reaches (`tholos.accounts.limits`); None: all of its account's."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def scopes(self) -> frozenset[Scope]:
        return frozenset(Scope(name) for name in self.scope_names)


class WebSession(Base):
    """A signed-in browser. The cookie's value is a secret of which only the hash is kept."""

    __tablename__ = "web_sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    """The key it was opened with: revoking the key ends the session."""
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeviceLogin(Base):
    """A program that waits for somebody to let it in (RFC 8628). It goes when the program has its key, or is too late.

    The key is made when the program comes for it, so that no secret waits here.
    """

    __tablename__ = "device_logins"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the device code, which only the program knows."""
    user_code: Mapped[str] = mapped_column(String(16), unique=True)
    """What a person types who is signed in; by itself it opens nothing."""
    client: Mapped[str] = mapped_column(String(96))
    """What the program calls itself: nothing vouches for it."""
    state: Mapped[Literal["waiting", "approved", "denied"]] = mapped_column(String(16))
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    """Who let it in."""
    scope_names: Mapped[list[str]] = mapped_column(Json)
    """What the key may do that it gets."""
    interval_s: Mapped[int]
    """Seconds that the program leaves between two questions."""
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditEntry(Base):
    """One thing that someone did. Append-only: the database itself refuses to change or remove a row."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_actor_id", "actor_id", "id"),)  # a user reads their own entries, newest first

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_id: Mapped[str] = mapped_column(String(40))
    actor_name: Mapped[str] = mapped_column(String(96))
    key_id: Mapped[str | None] = mapped_column(String(40))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(300))
    details: Mapped[dict[str, Any]] = mapped_column(Json)


AccountState = Literal["active", "disabled"]


class ReservedName(Base):
    """A name that no account may take, because repos of another hub are kept here under it."""

    __tablename__ = "reserved_names"

    name_key: Mapped[str] = mapped_column(String(96), primary_key=True)
