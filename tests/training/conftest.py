"""Datasets of ada's in a real hub, and training jobs run as their child process runs them."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.data import view
from tholos.data.splits import Method, SplitSpec, split
from tholos.data.stored_splits import files_of
from tholos.hub import service as hub
from tholos.jobs.context import JobContext
from tholos.jobs.messages import Channel
from tholos.jobs.models import Job
from tholos.kit.services import Services
from tholos.training.work import train

sys.path.insert(0, str(Path(__file__).parent))  # the tests share `training_samples`

from training_samples import penguins


@pytest.fixture
def database_kind() -> str:
    """Training's own queries are none; hub and jobs are tested on both databases by their rooms."""
    return "sqlite"


class Workshop:
    """What ada has, and what she does with it."""

    def __init__(self, services: Services, owner: Actor, folder: Path) -> None:
        self.services = services
        self.owner = owner
        self._folder = folder
        self._runs = 0

    def dataset(self, name: str, table: pa.Table, *, test: float | None = 0.25) -> hub.Revision:
        """Push a table as CSV, its view made, and split it into train and test."""
        buffer = io.BytesIO()
        pa_csv.write_csv(table, buffer)
        revision = self.commit(hub.RepoKind.DATASET, name, hub.AddBytes("rows.csv", buffer.getvalue()))
        repo = self.repo(hub.RepoKind.DATASET, name)
        ready = view.ensure(self.services, repo, revision)
        if test is None:
            return revision
        spec = SplitSpec({"train": 1 - test, "test": test}, Method.RANDOM)
        made = split(view.load(self.services, repo, revision), spec)
        child = self.commit(hub.RepoKind.DATASET, name, *files_of("default", spec, made, ready.fingerprint))
        view.ensure(self.services, repo, child)
        return child

    def commit(self, kind: hub.RepoKind, name: str, *operations: hub.Operation) -> hub.Revision:
        database, blobs = self.services.database, self.services.blobs
        repo = hub.ensure_repo(database, blobs, self.owner, kind, name)
        return hub.commit(database, blobs, self.owner, repo, operations, "Change")

    def repo(self, kind: hub.RepoKind, name: str) -> hub.Repo:
        with self.services.database.read() as read:
            return hub.get_repo(read, self.owner, kind, name)

    def files(self, name: str, revision: str = hub.MAIN) -> dict[str, bytes]:
        """The files of a model revision, but for .gitattributes."""
        with self.services.database.read() as read:
            repo, found = hub.resolve(read, self.owner, hub.RepoKind.MODEL, name, revision)
            entries = hub.tree(read, repo, found.commit_id, recursive=True)
        return {
            entry.path: self.services.blobs.path(entry.sha256).read_bytes()
            for entry in entries
            if entry.sha256 and entry.path != ".gitattributes"
        }

    def run(self, job: Job) -> dict[str, Any]:
        """Do what the job's child process does, in this one; returns the job's result."""
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
                payload=json.loads(json.dumps(job.payload)),
                channel=Channel(theirs),
            )
            publish = train(context)
            with self.services.database.write() as write:
                return publish(write)


@pytest.fixture
def workshop(services: Services, ada: Actor, tmp_path: Path) -> Workshop:
    """Ada's workshop with the dataset ada/penguins, split into train and test."""
    made = Workshop(services, ada, tmp_path)
    made.dataset("ada/penguins", penguins())
    return made


@pytest.fixture
def client(anyone: TestClient) -> TestClient:
    """The application, asked by nobody in particular."""
    return anyone


@pytest.fixture
def as_ada(client: TestClient, ada_token: str) -> TestClient:
    return TestClient(client.app, raise_server_exceptions=False, headers={"authorization": f"Bearer {ada_token}"})


@pytest.fixture
def as_bob(client: TestClient, bob_token: str) -> TestClient:
    return TestClient(client.app, raise_server_exceptions=False, headers={"authorization": f"Bearer {bob_token}"})
