"""Access to gated repos: asking for it, and answering those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tholos.sdk.references import Kind, repo_path, segment
from tholos.sdk.results import Access, AccessRequest

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient

State = Literal["pending", "accepted", "rejected"]


class AsyncRepoAccess:
    """Who may have the files of one repo."""

    def __init__(self, client: AsyncClient, kind: Kind, name: str) -> None:
        self._client = client
        self._kind: Kind = kind
        self._name = name

    async def show(self) -> Access:
        """How you stand to the repo's files, and what its card asks of who wants them."""
        return Access.of(await self._client.transport.call("GET", await self._path()))

    async def request(self, fields: Mapping[str, Any] | None = None) -> AccessRequest:
        """Asks for the files of a gated repo; ``fields`` answers the card's questions, by their labels.

        The answer's ``state`` is "accepted" where the gate is automatic, else "pending".
        """
        body = {"fields": dict(fields or {})}
        return AccessRequest.of(await self._client.transport.call("POST", await self._path(), body=body))

    async def withdraw(self) -> None:
        """Takes your request back, or gives up the access that came of it."""
        await self._client.transport.call("DELETE", await self._path())

    async def requests(self, state: State | None = None, *, limit: int | None = None) -> list[AccessRequest]:
        """Who asked for the files of your repo, oldest first."""
        path = f"{await self._path()}/requests"
        items = await self._client.transport.pages(path, {"state": state}, limit)
        return [AccessRequest.of(item) for item in items]

    async def accept(self, user: str) -> AccessRequest:
        """Gives an account the repo's files, whether it has asked or not."""
        return await self._decide(user, "accepted", "")

    async def reject(self, user: str, reason: str = "") -> AccessRequest:
        """Rejects an account's request, or takes away what was accepted."""
        return await self._decide(user, "rejected", reason)

    async def cancel(self, user: str) -> AccessRequest:
        """Sets an account's request back to pending."""
        return await self._decide(user, "pending", "")

    async def _decide(self, user: str, state: State, reason: str) -> AccessRequest:
        path = f"{await self._path()}/requests/{segment(user)}"
        body = {"state": state, "reason": reason}
        return AccessRequest.of(await self._client.transport.call("PUT", path, body=body))

    async def _path(self) -> str:
        name = await self._client.full_name(self._name)
        return f"{repo_path(self._kind, name)}/access"
