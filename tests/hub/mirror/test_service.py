"""Mirrors as they begin: what they tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from tholos.accounts.authorization import Actor
from tholos.accounts.models import Account
from tholos.community import watching
from tholos.community.models import WebhookDelivery
from tholos.data import service as data
from tholos.hub.mirror.service import add_mirror
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.imports import service as imports
from tholos.kit.outbox import OutboxRow, combined, dispatch, emit
from tholos.kit.services import Services
from tholos.scanning import service as scanning
from tholos.serving import admission

Begin = Callable[..., Repo]


@pytest.fixture
def begin(services: Services, admin: Actor) -> Begin:
    """A mirror of which nothing has come yet."""

    def run(namespace: str, name: str, kind: RepoKind = RepoKind.MODEL) -> Repo:
        with services.database.write() as write:
            owner = write.get_one(Account, admin.account_id)
            return add_mirror(
                write,
                owner,
                kind,
                (namespace, name),
                "https://hub.example",
                f"{namespace}/{name}",
                visibility="private",
            )

    return run


@pytest.fixture
def as_admin(anyone: TestClient, admin_token: str) -> TestClient:
    anyone.headers["authorization"] = f"Bearer {admin_token}"
    return anyone


def tell(services: Services) -> None:
    """Has every room hear what happened, as the agent does."""
    rooms = (data.HANDLERS, imports.HANDLERS, admission.HANDLERS, scanning.handlers(services.settings))
    dispatch(services.database, combined(*rooms, watching.handlers("https://hub.test")))


def test_every_room_hears_of_a_mirror_that_is_still_empty(
    services: Services, as_admin: TestClient, begin: Begin
) -> None:
    watched = [{"type": "user", "name": "admin"}]
    made = as_admin.post("/api/v1/webhooks", json={"url": "https://hooks.example/x", "watched": watched})
    assert made.status_code == 201, made.text
    for kind in (RepoKind.MODEL, RepoKind.DATASET):
        begin("admin", "copy", kind)
    tell(services)
    with services.database.read() as read:
        assert [(row.topic, row.error) for row in read.scalars(select(OutboxRow))] == []
        told = [row.payload for row in read.scalars(select(WebhookDelivery))]
    assert [(each["event"]["action"], each["repo"]["headSha"]) for each in told] == [("create", None)] * 2


def test_files_deleted_from_a_mirror_that_is_still_empty_are_no_failure(services: Services, begin: Begin) -> None:
    repo = begin("lab", "rows", RepoKind.DATASET)
    with services.database.write() as write:
        emit(write, "repo.files_deleted", {"repo_id": repo.id, "kind": "dataset"})
    tell(services)
    with services.database.read() as read:
        assert [(row.topic, row.error) for row in read.scalars(select(OutboxRow))] == []
