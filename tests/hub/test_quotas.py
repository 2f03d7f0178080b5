"""Quotas: what does not fit is refused before it is taken in, on every way in; and what is used is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import Repo, RepoBlob
from tholos.hub.operations import AddBytes
from tholos.kit.services import Services

API = "/api/v1/models/ada/penguins"
LARGE = b"l" * 30_000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def possessed(services: Services, repo: Repo) -> set[str]:
    with services.database.read() as read:
        return {row.sha256 for row in read.query(RepoBlob).filter(RepoBlob.repo_id == repo.id)}


@pytest.fixture
def as_admin(anyone: TestClient, admin_token: str) -> TestClient:
    return TestClient(anyone.app, headers={"authorization": f"Bearer {admin_token}"})


@pytest.fixture
def small(as_admin: TestClient, repo: Repo) -> int:
    """Ada may store 20,000 bytes."""
    assert as_admin.put("/api/v1/users/ada/quota", json={"max_bytes": 20_000}).status_code == 200
    return 20_000


def refused(answer) -> None:
    body = answer.json()
    assert answer.status_code == 403, body
    error = body["error"] if isinstance(body["error"], dict) else body
    assert error["code"] == "quota_exceeded"
    assert "20,000 bytes" in error["message"]


@pytest.mark.usefixtures("small")
def test_every_way_in_refuses_what_does_not_fit(services: Services, repo: Repo, as_ada: TestClient):
    before = possessed(services, repo)
    name = sha256(LARGE)
    refused(as_ada.put(f"{API}/blobs/{name}", content=LARGE))
    refused(as_ada.put(f"{API}/blobs/{name}", content=iter([LARGE[:15_000], LARGE[15_000:]])))
    content = {"op": "add", "path": "a", "content_base64": "bGxs" * 10_000}
    refused(as_ada.post(f"{API}/commits", json={"message": "x", "operations": [content]}))
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": name, "size": len(LARGE)}]}
    answer = as_ada.post("/ada/penguins.git/info/lfs/objects/batch", json=batch)
    refused(answer)
    assert "do not fit" in answer.headers["x-error-message"]
    head = b'{"key":"header","value":{"summary":"x"}}\n'
    file = b'{"key":"file","value":{"path":"a","encoding":"base64","content":"' + b"bGxs" * 10_000 + b'"}}\n'
    refused(as_ada.post("/api/models/ada/penguins/commit/main", content=head + file))
    token = as_ada.get("/api/models/ada/penguins/xet-write-token/main").json()["accessToken"]
    headers = {"authorization": f"Bearer {token}"}
    refused(as_ada.post("/xet/g1/v1/xorbs/default/" + "0" * 64, content=LARGE, headers=headers))
    assert possessed(services, repo) == before


@pytest.mark.usefixtures("small")
def test_what_fits_goes_in_and_a_nearly_full_account_is_warned(services: Services, repo: Repo, as_ada: TestClient):
    ok = as_ada.put(f"{API}/blobs/{sha256(LARGE[:9000])}", content=LARGE[:9000])
    assert ok.status_code == 201
    assert as_ada.put(f"{API}/blobs/{sha256(LARGE[:9000])}", content=LARGE[:9000]).status_code == 200  # there already
    sample = {"files": [{"path": "b", "sample": "", "size": 5}]}
    assert "x-hf-warning" not in as_ada.post("/api/models/ada/penguins/preupload/main", json=sample).headers
    assert as_ada.put(f"{API}/blobs/{sha256(LARGE[:8000])}", content=LARGE[:8000]).status_code == 201
    warned = as_ada.post("/api/models/ada/penguins/preupload/main", json=sample)
    topic, _, sentence = warned.headers["x-hf-warning"].partition("; ")
    assert (warned.status_code, topic) == (200, "quota")
    assert "20,000 bytes" in sentence
    usage = as_ada.get("/api/v1/users/ada/usage").json()
    assert usage["logical_bytes"] > 17_000
    assert (usage["max_bytes"], usage["repos"], usage["max_repos"]) == (20_000, 1, 0)
    assert usage["largest"][0]["name"] == "ada/penguins"
    assert as_ada.get(f"{API}/usage").json()["logical_bytes"] == usage["logical_bytes"]
    assert as_ada.get("/api/models/ada/penguins").json()["usedStorage"] == usage["logical_bytes"]


def test_the_settings_quota_holds_where_no_other_was_set(
    as_ada_with: Callable[..., TestClient], repo: Repo, as_admin: TestClient, services: Services
):
    client = as_ada_with(quota_bytes=20_000, quota_repos=1)
    refused(client.put(f"{API}/blobs/{sha256(LARGE)}", content=LARGE))
    answer = client.post("/api/v1/repos", json={"kind": "model", "name": "second"})
    assert answer.json()["error"]["code"] == "quota_exceeded"
    wire = client.post("/api/repos/create", json={"name": "second", "organization": None})
    assert (wire.status_code, wire.headers["x-error-code"]) == (403, "QuotaExceeded")
    with services.database.read() as read:
        assert hub.list_repos(read, Actor.system("", "x", is_admin=True)).items[0].full_name == "ada/penguins"
    assert as_admin.put("/api/v1/users/ada/quota", json={"max_bytes": 0, "max_repos": 0}).status_code == 200
    assert client.put(f"{API}/blobs/{sha256(LARGE)}", content=LARGE).status_code == 201
    assert client.post("/api/v1/repos", json={"kind": "model", "name": "second"}).status_code == 201
    assert as_admin.put("/api/v1/users/ada/quota", json={}).json()["max_bytes"] == 20_000  # the settings' again


def test_moving_into_an_account_asks_for_its_room(services, repo, admin, bob, as_admin, commit):
    commit(AddBytes("large.bin", LARGE))
    as_admin.put("/api/v1/users/bob/quota", json={"max_bytes": 20_000})
    body = {"fromRepo": "ada/penguins", "toRepo": "bob/penguins", "type": "model"}
    refused(as_admin.post("/api/repos/move", json=body))
    as_admin.put("/api/v1/users/bob/quota", json={"max_bytes": 50_000, "max_repos": 1})
    assert as_admin.post("/api/repos/move", json=body).status_code == 200


def test_quotas_are_set_by_administrators_and_usage_is_ones_own(repo, as_ada, as_bob, as_admin, anyone):
    assert as_ada.put("/api/v1/users/ada/quota", json={"max_bytes": 0}).status_code == 403
    assert as_bob.get("/api/v1/users/ada/usage").status_code == 403
    assert anyone.get("/api/v1/users/ada/usage").status_code == 401
    assert as_admin.get("/api/v1/users/nobody/usage").status_code == 404
    assert as_admin.put("/api/v1/users/nobody/quota", json={}).status_code == 404
    for wrong in (-1, 1 << 62, "many", 1.5):
        assert as_admin.put("/api/v1/users/ada/quota", json={"max_bytes": wrong}).status_code in (400, 422)
    assert as_ada.get("/api/v1/usage").status_code == 403
    assert as_admin.get("/api/v1/usage").json()["logical_bytes"] > 0
    assert as_bob.get(f"{API}/usage").status_code == 404


def test_what_an_account_stores_does_not_tell_what_others_do(services, repo, ada, bob, as_ada, as_bob, commit):
    theirs = hub.create_repo(services.database, services.blobs, bob, hub.RepoKind.MODEL, "bob/theirs")
    hub.commit(services.database, services.blobs, bob, theirs, [AddBytes("a", LARGE)], "Same bytes")
    before = as_ada.get(f"{API}/usage").json()
    commit(AddBytes("a", LARGE))
    after = as_ada.get(f"{API}/usage").json()
    assert after["stored_bytes"] - before["stored_bytes"] == len(LARGE)
