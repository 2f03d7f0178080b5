# Generated from sdk/_async/mirrors.py by scripts/generate_sync_client.py; do not edit.
"""Mirrors: repos that follow a repo of another hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tholos.sdk._sync.jobs import Job
from tholos.sdk.mirror_results import Mirror
from tholos.sdk.references import segment
from tholos.sdk.results import JobRecord

if TYPE_CHECKING:
    from tholos.sdk._sync.client import Client

Kind = Literal["model", "dataset", "algorithm"]


class Mirrors:
    """Repos that follow a repo of another hub."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> list[Mirror]:
        """Mirrors that you may read, by name."""
        answer = self._client.transport.call("GET", "/api/v1/mirrors")
        return [Mirror.of(item) for item in answer["items"]]

    def get(self, name: str, *, kind: Kind = "model") -> Mirror:
        """A mirror: what it follows, how far it is. Raises NotFound."""
        return Mirror.of(self._client.transport.call("GET", self._path(kind, name)))

    def start(
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
    ) -> Job:
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
        return self._job("/api/v1/mirrors", body)

    def sync(
        self,
        name: str,
        *,
        kind: Kind = "model",
        revisions: Sequence[str] = (),
        content: bool = True,
        all_history: bool = False,
        prune: bool = False,
    ) -> Job:
        """Brings a mirror level with its upstream; ``prune`` deletes branches and tags that are gone there."""
        body = _order(revisions, content=content, all_history=all_history, prune=prune)
        return self._job(self._path(kind, name), body)

    def detach(self, name: str, *, kind: Kind = "model") -> None:
        """Lets a mirror be a repo of its own. Large files that were never fetched stay missing."""
        self._client.transport.call("DELETE", self._path(kind, name))

    def _job(self, path: str, body: dict[str, object]) -> Job:
        record = JobRecord.of(self._client.transport.call("POST", path, body=body))
        return Job(self._client.transport, record)

    def _path(self, kind: Kind, name: str) -> str:
        namespace, _, short = (self._client.full_name(name)).partition("/")
        return f"/api/v1/{kind}s/{segment(namespace)}/{segment(short)}/mirror"


def _order(revisions: Sequence[str], *, content: bool, all_history: bool, prune: bool) -> dict[str, object]:
    return {"revisions": list(revisions), "content": content, "all_history": all_history, "prune": prune}
