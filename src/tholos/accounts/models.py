"""Tables: accounts, API keys, web sessions, the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tholos.accounts.authorization import Role, Scope, Visibility
from tholos.accounts.errors import AccountNotFound
from tholos.kit.database import Base, Json, UtcDateTime
from tholos.kit.errors import NotFound


class Account(Base):
    """A user, owner of a namespace. As a Resource it stands for the namespace: who may write it may create in it."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(96))
    name_key: Mapped[str] = mapped_column(String(96), unique=True)
    """The name in lower case: names that differ only in case are one name."""
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
