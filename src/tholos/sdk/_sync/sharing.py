# Generated from sdk/_async/sharing.py by scripts/generate_sync_client.py; do not edit.
"""Sharing: organizations with their members, and the collaborators of a repo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tholos.sdk.references import repo_path, segment
from tholos.sdk.results import Organization, Share

if TYPE_CHECKING:
    from tholos.sdk._sync.repos import RepoHandle
    from tholos.sdk._sync.transport import Transport

_PATH = "/api/v1/organizations"


class Organizations:
    """Organizations: accounts that belong to their members."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, name: str, *, full_name: str = "") -> Organization:
        """Makes an organization; you are its first admin."""
        body = {"name": name, "full_name": full_name}
        return Organization.of(self._transport.call("POST", _PATH, body=body))

    def members(self, name: str) -> list[Share]:
        """Who belongs to an organization. Its members only."""
        answer = self._transport.call("GET", f"{_PATH}/{segment(name)}/members")
        return [Share.of(item) for item in answer["items"]]

    def list(self, *, limit: int | None = None) -> list[Organization]:
        """The organizations that you belong to; an administrator sees all."""
        return [Organization.of(item) for item in self._transport.pages(_PATH, limit=limit)]

    def get(self, name: str) -> Organization:
        """One organization. Raises NotFound."""
        return Organization.of(self._transport.call("GET", f"{_PATH}/{segment(name)}"))

    def update(self, name: str, *, full_name: str) -> Organization:
        """Changes what an organization calls itself. Its admins only."""
        path = f"{_PATH}/{segment(name)}"
        return Organization.of(self._transport.call("PATCH", path, body={"full_name": full_name}))

    def delete(self, name: str) -> None:
        """Deletes an organization that owns nothing. Its admins only."""
        self._transport.call("DELETE", f"{_PATH}/{segment(name)}")

    def set_member(self, name: str, user: str, role: str = "read") -> Share:
        """Adds a member ("read", "contributor", "write" or "admin"), or gives one another role. Its admins only."""
        path = f"{_PATH}/{segment(name)}/members/{segment(user)}"
        return Share.of(self._transport.call("PUT", path, body={"role": role}))

    def remove_member(self, name: str, user: str) -> None:
        """Takes a member out: an organization's admins anyone, everyone themselves."""
        self._transport.call("DELETE", f"{_PATH}/{segment(name)}/members/{segment(user)}")


class Collaborators:
    """Who works on one repo besides its owner; for those who administer it."""

    def __init__(self, transport: Transport, repo: RepoHandle) -> None:
        self._transport = transport
        self._repo = repo

    def _path(self) -> str:
        name = self._repo.name()
        return f"{repo_path(self._repo.kind, name)}/collaborators"

    def list(self) -> list[Share]:
        """All collaborators, by name."""
        answer: dict[str, Any] = self._transport.call("GET", self._path())
        return [Share.of(item) for item in answer["items"]]

    def set(self, user: str, role: str = "reader") -> Share:
        """Gives a user a role ("reader", "writer" or "admin"), or another one."""
        path = f"{self._path()}/{segment(user)}"
        return Share.of(self._transport.call("PUT", path, body={"role": role}))

    def remove(self, user: str) -> None:
        """Takes a user's role back; everyone may give up their own."""
        self._transport.call("DELETE", f"{self._path()}/{segment(user)}")
