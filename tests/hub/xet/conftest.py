"""What tests of the Xet store send: bodies as a client would make them, and lies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.hub.xet import service as xet
from tholos.hub.xet.access import Grant
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent))

from xet_bodies import Xorb, stream


@pytest.fixture
def grant(repo: Repo, ada: Actor) -> Grant:
    """Ada's right to write to ada/penguins."""
    return Grant(repo.id, "main", may_write=True, key_id=ada.key_id)


@pytest.fixture
def bobs_grant(services: Services, bob: Actor) -> Grant:
    """Bob's right to write to a repo of his own."""
    repo = hub.create_repo(services.database, services.blobs, bob, RepoKind.MODEL, "bob/copies")
    return Grant(repo.id, "main", may_write=True, key_id=bob.key_id)


@pytest.fixture
def send(services: Services) -> Callable[..., object]:
    """Sends a xorb: `await send(grant, xorb)`."""

    async def run(grant: Grant, xorb: Xorb, *, name: str | None = None, body: bytes | None = None) -> None:
        data = xorb.body if body is None else body
        await xet.put_xorb(services, grant, name or xorb.hash, stream(data), len(data))

    return run
