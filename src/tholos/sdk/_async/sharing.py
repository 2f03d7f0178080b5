"""Sharing: organizations with their members, and the collaborators of a repo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tholos.sdk.references import repo_path, segment
from tholos.sdk.results import Organization, Share

if TYPE_CHECKING:
    from tholos.sdk._async.repos import AsyncRepoHandle
    from tholos.sdk._async.transport import AsyncTransport

_PATH = "/api/v1/organizations"


class AsyncOrganizations:
    """Organizations: accounts that belong to their members."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, name: str, *, full_name: str = "") -> Organization:
        """Makes an organization; you are its first admin."""
        body = {"name": name, "full_name": full_name}
        return Organization.of(await self._transport.call("POST", _PATH, body=body))

    async def members(self, name: str) -> list[Share]:
        """Who belongs to an organization. Its members only."""
        answer = await self._transport.call("GET", f"{_PATH}/{segment(name)}/members")
        return [Share.of(item) for item in answer["items"]]

    async def list(self, *, limit: int | None = None) -> list[Organization]:
        """The organizations that you belong to; an administrator sees all."""
        return [Organization.of(item) for item in await self._transport.pages(_PATH, limit=limit)]

    async def get(self, name: str) -> Organization:
        """One organization. Raises NotFound."""
        return Organization.of(await self._transport.call("GET", f"{_PATH}/{segment(name)}"))

    async def update(self, name: str, *, full_name: str) -> Organization:
        """Changes what an organization calls itself. Its admins only."""
        path = f"{_PATH}/{segment(name)}"
        return Organization.of(await self._transport.call("PATCH", path, body={"full_name": full_name}))

    async def delete(self, name: str) -> None:
        """Deletes an organization that owns nothing. Its admins only."""
        await self._transport.call("DELETE", f"{_PATH}/{segment(name)}")

    async def set_member(self, name: str, user: str, role: str = "read") -> Share:
        """Adds a member ("read", "contributor", "write" or "admin"), or gives one another role. Its admins only."""
        path = f"{_PATH}/{segment(name)}/members/{segment(user)}"
        return Share.of(await self._transport.call("PUT", path, body={"role": role}))

    async def remove_member(self, name: str, user: str) -> None:
        """Takes a member out: an organization's admins anyone, everyone themselves."""
        await self._transport.call("DELETE", f"{_PATH}/{segment(name)}/members/{segment(user)}")


class AsyncCollaborators:
    """Who works on one repo besides its owner; for those who administer it."""

    def __init__(self, transport: AsyncTransport, repo: AsyncRepoHandle) -> None:
        self._transport = transport
        self._repo = repo

    async def _path(self) -> str:
        name = await self._repo.name()
        return f"{repo_path(self._repo.kind, name)}/collaborators"

    async def list(self) -> list[Share]:
        """All collaborators, by name."""
        answer: dict[str, Any] = await self._transport.call("GET", await self._path())
        return [Share.of(item) for item in answer["items"]]

    async def set(self, user: str, role: str = "reader") -> Share:
        """Gives a user a role ("reader", "writer" or "admin"), or another one."""
        path = f"{await self._path()}/{segment(user)}"
        return Share.of(await self._transport.call("PUT", path, body={"role": role}))

    async def remove(self, user: str) -> None:
        """Takes a user's role back; everyone may give up their own."""
        await self._transport.call("DELETE", f"{await self._path()}/{segment(user)}")
