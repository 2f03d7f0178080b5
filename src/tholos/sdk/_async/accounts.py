"""Accounts: who you are, API keys, users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tholos.sdk.references import segment
from tholos.sdk.results import AccountUsage, Key, User

if TYPE_CHECKING:
    from tholos.sdk._async.transport import AsyncTransport


class AsyncKeys:
    """Your API keys."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        name: str = "key",
        *,
        scopes: Sequence[str] = ("read", "write", "predict"),
        expires_in_days: float | None = None,
        limits: Sequence[str] = (),
    ) -> Key:
        """Makes a key; its ``secret`` is in this answer and nowhere else.

        ``limits`` is all that it may reach ("ada/penguins:read", "acme/*:write"); empty: all that you may.
        """
        body = {"name": name, "scopes": list(scopes), "expires_in_days": expires_in_days, "limits": list(limits)}
        return Key.of(await self._transport.call("POST", "/api/v1/keys", body=body))

    async def list(self) -> list[Key]:
        """Your keys that were not revoked."""
        return [Key.of(item) for item in await self._transport.pages("/api/v1/keys")]

    async def revoke(self, key_id: str) -> None:
        """Revokes a key at once."""
        await self._transport.call("DELETE", f"/api/v1/keys/{segment(key_id)}")


class AsyncUsers:
    """Every user; for administrators."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, name: str, *, is_admin: bool = False) -> User:
        """Makes a user; the ``secret`` of their first key is in this answer and nowhere else."""
        body = {"name": name, "is_admin": is_admin}
        return User.of(await self._transport.call("POST", "/api/v1/users", body=body))

    async def list(self, *, limit: int | None = None) -> list[User]:
        """All users."""
        return [User.of(item) for item in await self._transport.pages("/api/v1/users", limit=limit)]

    async def usage(self, name: str) -> AccountUsage:
        """How much an account stores and may store: your own, or as an administrator anyone's."""
        return AccountUsage.of(await self._transport.call("GET", f"/api/v1/users/{segment(name)}/usage"))

    async def set_quota(self, name: str, *, max_bytes: int | None = None, max_repos: int | None = None) -> AccountUsage:
        """Sets what an account may store: None is as the server's settings say, 0 without limit."""
        body = {"max_bytes": max_bytes, "max_repos": max_repos}
        return AccountUsage.of(await self._transport.call("PUT", f"/api/v1/users/{segment(name)}/quota", body=body))

    async def update(self, name: str, *, disabled: bool | None = None, is_admin: bool | None = None) -> User:
        """Disables, enables, promotes or demotes a user."""
        changes = {"disabled": disabled, "is_admin": is_admin}
        body = {key: value for key, value in changes.items() if value is not None}
        return User.of(await self._transport.call("PATCH", f"/api/v1/users/{segment(name)}", body=body))
