"""What every test of the community starts from: a public repo of ada's, and ways to talk about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.app import create_app
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.kit.logs import configure_logs
from tholos.kit.services import Services


@pytest.fixture
def repo(services: Services, ada: Actor) -> Repo:
    """The public model ada/penguins, with two files."""
    made = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/penguins", visibility="public")
    files = [hub.AddBytes("a.txt", b"one\ntwo\nthree\n"), hub.AddBytes("data/w.bin", b"\0\1" * 100)]
    hub.commit(services.database, services.blobs, ada, made, files, "Add two files")
    return made


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
