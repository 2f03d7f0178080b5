"""A laboratory: real data and models in a real hub, and evaluations run as their job runs them."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.app import create_app
from tholos.data import view
from tholos.data.splits import Method, SplitSpec, split
from tholos.data.stored_splits import files_of
from tholos.evaluation import service
from tholos.evaluation.work import evaluate
from tholos.hub import service as hub
from tholos.jobs.context import JobContext, Work
from tholos.jobs.messages import Channel
from tholos.jobs.models import Job
from tholos.kit.blobs import LocalBlobStore
from tholos.kit.database import Database
from tholos.kit.services import Services
from tholos.kit.settings import Settings
from tholos.training.model_folder import Source, write_model
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train


class Lab:
    """Makes datasets and models of one owner, and evaluates."""

    def __init__(self, services: Services, owner: Actor, folder: Path) -> None:
        self.services = services
        self.owner = owner
        self._folder = folder
        self._runs = 0

    def dataset(
        self, name: str, rows: list[dict[str, Any]], *, test: float | None = 0.3, **create: Any
    ) -> hub.Revision:
        """A dataset of these rows, split at random into train and test."""
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        revision = self.commit(hub.RepoKind.DATASET, name, [hub.AddBytes("rows.jsonl", lines)], **create)
        if test is None:
            return revision
        repo = self.repo(hub.RepoKind.DATASET, name)
        spec = SplitSpec({"train": 1 - test, "test": test}, Method.RANDOM)
        ready = view.ensure(self.services, repo, revision)
        made = split(view.load(self.services, repo, revision), spec)
        return self.commit(hub.RepoKind.DATASET, name, files_of("default", spec, made, ready.fingerprint))

    def model(
        self, name: str, dataset: str, *, part: str | None = "train", create: Any = None, **request: Any
    ) -> hub.Revision:
        """A model trained on a part of a dataset of the owner."""
        self._runs += 1
        folder = self._folder / f"model-{self._runs}"
        folder.mkdir()
        with self.services.database.read() as read:
            repo, revision = hub.resolve(read, self.owner, hub.RepoKind.DATASET, dataset)
        table = view.load(self.services, repo, revision, split=part)
        source = Source(repo=repo.full_name, revision=revision.commit_id, split=part)
        trained = train(table, TrainingRequest(**request))
        write_model(folder, trained, name=name, source=source)
        added = [hub.AddFile(path.name, path) for path in sorted(folder.iterdir())]
        return self.commit(hub.RepoKind.MODEL, name, added, **(create or {}))

    def commit(self, kind: hub.RepoKind, name: str, operations: list[Any], **create: Any) -> hub.Revision:
        database, blobs = self.services.database, self.services.blobs
        repo = hub.ensure_repo(database, blobs, self.owner, kind, name, **create)
        prepared = hub.prepare_commit(database, blobs, self.owner, repo, operations, "Add files")
        with database.write() as write:
            return hub.land(write, prepared)

    def repo(self, kind: hub.RepoKind, name: str) -> hub.Repo:
        with self.services.database.read() as read:
            return hub.get_repo(read, self.owner, kind, name)

    def start(self, model: str, dataset: str, **options: Any) -> Job:
        return service.start(self.services, self.owner, model=model, dataset=dataset, **options)

    def run(self, job: Job, work: Work = evaluate) -> dict[str, Any]:
        """Does what the job's child process does, in this one; returns the job's result."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            context = JobContext(
                job_id=job.id,
                kind=job.kind,
                attempt=1,
                actor=Actor.system(self.owner.account_id, self.owner.name),
                settings=self.services.settings,
                database=self.services.database,
                blobs=self.services.blobs,
                folder=folder,
                payload=job.payload,
                channel=Channel(theirs),
            )
            publish = work(context)
            with self.services.database.write() as write:
                return publish(write)

    def evaluate(self, model: str, dataset: str, **options: Any) -> service.EvaluationView:
        """Starts an evaluation and runs it."""
        result = self.run(self.start(model, dataset, **options))
        with self.services.database.read() as read:
            return service.get(read, self.owner, result["evaluation"])


Ask = Callable[[str | None], TestClient]


@contextmanager
def asking(services: Services) -> Iterator[Ask]:
    """HTTP clients of the whole application, signed in with a token or not."""
    with TestClient(create_app(services), raise_server_exceptions=False) as client:

        def ask(token: str | None) -> TestClient:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return TestClient(client.app, raise_server_exceptions=False, headers=headers)

        yield ask


def flowers(rows: int = 200, seed: int = 0) -> list[dict[str, Any]]:
    """Three kinds of flower that two lengths tell apart, but for some."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, rows)
    length, width = kinds + rng.normal(scale=0.5, size=rows), 2.0 * kinds + rng.normal(scale=0.8, size=rows)
    return [
        {
            "length": round(float(length[at]), 3),
            "width": round(float(width[at]), 3),
            "place": str(rng.choice(["hill", "shore"])),
            "kind": ("aster", "begonia", "clover")[kinds[at]],
            "price": round(float(3 * length[at] + rng.normal(scale=0.3)), 3),
        }
        for at in range(rows)
    ]


FEATURES = ("length", "width", "place")


@dataclass(frozen=True)
class Garden:
    """A home in which models of flowers were trained and evaluated, and who may do what in it."""

    lab: Lab
    bob: Actor
    ada_token: str
    bob_token: str
    evaluations: dict[str, str]
    """Evaluation id by model: ``ada/kinds`` and ``ada/stumps`` (weak) tell the kind, ``ada/prices`` the price."""

    @property
    def ada(self) -> Actor:
        return self.lab.owner

    @property
    def services(self) -> Services:
        return self.lab.services

    def view(self, model: str) -> service.EvaluationView:
        """The evaluation of a model on the test split of ada/flowers."""
        with self.services.database.read() as read:
            return service.get(read, self.ada, self.evaluations[model])

    def moved(self, home: Path, scratch: Path) -> Garden:
        """The same in a copy of its home."""
        shutil.copytree(self.services.settings.home, home)
        settings = Settings(home=home, port=0)
        services = Services(settings, Database(settings.resolved_database_url), LocalBlobStore(settings.blobs_dir))
        return replace(self, lab=Lab(services, self.ada, scratch))


def plant(lab: Lab, bob: Actor, ada_token: str, bob_token: str) -> Garden:
    lab.dataset("ada/flowers", flowers())
    tree = {"target": "kind", "features": FEATURES, "algorithm": "decision_tree", "validation": 0.0}
    lab.model("ada/kinds", "ada/flowers", **tree)
    lab.model("ada/stumps", "ada/flowers", **tree, params={"max_depth": 1})
    line = {**tree, "target": "price", "algorithm": "linear_regression"}
    lab.model("ada/prices", "ada/flowers", **line)
    models = ("ada/kinds", "ada/stumps", "ada/prices")
    evaluations = {model: lab.evaluate(model, "ada/flowers").evaluation.id for model in models}
    return Garden(lab, bob, ada_token, bob_token, evaluations)
