from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.data.formats import DEFAULT_LIMITS, Limits, SourceFile, TypedTable, open_table
from tholos.data.kinds import KINDS
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.context import JobContext
from tholos.jobs.messages import Channel
from tholos.jobs.models import Job, JobState
from tholos.kit.services import Services

Files = Mapping[str, bytes | str]


@pytest.fixture
def sources(tmp_path: Path) -> Callable[[Files], list[SourceFile]]:
    def write(files: Files) -> list[SourceFile]:
        made = []
        for path, content in files.items():
            file = tmp_path / "sources" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            made.append(SourceFile(path, file))
        return made

    return write


@pytest.fixture
def opened(sources: Callable[[Files], list[SourceFile]]) -> Callable[..., TypedTable]:
    def open_files(files: Files, limits: Limits = DEFAULT_LIMITS, **options: bool) -> TypedTable:
        return open_table(sources(files), limits, **options)

    return open_files


@pytest.fixture
def read(opened: Callable[..., TypedTable]) -> Callable[..., pa.Table]:
    """Reads files given by path and content into one table."""

    def read_files(files: Files, limits: Limits = DEFAULT_LIMITS, **options: bool) -> pa.Table:
        table = opened(files, limits, **options)
        return pa.Table.from_batches(list(table.read()), table.schema)

    return read_files


@pytest.fixture
def dataset(services: Services, ada: Actor) -> hub.Repo:
    """The private dataset ada/birds, empty."""
    return hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.DATASET, "ada/birds")


@pytest.fixture
def push(services: Services, ada: Actor, dataset: hub.Repo) -> Callable[[Files], hub.Revision]:
    """Commits files to ada/birds."""

    def commit(files: Files) -> hub.Revision:
        operations = [
            hub.AddBytes(path, content.encode() if isinstance(content, str) else content)
            for path, content in files.items()
        ]
        return hub.commit(services.database, services.blobs, ada, dataset, operations, "Push data")

    return commit


@pytest.fixture
def work(services: Services, ada: Actor, tmp_path: Path) -> Callable[..., Job]:
    """Runs a queued job's work in this process, as its child would, and publishes it; returns the ended job."""

    def run(job_id: str) -> Job:
        with services.database.read() as read:
            job = jobs.get(read, ada, job_id)
        kind = next(kind for kind in KINDS if kind.name == job.kind)
        folder = tmp_path / job.id
        folder.mkdir()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            context = JobContext(
                job_id=job.id,
                kind=job.kind,
                attempt=1,
                actor=Actor.system(job.owner.id, job.owner.name),
                settings=services.settings,
                database=services.database,
                blobs=services.blobs,
                folder=folder,
                payload=job.payload,
                channel=Channel(theirs),
            )
            module, _, name = kind.work.partition(":")
            publish = getattr(import_module(module), name)(context)
        with services.database.write() as write:
            result = publish(write)
            recorded = write.get(Job, job.id)
            assert recorded is not None
            recorded.result, recorded.state = result, JobState.SUCCEEDED
        with services.database.read() as read:
            return jobs.get(read, ada, job_id)

    return run


@pytest.fixture
def client(anyone: TestClient) -> TestClient:
    return anyone


@pytest.fixture
def as_ada(client: TestClient, ada_token: str) -> TestClient:
    return _signed_in(client, ada_token)


@pytest.fixture
def as_bob(client: TestClient, bob_token: str) -> TestClient:
    return _signed_in(client, bob_token)


def _signed_in(client: TestClient, token: str) -> TestClient:
    return TestClient(client.app, raise_server_exceptions=False, headers={"authorization": f"Bearer {token}"})
