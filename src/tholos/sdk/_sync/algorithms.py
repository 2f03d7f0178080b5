# Generated from sdk/_async/algorithms.py by scripts/generate_sync_client.py; do not edit.
"""Algorithms: the catalogue of what can be trained, and repos in which accounts share their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tholos.sdk._sync.repos import RepoHandle, Repos
from tholos.sdk.references import Kind
from tholos.sdk.results import Algorithm, Repo

if TYPE_CHECKING:
    from tholos.sdk._sync.client import Client


class AlgorithmRepo(RepoHandle):
    """An algorithm repo: ``client.algorithm("ns/centroid").push("./centroid")``."""

    kind: ClassVar[Kind] = "algorithm"

    def description(self) -> Algorithm:
        """What its algorithm.yaml says at this handle's revision: tasks, and parameters with their bounds."""
        query = {"revision": self.revision}
        return Algorithm.of(self._transport.call("GET", f"{self._path()}/description", query=query))


class Algorithms:
    """The catalogue of what can be trained, and the algorithm repos that you may see."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def repos(self, *, search: str | None = None, owner: str | None = None, limit: int | None = None) -> Sequence[Repo]:
        """Algorithm repos whose name holds ``search``, newest first."""
        return Repos(self._client, "algorithm").list(search=search, owner=owner, limit=limit)

    def list(self, *, task: str | None = None) -> list[Algorithm]:
        """Every algorithm of the catalogue with its parameters, bounds and meanings; those for one task if given."""
        answer = self._client.transport.call("GET", "/api/v1/algorithms", query={"task": task})
        return [Algorithm.of(item) for item in answer["items"]]
