"""Commits over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

COMMITS = "/api/v1/models/ada/penguins/commits"
pytestmark = pytest.mark.usefixtures("repo")


def add(path: str, data: bytes) -> dict[str, str]:
    return {"op": "add", "path": path, "content_base64": base64.b64encode(data).decode()}


def test_an_upload_and_a_commit(as_ada: TestClient, files: Callable[..., dict[str, bytes]]):
    data = b"model\0weights"
    sha256 = hashlib.sha256(data).hexdigest()
    head = as_ada.get("/api/v1/models/ada/penguins").json()["head"]
    as_ada.put(f"/api/v1/models/ada/penguins/blobs/{sha256}", content=data)
    answer = as_ada.post(
        COMMITS,
        json={
            "message": "Add a model",
            "parent": head,
            "operations": [
                {"op": "add", "path": "model.onnx", "sha256": sha256, "size": len(data)},
                add("README.md", b"# Penguins"),
            ],
        },
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["repo"], body["kind"], body["parents"], body["job_id"]) == ("ada/penguins", "model", [head], None)
    assert files() == {"model.onnx": data, "README.md": b"# Penguins"}
    again = as_ada.post(COMMITS, json={"message": "x", "parent": head, "operations": [add("b", b"1")]})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "commit_race")
    assert again.json()["error"]["details"]["head"] == body["id"]


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b'"\\ud800"',
    {"operations": []},
    {"message": "x"},
    {"message": "x", "operations": [{"op": "move", "path": "a"}]},
    {"message": "x", "operations": [{"op": "add", "path": "a"}]},
    {"message": "x", "operations": [{"op": "add", "path": "a", "sha256": "0" * 64}]},
    {"message": "x", "operations": [{"op": "add", "path": "a", "sha256": "X", "size": 1}]},
    {"message": "x", "operations": [{"op": "add", "path": "a", "sha256": "0" * 64, "size": -1}]},
    {"message": "x", "operations": [{**add("a", b"1"), "sha256": "0" * 64, "size": 1}]},
    {"message": "x", "operations": [{"op": "add", "path": "a", "content_base64": "not base64!"}]},
    {"message": "x", "operations": [{"op": "add", "path": "a", "content_base64": "é"}]},
    {"message": "x", "parent": "main", "operations": []},
    {"message": "x", "operations": [], "force": True},
    {"message": "a\0b", "operations": []},
    {"message": "x", "branch": "a\0b", "operations": []},
    {"message": "x", "operations": [add("a\0b", b"1")]},
    {"message": "x", "operations": [add("../b", b"1")]},
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_malformed_commits_are_refused(as_ada: TestClient, subtests: pytest.Subtests):
    for body in MALFORMED:
        with subtests.test(case=ascii(body)[:80]):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = as_ada.post(COMMITS, content=content)
            assert answer.status_code in (400, 404)
            error = answer.json()["error"]
            assert error["code"] in ("invalid_request", "invalid_commit", "invalid_path", "revision_not_found")
            assert error["next"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_commit_is_bounded(as_ada_with: Callable[..., TestClient]):
    client = as_ada_with(max_commit_bytes=10_000, max_commit_operations=3)
    answer = client.post(COMMITS, json={"message": "x", "operations": [add("a", b"1" * 20_000)]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "commit_too_large")
    answer = client.post(COMMITS, json={"message": "x", "operations": [add(f"{n}", b"1") for n in range(4)]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_operations")


def test_a_card_over_http(as_ada: TestClient):
    text = b"---\nlicense: mit\n---\n# Hi\n\n[guide](docs/guide.md) <script>alert(1)</script>\n"
    commit = as_ada.post(COMMITS, json={"message": "x", "operations": [add("README.md", text)]}).json()["id"]
    card = as_ada.get("/api/v1/models/ada/penguins/card").json()
    assert card["metadata"] == {"license": "mit"}
    assert card["warnings"] == []
    assert f'href="/api/v1/models/ada/penguins/files/{commit}/docs/guide.md"' in card["html"]
    assert "<script" not in card["html"]
    as_ada.post(COMMITS, json={"message": "x", "operations": [add("README.md", b"---\na: [\n---\n# Broken")]})
    broken = as_ada.get("/api/v1/models/ada/penguins/card").json()
    assert "<h1>Broken</h1>" in broken["html"]
    assert broken["warnings"]
    first = as_ada.get("/api/v1/models/ada/penguins/card", params={"rev": commit}).json()
    assert first["metadata"] == {"license": "mit"}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_no_other_address_takes_a_body_without_bounds(as_ada: TestClient):
    body = b'{"revision": "main", "force": "' + b" " * 20_000_000 + b'"}'
    for path in ("branches/x/blobs/y", "branches/x/commits"):
        answer = as_ada.put(f"/api/v1/models/ada/penguins/{path}", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
