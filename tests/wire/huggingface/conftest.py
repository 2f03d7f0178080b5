"""Ada, Bob and nobody in particular, talking the Hugging Face Hub's protocol to the application in process."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tholos.app import create_app
from tholos.kit.logs import configure_logs
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent))

from wire_requests import commit_lines

Push = Callable[..., Response]


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    configure_logs("ERROR")


@pytest.fixture(scope="session")
def made_apps() -> list[FastAPI]:
    return []


@pytest.fixture
def app(services: Services, made_apps: list[FastAPI]) -> FastAPI:
    if not made_apps:
        made_apps.append(create_app(services))
    made_apps[0].state.services = services
    return made_apps[0]


@pytest.fixture
def anyone(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def endpoint(app: FastAPI) -> Iterator[str]:
    """The application on a port: the stock client wants sockets."""
    options = {"port": 0, "log_level": "warning", "lifespan": "off", "timeout_graceful_shutdown": 5}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def as_ada(anyone: TestClient, ada_token: str) -> TestClient:
    return signed_in(anyone, ada_token)


@pytest.fixture
def as_bob(anyone: TestClient, bob_token: str) -> TestClient:
    return signed_in(anyone, bob_token)


@pytest.fixture
def repo(as_ada: TestClient) -> str:
    """Ada's private model."""
    made = as_ada.post("/api/repos/create", json={"name": "penguins", "organization": None})
    assert made.status_code == 200, made.text
    return "ada/penguins"


@pytest.fixture
def push(as_ada: TestClient, repo: str) -> Push:
    """Commits files to ada/penguins as a client does: `push({"a.txt": b"1"}, parent=…, lfs={"w.bin": data})`."""

    def run(files: dict[str, bytes], *, rev: str = "main", client: TestClient = as_ada, **options: Any) -> Response:
        return client.post(f"/api/models/{repo}/commit/{rev}", content=commit_lines(files, **options))

    return run


def signed_in(client: TestClient, token: str) -> TestClient:
    return TestClient(
        client.app,
        raise_server_exceptions=False,
        follow_redirects=False,
        headers={"authorization": f"Bearer {token}"},
    )
