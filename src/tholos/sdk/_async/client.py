"""The client: one server, everything it offers, grouped by what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from tholos.sdk._async.accounts import AsyncKeys, AsyncUsers
from tholos.sdk._async.algorithms import AsyncAlgorithmRepo, AsyncAlgorithms
from tholos.sdk._async.datasets import AsyncDataset, AsyncDatasets
from tholos.sdk._async.deployments import AsyncDeployments
from tholos.sdk._async.evaluations import AsyncEvaluations
from tholos.sdk._async.jobs import AsyncJob, AsyncJobs
from tholos.sdk._async.mirrors import AsyncMirrors
from tholos.sdk._async.models import AsyncModel, AsyncModels
from tholos.sdk._async.repos import AsyncRepoHandle, AsyncRepos
from tholos.sdk._async.scans import AsyncScans
from tholos.sdk._async.search import AsyncSearching
from tholos.sdk._async.sharing import AsyncOrganizations
from tholos.sdk._async.store import AsyncStore
from tholos.sdk._async.transport import AsyncTransport
from tholos.sdk._async.webhooks import AsyncWebhooks
from tholos.sdk.credentials import find_server
from tholos.sdk.references import Kind, Reference
from tholos.sdk.results import Identity, JobRecord, Lineage, Usage
from tholos.sdk.retries import RetryPolicy


class AsyncClient:
    """A Tholos server.

    ``url`` and ``token`` default to ``THOLOS_URL`` and ``THOLOS_TOKEN``, then to what `tholos login` saved, then to the
    server running on this machine. A token is only sent to the server it belongs to. May be shared among tasks (among
    threads, in the synchronous version); close it, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 120.0,
        retry: RetryPolicy | None = None,
        connections: int = 16,
        http_transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.transport = AsyncTransport(
            find_server(url, token),
            retry=retry or RetryPolicy(),
            timeout_s=timeout,
            connections=connections,
            http_transport=http_transport,
        )
        self.repos = AsyncRepos(self)
        self.models = AsyncModels(self)
        self.datasets = AsyncDatasets(self)
        self.jobs = AsyncJobs(self.transport)
        self.deployments = AsyncDeployments(self)
        self.evaluations = AsyncEvaluations(self)
        self.algorithms = AsyncAlgorithms(self)
        self.search = AsyncSearching(self.transport)
        self.scans = AsyncScans(self)
        self.keys = AsyncKeys(self.transport)
        self.mirrors = AsyncMirrors(self)
        self.users = AsyncUsers(self.transport)
        self.organizations = AsyncOrganizations(self.transport)
        self.webhooks = AsyncWebhooks(self.transport)
        self.store = AsyncStore(self.transport)
        self._own_name: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self.transport.close()

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self.transport.server.url

    async def whoami(self) -> Identity:
        """The account behind the token."""
        return Identity.of(await self.transport.call("GET", "/api/v1/whoami"))

    async def usage(self) -> Usage:
        """How much the whole server stores; for administrators."""
        return Usage.of(await self.transport.call("GET", "/api/v1/usage"))

    async def full_name(self, name: str) -> str:
        """``name`` with its namespace: a name without one is in your own."""
        if "/" in name:
            return name
        if self._own_name is None:
            self._own_name = (await self.whoami()).name
        return f"{self._own_name}/{name}"

    def model(self, name: str, *, revision: str | None = None) -> AsyncModel:
        """A model by name (``ns/name`` or ``ns/name@rev``); asks nothing of the server yet."""
        return AsyncModel(name, revision=revision, client=self)

    def dataset(self, name: str, *, revision: str | None = None) -> AsyncDataset:
        """A dataset by name (``ns/name`` or ``ns/name@rev``); asks nothing of the server yet."""
        return AsyncDataset(name, revision=revision, client=self)

    def algorithm(self, name: str, *, revision: str | None = None) -> AsyncAlgorithmRepo:
        """An algorithm repo by name (``ns/name`` or ``ns/name@rev``); asks nothing of the server yet."""
        return AsyncAlgorithmRepo(name, revision=revision, client=self)

    def repo(self, kind: Kind, name: str) -> AsyncRepoHandle:
        """A repo by kind and name; asks nothing of the server yet."""
        if kind == "algorithm":
            return self.algorithm(name)
        return self.model(name) if kind == "model" else self.dataset(name)

    async def train(
        self,
        dataset: str,
        name: str | None = None,
        *,
        algorithm: str = "auto",
        target: str | None = None,
        features: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        split: str | None = None,
        task: str | None = None,
        budget_s: float | None = None,
        validation: float | None = None,
        folds: int | None = None,
        max_categories: int | None = None,
        max_image_side: int | None = None,
        seed: int = 0,
    ) -> AsyncJob:
        """Trains a model ``name`` (by default the dataset's; created if absent) on a dataset (``ns/name[@rev]``).

        ``algorithm`` is one of the catalogue (see ``client.algorithms.list()``) or an algorithm repo (``ns/name@rev``),
        with its ``params``, or "auto", which tries a portfolio for ``budget_s`` seconds and keeps a leaderboard.
        ``target`` is the column to predict; ``features`` by default all others; ``split`` by default "train" where the
        dataset is split. ``validation`` is the share of rows held out to score (or score by so many ``folds``). What is
        left out is told from the data or has a default; the same seed gives the same model.
        """
        data = Reference.parse(dataset)
        body = {
            "dataset": await self.full_name(data.name),
            "revision": data.revision,
            "split": split,
            "target": target,
            "features": list(features) if features is not None else None,
            "algorithm": algorithm,
            "params": dict(params or {}),
            "budget_s": budget_s,
            "validation": validation,
            "folds": folds,
            "max_categories": max_categories,
            "max_image_side": max_image_side,
            "seed": seed,
            "name": await self.full_name(name or data.name.rpartition("/")[2]),
            "task": task,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return AsyncJob(self.transport, JobRecord.of(await self.transport.call("POST", "/api/v1/train", body=given)))

    async def lineage(self, subject: str, *, depth: int | None = None) -> Lineage:
        """The graph around a subject, both ways: what it was made from, and what was made from it.

        ``subject`` is ``model:ns/name``, ``dataset:ns/name``, ``algorithm:ns/name`` (also with ``@rev``) or
        ``deployment:ns/name``; a plain ``ns/name`` is a model's.
        """
        kind, separator, rest = subject.partition(":")
        reference = Reference.parse(rest if separator else subject)
        full = Reference(await self.full_name(reference.name), reference.revision)
        query = {"of": f"{kind if separator else 'model'}:{full}", "depth": depth}
        return Lineage.of(await self.transport.call("GET", "/api/v1/lineage", query=query))
