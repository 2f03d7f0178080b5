"""Ada, Bob and nobody in particular, talking the Hugging Face Hub's protocol to the application in process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

sys.path.insert(0, str(Path(__file__).parent))

from wire_requests import commit_lines

Push = Callable[..., Response]


@pytest.fixture
def anyone(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


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
