"""What takes part from outside stays within bounds: limited tokens, strangers' proposals, those who have left."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tholos.accounts import organizations
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, OrganizationRole, Scope
from tholos.community.watching import may_read
from tholos.hub import service as hub
from tholos.hub.collaborators import remove_member
from tholos.hub.errors import RepoNotFound
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.kit.services import Services

REST = "/api/v1/models/ada/penguins"
DRAFT = {"title": "x", "pull_request": True}


@pytest.fixture
def limited(services: Services, bob: Actor, anyone: TestClient) -> TestClient:
    """Bob, with a token for ada's repo that may only read there."""
    scopes = frozenset({Scope.READ, Scope.WRITE})
    with services.database.write() as write:
        made = accounts.create_key(write, bob, "limited", scopes, None, ["ada/penguins:read", "bob/own:write"])
    return TestClient(anyone.app, headers={"authorization": f"Bearer {made.secret}"})


@pytest.mark.usefixtures("repo")
def test_a_limited_token_says_nothing_outside_its_limits(limited: TestClient, as_bob: TestClient) -> None:
    assert as_bob.post(f"{REST}/discussions", json=DRAFT).status_code == 201  # so that number 1 is bob's own
    said = [
        limited.post(f"{REST}/discussions", json={"title": "x"}),
        limited.post(f"{REST}/discussions", json=DRAFT),
        limited.post(f"{REST}/discussions/1/comments", json={"text": "x"}),
        limited.patch(f"{REST}/discussions/1", json={"status": "closed"}),
        limited.post(f"{REST}/discussions/1/commits", json={"message": "x", "operations": []}),
        limited.put(f"{REST}/blobs/{hashlib.sha256(b'x').hexdigest()}?pull_request=true", content=b"x"),
        limited.get("/api/models/ada/penguins/xet-write-token/refs%2Fpr%2F1"),
    ]
    assert [answer.status_code for answer in said] == [403] * len(said)
    assert limited.get(f"{REST}/discussions/1").json()["status"] == "draft"


def test_a_limited_token_has_no_business_with_webhooks(limited: TestClient, as_bob: TestClient) -> None:
    body = {"url": "https://example.org/", "watched": [{"type": "user", "name": "bob"}]}
    hook = as_bob.post("/api/v1/webhooks", json=body).json()["id"]
    said = [
        limited.get("/api/v1/webhooks"),
        limited.post("/api/v1/webhooks", json=body),
        limited.get(f"/api/v1/webhooks/{hook}"),
        limited.get(f"/api/v1/webhooks/{hook}/deliveries"),
        limited.delete(f"/api/v1/webhooks/{hook}"),
    ]
    assert {answer.json()["error"]["code"] for answer in said} == {"token_limited"}


def with_settings(app: FastAPI, services: Services, **changes: object) -> None:
    app.state.services = replace(services, settings=services.settings.model_copy(update=changes))


@pytest.mark.usefixtures("repo")
def test_a_stranger_has_so_many_pull_requests_open(
    app: FastAPI, services: Services, as_ada: TestClient, as_bob: TestClient
) -> None:
    with_settings(app, services, max_open_pull_requests=2)
    answers = [as_bob.post(f"{REST}/discussions", json=DRAFT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[2].json()["error"]["code"] == "too_many_pull_requests"
    line = b'{"key": "header", "value": {"summary": "x"}}\n'
    assert as_bob.post("/api/models/ada/penguins/commit/main?create_pr=1", content=line).status_code == 409
    assert as_ada.post(f"{REST}/discussions", json=DRAFT).status_code == 201
    assert as_bob.patch(f"{REST}/discussions/1", json={"status": "closed"}).status_code == 200
    assert as_bob.post(f"{REST}/discussions", json=DRAFT).status_code == 201


@pytest.mark.usefixtures("repo")
def test_strangers_leave_a_part_of_the_quota_to_whom_it_belongs(
    app: FastAPI, services: Services, as_ada: TestClient, as_bob: TestClient
) -> None:
    with_settings(app, services, quota_bytes=10_000)
    data = bytes(8_000)  # with what is there it is more than four fifths, and less than all
    address = f"{REST}/blobs/{hashlib.sha256(data).hexdigest()}"
    refused = as_bob.put(f"{address}?pull_request=true", content=data)
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert as_ada.put(address, content=data).status_code == 201


def test_the_diff_of_a_gated_repo_is_for_those_let_in(
    services: Services, ada: Actor, repo: Repo, as_bob: TestClient
) -> None:
    as_bob.post(f"{REST}/discussions", json=DRAFT)
    with services.database.write() as write:
        hub.update_repo(write, ada, RepoKind.MODEL, repo.full_name, gated="manual")
    assert as_bob.get(f"{REST}/discussions/1/diff").json()["error"]["code"] == "gated_repo"
    assert as_bob.get("/api/models/ada/penguins/discussions/1?diff=1").status_code == 403
    assert as_bob.get("/ada/penguins/discussions/1/files").status_code == 403
    with services.database.write() as write:
        hub.grant_access(write, ada, RepoKind.MODEL, repo.full_name, "bob")
    assert as_bob.get(f"{REST}/discussions/1/diff").status_code == 200


def test_who_has_left_an_organization_hears_and_lands_nothing(
    services: Services, ada: Actor, ada_token: str, bob: Actor, bob_token: str
) -> None:
    database, blobs = services.database, services.blobs
    with database.write() as write:
        organizations.create(write, ada, "acme", max_memberships=9)
    with database.read() as read:
        ada = accounts.authenticate(read, ada_token)
    with database.write() as write:
        role = OrganizationRole.WRITE
        organizations.set_member(write, ada, "acme", "bob", role, max_members=9, max_memberships=9)
    made = hub.create_repo(database, blobs, ada, RepoKind.MODEL, "acme/model")
    with database.read() as read:
        assert may_read(read, bob.account_id, made)  # a webhook of a member's is told
        bob = accounts.authenticate(read, bob_token)
    prepared = hub.prepare_commit(database, blobs, bob, made, [hub.AddBytes("x", b"x")], "Prepare for long")
    with database.write() as write:
        remove_member(write, ada, "acme", "bob")
    with database.read() as read:
        assert not may_read(read, bob.account_id, made)
    with pytest.raises(RepoNotFound), database.write() as write:
        hub.land(write, prepared)
