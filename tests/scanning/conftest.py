"""What the tests of scans start from: ada's repos, the application, and a runner that scans what waits."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.jobs import lifecycle, repository
from tholos.jobs.context import JobContext
from tholos.jobs.kinds import Kinds
from tholos.jobs.models import Job, JobState
from tholos.jobs.runner import JobRunner
from tholos.kit.services import Services
from tholos.scanning import work
from tholos.scanning.kinds import KINDS

sys.path.insert(0, str(Path(__file__).parent))

from delivery import deliver

DEADLINE_S = 120.0


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def signed_in(app: FastAPI) -> Callable[[str], TestClient]:
    def run(token: str) -> TestClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return TestClient(app, raise_server_exceptions=False, headers=headers)

    return run


@pytest.fixture
def push(services: Services, ada: Actor) -> Callable[..., hub.Revision]:
    """Commits files to one of ada's repos, made if it is not there: `push({"a.pkl": data}, kind="dataset")`."""

    def run(files: dict[str, bytes], *, kind: str = "model", name: str = "ada/penguins", actor: Actor = ada):
        repo = hub.ensure_repo(services.database, services.blobs, actor, hub.RepoKind(kind), name)
        operations = [hub.AddBytes(path, data) for path, data in files.items()]
        return hub.commit(services.database, services.blobs, actor, repo, operations, "Push")

    return run


class Silent:
    """The channel of a job that nobody listens to."""

    def progress(self, fraction: float, step: str) -> None: ...

    def flush(self) -> None: ...


@pytest.fixture
def scan(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Delivers the outbox and does the work of every job of scans here; only contents have processes of their own."""
    monkeypatch.setattr(work.os, "nice", lambda _: 0)

    def run() -> None:
        deliver(services)
        while True:
            with services.database.write() as write:
                job = repository.claim(write, "test", [kind.name for kind in KINDS], 600.0)
            if job is None:
                break
            actor = Actor.system(job.owner_id, "owner")
            ctx = JobContext(
                job_id=job.id,
                kind=job.kind,
                attempt=1,
                actor=actor,
                settings=services.settings,
                database=services.database,
                blobs=services.blobs,
                folder=services.settings.home,
                payload=job.payload,
                channel=Silent(),
            )
            publish = work.scan_repo(ctx) if job.kind == "scan.repo" else work.rescan_all(ctx)
            with services.database.write() as write:
                lifecycle.complete(write, repository.Claim(job.id, job.fence), publish, repository.Usage(), 600.0)
        deliver(services)

    return run


@pytest.fixture
def scan_in_jobs(services: Services) -> Callable[[], None]:
    """Delivers the outbox and runs every job of scans to its end, each in its own child process."""

    def run() -> None:
        deliver(services)
        asyncio.run(_run_all(services))
        deliver(services)

    return run


async def _run_all(services: Services) -> None:
    stop = asyncio.Event()
    runner = JobRunner(services.settings, services.database, Kinds(KINDS), owner="test")
    task = asyncio.create_task(runner.run(stop))
    deadline = time.monotonic() + DEADLINE_S
    while await asyncio.to_thread(_unfinished, services):
        assert time.monotonic() < deadline, "the scans did not end"
        assert not task.done()
        await asyncio.sleep(0.05)
    stop.set()
    await task


def _unfinished(services: Services) -> int:
    busy = Job.state.in_((JobState.QUEUED, JobState.RUNNING))
    with services.database.read() as read:
        return read.scalar(select(func.count()).select_from(Job).where(busy)) or 0
