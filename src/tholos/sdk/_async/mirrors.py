"""Mirrors: repos that follow a repo of another hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tholos.sdk._async.jobs import AsyncJob
from tholos.sdk.mirror_results import Mirror
from tholos.sdk.references import segment
from tholos.sdk.results import JobRecord

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient

Kind = Literal["model", "dataset", "algorithm"]


class AsyncMirrors:
    """Repos that follow a repo of another hub."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self) -> list[Mirror]:
        """Mirrors that you may read, by name."""
        answer = await self._client.transport.call("GET", "/api/v1/mirrors")
        return [Mirror.of(item) for item in answer["items"]]

    async def get(self, name: str, *, kind: Kind = "model") -> Mirror:
        """A mirror: what it follows, how far it is. Raises NotFound."""
        return Mirror.of(await self._client.transport.call("GET", await self._path(kind, name)))

    async def start(
        self,
        source: str,
        *,
        url: str = "",
        kind: Kind = "model",
        to: str = "",
        revisions: Sequence[str] = (),
        content: bool = True,
        all_history: bool = False,
        prune: bool = False,
    ) -> AsyncJob:
        """Makes the repo ``to`` (by default of the same name) follow ``source`` of the hub at ``url``.

        ``url`` is by default the server's own upstream. History comes whole; large files of ``revisions`` (by default
        of all branches and tags), of ``all_history``, or without ``content`` each when somebody asks for it.
        """
        body = {
            "kind": kind,
            "source": source,
            "url": url,
            "target": to,
            **_order(revisions, content=content, all_history=all_history, prune=prune),
        }
        return await self._job("/api/v1/mirrors", body)

    async def sync(
        self,
        name: str,
        *,
        kind: Kind = "model",
        revisions: Sequence[str] = (),
        content: bool = True,
        all_history: bool = False,
        prune: bool = False,
    ) -> AsyncJob:
        """Brings a mirror level with its upstream; ``prune`` deletes branches and tags that are gone there."""
        body = _order(revisions, content=content, all_history=all_history, prune=prune)
        return await self._job(await self._path(kind, name), body)

    async def detach(self, name: str, *, kind: Kind = "model") -> None:
        """Lets a mirror be a repo of its own. Large files that were never fetched stay missing."""
        await self._client.transport.call("DELETE", await self._path(kind, name))

    async def _job(self, path: str, body: dict[str, object]) -> AsyncJob:
        record = JobRecord.of(await self._client.transport.call("POST", path, body=body))
        return AsyncJob(self._client.transport, record)

    async def _path(self, kind: Kind, name: str) -> str:
        namespace, _, short = (await self._client.full_name(name)).partition("/")
        return f"/api/v1/{kind}s/{segment(namespace)}/{segment(short)}/mirror"


def _order(revisions: Sequence[str], *, content: bool, all_history: bool, prune: bool) -> dict[str, object]:
    return {"revisions": list(revisions), "content": content, "all_history": all_history, "prune": prune}
