"""Moves that meet: the database decides, and the loser reads why."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.errors import RepoExists, RepoNotFound
from tholos.hub.models import Repo
from tholos.kit.services import Services


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [("ada/gulls", "ada/birds", RepoExists), ("ada/penguins", "ada/terns", RepoNotFound)],
)
def test_two_moves_at_once(
    services: Services, ada: Actor, repo: Repo, source: str, target: str, error: type[Exception]
) -> None:
    hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/gulls")
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with services.database.write() as write:
            hub.move_repo(write, ada, hub.RepoKind.MODEL, source, target)

    with ThreadPoolExecutor(1) as pool:
        with services.database.write() as write:
            hub.move_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins", "ada/birds")
            other = pool.submit(second)
            assert begun.wait(10)
            threading.Event().wait(0.3)  # until it waits for this transaction
            assert not other.done()
        with pytest.raises(error):
            other.result(30)
    with services.database.read() as read:
        assert hub.get_repo(read, ada, hub.RepoKind.MODEL, "ada/birds").id == repo.id
        assert hub.get_repo(read, ada, hub.RepoKind.MODEL, "ada/gulls")
        assert hub.moved_to(read, ada, hub.RepoKind.MODEL, "ada/penguins") == "ada/birds"
