# Generated from sdk/_async/client.py by scripts/generate_sync_client.py; do not edit.
"""The client: one server, everything it offers, grouped by what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from tholos.sdk._sync.accounts import Keys, Users
from tholos.sdk._sync.algorithms import AlgorithmRepo, Algorithms
from tholos.sdk._sync.datasets import Dataset, Datasets
from tholos.sdk._sync.deployments import Deployments
from tholos.sdk._sync.evaluations import Evaluations
from tholos.sdk._sync.jobs import Job, Jobs
from tholos.sdk._sync.mirrors import Mirrors
from tholos.sdk._sync.models import Model, Models
from tholos.sdk._sync.repos import RepoHandle, Repos
from tholos.sdk._sync.scans import Scans
from tholos.sdk._sync.search import Searching
from tholos.sdk._sync.sharing import Organizations
from tholos.sdk._sync.store import Store
from tholos.sdk._sync.transport import Transport
from tholos.sdk._sync.webhooks import Webhooks
from tholos.sdk.credentials import find_server
from tholos.sdk.references import Kind, Reference
from tholos.sdk.results import Identity, JobRecord, Lineage, Usage
from tholos.sdk.retries import RetryPolicy


class Client:
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
        http_transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.transport = Transport(
            find_server(url, token),
            retry=retry or RetryPolicy(),
            timeout_s=timeout,
            connections=connections,
            http_transport=http_transport,
        )
        self.repos = Repos(self)
        self.models = Models(self)
        self.datasets = Datasets(self)
        self.jobs = Jobs(self.transport)
        self.deployments = Deployments(self)
        self.evaluations = Evaluations(self)
        self.algorithms = Algorithms(self)
        self.search = Searching(self.transport)
        self.scans = Scans(self)
        self.keys = Keys(self.transport)
        self.mirrors = Mirrors(self)
        self.users = Users(self.transport)
        self.organizations = Organizations(self.transport)
        self.webhooks = Webhooks(self.transport)
        self.store = Store(self.transport)
        self._own_name: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self.transport.close()

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self.transport.server.url

    def whoami(self) -> Identity:
        """The account behind the token."""
        return Identity.of(self.transport.call("GET", "/api/v1/whoami"))

    def usage(self) -> Usage:
        """How much the whole server stores; for administrators."""
        return Usage.of(self.transport.call("GET", "/api/v1/usage"))

    def full_name(self, name: str) -> str:
        """``name`` with its namespace: a name without one is in your own."""
        if "/" in name:
            return name
        if self._own_name is None:
            self._own_name = (self.whoami()).name
        return f"{self._own_name}/{name}"

    def model(self, name: str, *, revision: str | None = None) -> Model:
        """A model by name (``ns/name`` or ``ns/name@rev``); asks nothing of the server yet."""
        return Model(name, revision=revision, client=self)

    def dataset(self, name: str, *, revision: str | None = None) -> Dataset:
        """A dataset by name (``ns/name`` or ``ns/name@rev``); asks nothing of the server yet."""
        return Dataset(name, revision=revision, client=self)

    def algorithm(self, name: str, *, revision: str | None = None) -> AlgorithmRepo:
        """An algorithm repo by name (``ns/name`` or ``ns/name@rev``); asks nothing of the server yet."""
        return AlgorithmRepo(name, revision=revision, client=self)

    def repo(self, kind: Kind, name: str) -> RepoHandle:
        """A repo by kind and name; asks nothing of the server yet."""
        if kind == "algorithm":
            return self.algorithm(name)
        return self.model(name) if kind == "model" else self.dataset(name)

    def train(
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
    ) -> Job:
        """Trains a model ``name`` (by default the dataset's; created if absent) on a dataset (``ns/name[@rev]``).

        ``algorithm`` is one of the catalogue (see ``client.algorithms.list()``) or an algorithm repo (``ns/name@rev``),
        with its ``params``, or "auto", which tries a portfolio for ``budget_s`` seconds and keeps a leaderboard.
        ``target`` is the column to predict; ``features`` by default all others; ``split`` by default "train" where the
        dataset is split. ``validation`` is the share of rows held out to score (or score by so many ``folds``). What is
        left out is told from the data or has a default; the same seed gives the same model.
        """
        data = Reference.parse(dataset)
        body = {
            "dataset": self.full_name(data.name),
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
            "name": self.full_name(name or data.name.rpartition("/")[2]),
            "task": task,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return Job(self.transport, JobRecord.of(self.transport.call("POST", "/api/v1/train", body=given)))

    def lineage(self, subject: str, *, depth: int | None = None) -> Lineage:
        """The graph around a subject, both ways: what it was made from, and what was made from it.

        ``subject`` is ``model:ns/name``, ``dataset:ns/name``, ``algorithm:ns/name`` (also with ``@rev``) or
        ``deployment:ns/name``; a plain ``ns/name`` is a model's.
        """
        kind, separator, rest = subject.partition(":")
        reference = Reference.parse(rest if separator else subject)
        full = Reference(self.full_name(reference.name), reference.revision)
        query = {"of": f"{kind if separator else 'model'}:{full}", "depth": depth}
        return Lineage.of(self.transport.call("GET", "/api/v1/lineage", query=query))
