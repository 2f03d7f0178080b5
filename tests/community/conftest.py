"""What every test of the community starts from: a public repo of ada's, and ways to talk about it."""

from __future__ import annotations

import pytest

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.kit.services import Services


@pytest.fixture
def repo(services: Services, ada: Actor) -> Repo:
    """The public model ada/penguins, with two files."""
    made = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/penguins", visibility="public")
    files = [hub.AddBytes("a.txt", b"one\ntwo\nthree\n"), hub.AddBytes("data/w.bin", b"\0\1" * 100)]
    hub.commit(services.database, services.blobs, ada, made, files, "Add two files")
    return made
