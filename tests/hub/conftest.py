"""What every test of the hub starts from: a repo of ada's, and ways to talk to it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.app import create_app
from tholos.hub import service as hub
from tholos.hub.models import Repo, Revision
from tholos.hub.names import RepoKind
from tholos.kit.logs import configure_logs
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent))

from roles_world import World, make_world

Commit = Callable[..., Revision]


@pytest.fixture
def repo(services: Services, ada: Actor) -> Repo:
    """The private model ada/penguins, with its first commit."""
    return hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/penguins")


@pytest.fixture
def commit(services: Services, ada: Actor, repo: Repo) -> Commit:
    """Commits operations to ada/penguins: `commit(AddBytes("a", b"1"), Delete("b"), parent=…)`."""

    def run(*operations: hub.Operation, message: str = "Change", **options: Any) -> Revision:
        return hub.commit(services.database, services.blobs, ada, repo, operations, message, **options)

    return run


@pytest.fixture
def files(services: Services, repo: Repo) -> Callable[..., dict[str, bytes]]:
    """Every file of a revision of ada/penguins with its content, but for .gitattributes."""

    def read_all(rev: str = "main") -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        with services.database.read() as read:
            for entry in hub.tree(read, repo, rev, recursive=True):
                if entry.sha256 and entry.path != ".gitattributes":
                    found[entry.path] = services.blobs.path(entry.sha256).read_bytes()
        return found

    return read_all


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    configure_logs("ERROR")


@pytest.fixture(scope="session")
def made_apps() -> list[FastAPI]:
    """Building the application takes longer than most tests, so it is built once and given new services."""
    return []


@pytest.fixture
def app(services: Services, made_apps: list[FastAPI]) -> FastAPI:
    if not made_apps:
        made_apps.append(create_app(services))
    made_apps[0].state.services = services
    return made_apps[0]


@pytest.fixture
def anyone(app: FastAPI) -> TestClient:
    """The application, asked by nobody in particular."""
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def as_ada(anyone: TestClient, ada_token: str) -> TestClient:
    return _signed_in(anyone, ada_token)


@pytest.fixture
def as_bob(anyone: TestClient, bob_token: str) -> TestClient:
    return _signed_in(anyone, bob_token)


@pytest.fixture
def world(services: Services, app: FastAPI, admin_token: str, ada_token: str) -> World:
    """Everybody with a role in ada/penguins or in acme/model."""
    return make_world(services, app, admin_token, ada_token)


@pytest.fixture
def as_ada_with(app: FastAPI, services: Services, ada_token: str) -> Callable[..., TestClient]:
    """Ada, on a server with other settings: `as_ada_with(max_blob_bytes=10)`."""

    def run(**changes: Any) -> TestClient:
        app.state.services = replace(services, settings=services.settings.model_copy(update=changes))
        return TestClient(app, headers={"authorization": f"Bearer {ada_token}"})

    return run


def _signed_in(client: TestClient, token: str) -> TestClient:
    return TestClient(client.app, raise_server_exceptions=False, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
def live(app: FastAPI) -> Iterator[int]:
    """The port of a real server: for what only sockets can do."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", lifespan="off", timeout_graceful_shutdown=5)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
