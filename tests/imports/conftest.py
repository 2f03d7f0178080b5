"""Ada's hub, models that other tools wrote, and the jobs of importing run as their child process runs them."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.agent.parts import KINDS
from tholos.data.service import HANDLERS as DATA_HANDLERS
from tholos.hub import service as hub
from tholos.imports.service import HANDLERS as IMPORT_HANDLERS
from tholos.jobs.context import JobContext
from tholos.jobs.messages import Channel
from tholos.jobs.models import Job, JobState
from tholos.kit.outbox import combined, dispatch
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent))  # the tests share `foreign_models`


@pytest.fixture
def database_kind() -> str:
    """The room's queries are few: test_endpoints runs them on both databases."""
    return "sqlite"


class Bench:
    """What ada pushes, and the jobs that follow."""

    def __init__(self, services: Services, owner: Actor, folder: Path) -> None:
        self.services = services
        self.owner = owner
        self.folder = folder
        self._runs = 0

    def push(self, name: str, files: dict[str, bytes], *deleted: str) -> hub.Revision:
        repo = hub.ensure_repo(self.services.database, self.services.blobs, self.owner, hub.RepoKind.MODEL, name)
        operations = [*(hub.AddBytes(path, data) for path, data in files.items()), *map(hub.Delete, deleted)]
        return hub.commit(self.services.database, self.services.blobs, self.owner, repo, operations, "Push")

    def push_folder(self, name: str, folder: Path) -> hub.Revision:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self.push(name, files)

    def hear(self) -> None:
        """Delivers the outbox."""
        dispatch(self.services.database, combined(DATA_HANDLERS, IMPORT_HANDLERS))

    def settle(self) -> list[Job]:
        """Delivers the outbox and runs the jobs that it starts; returns those of this room."""
        self.hear()
        with self.services.database.read() as read:
            waiting = [job for job in read.query(Job).all() if job.state is JobState.QUEUED]
        ours = [job for job in waiting if job.kind.startswith("imports.")]
        for job in ours:
            self.run(job)
        return ours

    def run(self, job: Job) -> dict[str, Any]:
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        module, _, name = next(kind.work for kind in KINDS if kind.name == job.kind).partition(":")
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
            publish = getattr(import_module(module), name)(context)
            with self.services.database.write() as write:
                result = publish(write)
                write.get(Job, job.id).state = JobState.SUCCEEDED
                return result

    def files(self, name: str) -> dict[str, bytes]:
        with self.services.database.read() as read:
            repo, found = hub.resolve(read, self.owner, hub.RepoKind.MODEL, name)
            entries = hub.tree(read, repo, found.commit_id, recursive=True)
        return {
            entry.path: self.services.blobs.path(entry.sha256).read_bytes()
            for entry in entries
            if entry.sha256 and entry.path != ".gitattributes"
        }

    def lay_out(self, name: str, folder: Path) -> Path:
        """The head's files in a folder, as a replica finds them."""
        folder.mkdir()
        for path, data in self.files(name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder


@pytest.fixture
def bench(services: Services, ada: Actor, tmp_path: Path) -> Bench:
    folder = tmp_path / "jobs"
    folder.mkdir()
    return Bench(services, ada, folder)


@pytest.fixture
def described(bench: Bench, as_ada: TestClient) -> Callable[..., dict[str, Any]]:
    """Pushes files and returns how the server describes them once its job has run."""

    def call(files: dict[str, bytes] | Path, name: str = "ada/foreign") -> dict[str, Any]:
        push = bench.push_folder if isinstance(files, Path) else bench.push
        push(name, files)
        bench.settle()
        answer = as_ada.get(f"/api/v1/models/{name}/description")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


@pytest.fixture
def imported(bench: Bench, as_ada: TestClient) -> Callable[..., dict[str, Any]]:
    """Imports what was pushed: the job's result."""

    def call(name: str = "ada/foreign", **corrections: Any) -> dict[str, Any]:
        answer = as_ada.post(f"/api/v1/models/{name}/import", json=corrections)
        assert answer.status_code == 202, answer.text
        with bench.services.database.read() as read:
            job = read.get(Job, answer.json()["id"])
        return bench.run(job)

    return call
