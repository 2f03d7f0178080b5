"""A private repo of another answers, on every address of the hub, exactly as one that does not exist."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import endpoints, transfers
from tholos.hub import service as hub
from tholos.hub.models import Repo, Revision
from tholos.hub.operations import AddBytes
from tholos.kit.services import Services

SECRET = b"a very secret file"
SHA256 = hashlib.sha256(SECRET).hexdigest()
READS = {"GET", "HEAD"}
BODIES: dict[str, dict[str, object]] = {
    "PATCH": {"description": "mine now"},
    "POST": {"message": "mine now", "operations": []},
    "PUT": {"revision": "main"},
}
MOVE: dict[str, object] = {"to": "bob/penguins"}


HERE = (endpoints.__name__, transfers.__name__)


def addresses() -> list[tuple[str, str]]:
    """Every method and address below a repo, as the application routes them."""
    found = [
        (method, "/api/v1/{kinds" + route.path.partition("{kinds")[2])
        for route in endpoints.router.routes  # those of access, usage and history are in test_access.py
        if isinstance(route, APIRoute) and "{name}" in route.path and route.endpoint.__module__ in HERE
        for method in sorted(route.methods)
    ]
    assert len(found) >= 17
    return found


def body(method: str, path: str) -> dict[str, object] | None:
    return MOVE if path.endswith("/move") else BODIES.get(method)


def filled(path: str, name: str) -> str:
    values = {
        "{kinds:repo_kinds}": "models",
        "{namespace}/{name}": name,
        "{rev:path}": "main",
        "{rev}": "main",
        "{path:path}": "secret.txt",
        "{ref:path}": "dev",
        "{sha256}": SHA256,
    }
    for key, value in values.items():
        path = path.replace(key, value)
    assert "{" not in path
    return path


@pytest.fixture
def secret(services: Services, repo: Repo, ada: Actor, commit: Callable[..., Revision]) -> Revision:
    landed = commit(AddBytes("README.md", b"---\ntags: [secret-tag]\n---"), AddBytes("secret.txt", SECRET))
    hub.set_ref(
        services.database, services.blobs, ada, repo.kind, repo.full_name, ref_kind="branch", ref_name="dev", rev="main"
    )
    return landed


def test_a_private_repo_looks_like_none(secret: Revision, as_bob: TestClient, anyone: TestClient):
    for method, path in addresses():
        for client in (as_bob, anyone):
            real, imagined = (
                client.request(method, filled(path, name), json=body(method, path))
                for name in ("ada/penguins", "ada/imagined")
            )
            signed_out = client is anyone and (method not in READS or "blobs" in path)
            assert real.status_code == imagined.status_code == (401 if signed_out else 404), (method, path)
            assert set(real.headers) == set(imagined.headers)
            if method != "HEAD":
                theirs, nobodys = real.json()["error"], imagined.json()["error"]
                assert theirs == {**nobodys, "message": nobodys["message"].replace("imagined", "penguins")}


@pytest.mark.usefixtures("secret")
def test_another_spelling_of_a_private_name_is_not_corrected(repo: Repo, as_bob: TestClient, anyone: TestClient):
    shouted = repo.full_name.upper()
    for client in (as_bob, anyone):
        there, missing = (client.get(f"/api/v1/models/{name}").json()["error"] for name in (shouted, shouted + "X"))
        assert shouted in there["message"]
        assert there["message"] == missing["message"].replace(shouted + "X", shouted)


def test_a_public_repo_is_read_by_all_and_written_by_none_but_its_owner(
    services: Services, ada: Actor, repo: Repo, secret: Revision, as_bob: TestClient, anyone: TestClient
):
    with services.database.write() as write:
        hub.update_repo(write, ada, repo.kind, repo.full_name, visibility="public")
    for method, path in addresses():
        reads = method in READS and "blobs" not in path
        answers = [
            client.request(method, filled(path, "ada/penguins"), json=body(method, path)).status_code
            for client in (as_bob, anyone)
        ]
        assert answers == ([200, 200] if reads else [403, 401]), (method, path)
    with services.database.read() as read:
        assert hub.revision_of(read, repo, "main").commit_id == secret.commit_id
        assert {ref.name for ref in hub.list_refs(read, ada, repo.kind, repo.full_name)} == {"main", "dev"}


def test_lists_searches_and_lineage_say_nothing(secret: Revision, repo: Repo, as_bob: TestClient, anyone: TestClient):
    for client in (as_bob, anyone):
        for query in (
            {},
            {"search": "penguin"},
            {"tag": "secret-tag"},
            {"owner": "ada"},
            {"kind": "model", "limit": 1},
        ):
            assert client.get("/api/v1/repos", params=query).json() == {"items": [], "next_cursor": None}
        for rev in ("main", secret.commit_id, secret.commit_id[:8]):
            real = client.get("/api/v1/lineage", params={"of": f"model:ada/penguins@{rev}"})
            imagined = client.get("/api/v1/lineage", params={"of": f"model:ada/imagined@{rev}"})
            assert real.status_code == imagined.status_code == 404
            assert real.json()["error"]["code"] == imagined.json()["error"]["code"]
            assert secret.commit_id not in real.text.replace(rev, "")


def test_knowing_a_hash_gives_nothing(secret: Revision, as_bob: TestClient):
    made = as_bob.post("/api/v1/repos", json={"kind": "model", "name": "mine"}).json()
    base = "/api/v1/models/bob/mine"
    assert as_bob.head(f"{base}/blobs/{SHA256}").status_code == 404
    stolen = {"op": "add", "path": "x", "sha256": SHA256, "size": len(SECRET)}
    answer = as_bob.post(f"{base}/commits", json={"message": "x", "operations": [stolen]})
    assert answer.json()["error"]["code"] == "blob_not_uploaded"
    assert as_bob.get(f"{base}/files/{secret.commit_id}/secret.txt").json()["error"]["code"] == "revision_not_found"
    assert as_bob.put(f"{base}/branches/x", json={"revision": secret.commit_id}).status_code == 404
    parent = as_bob.post(f"{base}/commits", json={"message": "x", "parent": secret.commit_id, "operations": []})
    assert parent.json()["error"]["code"] == "revision_not_found"
    assert as_bob.get(base).json()["head"] == made["head"]


def test_an_upload_of_known_content_reads_like_one_of_new_content(secret: Revision, as_bob: TestClient):
    as_bob.post("/api/v1/repos", json={"kind": "model", "name": "mine"})
    assert as_bob.put(f"/api/v1/models/bob/mine/blobs/{SHA256}", content=b"guess").status_code == 400
    assert as_bob.put(f"/api/v1/models/bob/mine/blobs/{SHA256}", content=SECRET).status_code == 201
