"""What every test of the hub starts from: a repo of ada's, and ways to talk to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import Repo, Revision
from tholos.hub.names import RepoKind
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


@pytest.fixture
def live(endpoint: str) -> int:
    """The port of a real server: for what only sockets can do."""
    return int(endpoint.rpartition(":")[2])
