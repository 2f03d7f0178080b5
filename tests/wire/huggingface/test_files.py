from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from wire_requests import head

TEXT = b"0123456789" * 10


@pytest.fixture
def filled(push, repo: str) -> str:
    done = push({"a.txt": TEXT, "data/x y.txt": b"x", "data/deep/w.bin": b"\0\1" * 50, "empty": b""})
    assert done.status_code == 200, done.text
    return repo


def test_resolve_of_a_small_file(as_ada: TestClient, filled: str) -> None:
    commit = head(as_ada, filled)
    for call in (as_ada.get, as_ada.head):
        found = call(f"/{filled}/resolve/main/a.txt")
        assert found.status_code == 200
        assert found.headers["x-repo-commit"] == commit
        oid = hashlib.sha1(b"blob 100\0" + TEXT).hexdigest()
        assert found.headers["etag"] == f'"{oid}"'
        assert found.headers["content-length"] == "100"
        assert found.headers["accept-ranges"] == "bytes"
        assert "x-linked-etag" not in found.headers
    assert as_ada.get(f"/{filled}/resolve/main/a.txt").content == TEXT
    assert as_ada.head(f"/{filled}/resolve/main/a.txt").content == b""
    assert as_ada.get(f"/{filled}/resolve/main/data/x%20y.txt").content == b"x"
    assert as_ada.get(f"/{filled}/resolve/main/empty").content == b""
    assert "immutable" in as_ada.get(f"/{filled}/resolve/{commit}/a.txt").headers["cache-control"]


def test_resolve_of_an_lfs_file(as_ada: TestClient, filled: str) -> None:
    found = as_ada.head(f"/{filled}/resolve/main/data/deep/w.bin")
    sha256 = hashlib.sha256(b"\0\1" * 50).hexdigest()
    assert found.headers["etag"] == found.headers["x-linked-etag"] == f'"{sha256}"'
    assert found.headers["x-linked-size"] == found.headers["content-length"] == "100"
    assert "x-xet-hash" not in found.headers


def test_ranges(as_ada: TestClient, filled: str) -> None:
    address = f"/{filled}/resolve/main/a.txt"
    part = as_ada.get(address, headers={"range": "bytes=95-"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"56789", "bytes 95-99/100")
    assert as_ada.get(address, headers={"range": "bytes=0-1000000"}).headers["content-range"] == "bytes 0-99/100"
    past = as_ada.get(address, headers={"range": "bytes=100-"})
    assert past.status_code == 416
    assert past.headers["x-repo-commit"] == head(as_ada, filled)


def test_what_is_missing_says_what_is_missing(as_ada: TestClient, filled: str) -> None:
    missing = as_ada.head(f"/{filled}/resolve/main/none.txt")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "EntryNotFound")
    assert missing.headers["x-repo-commit"] == head(as_ada, filled)
    folder = as_ada.get(f"/{filled}/resolve/main/data")
    assert folder.headers["x-error-code"] == "EntryNotFound"
    assert as_ada.get(f"/{filled}/resolve/none/a.txt").headers["x-error-code"] == "RevisionNotFound"
    assert as_ada.get("/ada/none/resolve/main/a.txt").headers["x-error-code"] == "RepoNotFound"
    assert as_ada.get(f"/datasets/{filled}/resolve/main/a.txt").headers["x-error-code"] == "RepoNotFound"
    assert as_ada.get("/a--b/c/resolve/main/x").headers["x-error-code"] == "RepoNotFound"


@pytest.mark.parametrize(
    "path", ["%2e%2e/a.txt", "a%00b", "x" * 5000, "%2fetc/passwd", "a%5cb", ".git/config", "%ff", "a//b", "\u202ex"]
)
def test_bad_paths(as_ada: TestClient, filled: str, path: str) -> None:
    for address in (f"/{filled}/resolve/main/{path}", f"/api/models/{filled}/tree/main/{path}"):
        refused = as_ada.get(address)
        assert refused.status_code in (400, 404), refused.text
        assert refused.headers["x-error-code"]
    for rev in (path.replace("/", "%2F"), "%00", "x" * 400):
        refused = as_ada.get(f"/{filled}/resolve/{rev}/a.txt")
        assert refused.status_code in (400, 404)
    looked_up = as_ada.post(
        f"/api/models/{filled}/paths-info/main", data={"paths": ["..", "a\0b", "x" * 5000, "a.txt"]}
    )
    assert [entry["path"] for entry in looked_up.json()] == ["a.txt"]


def test_tree(as_ada: TestClient, filled: str) -> None:
    top = as_ada.get(f"/api/models/{filled}/tree/main").json()
    assert [(entry["type"], entry["path"]) for entry in top] == [
        ("file", ".gitattributes"),
        ("file", "a.txt"),
        ("directory", "data"),
        ("file", "empty"),
    ]
    below = as_ada.get(f"/api/models/{filled}/tree/main/{quote('data/deep', safe='')}").json()
    sha256 = hashlib.sha256(b"\0\1" * 50).hexdigest()
    assert [entry["path"] for entry in below] == ["data/deep/w.bin"]
    assert below[0]["lfs"] == {"oid": sha256, "size": 100, "pointerSize": 128}
    assert below[0]["size"] == 100
    assert "xetHash" not in below[0]
    missing = as_ada.get(f"/api/models/{filled}/tree/main/none")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "EntryNotFound")


def test_a_tree_is_paged(as_ada: TestClient, filled: str, push) -> None:
    seen: list[str] = []
    address = f"http://testserver/api/models/{filled}/tree/main?recursive=True&limit=2"
    while address:
        page = as_ada.get(address)
        seen += [entry["path"] for entry in page.json()]
        address = page.links["next"]["url"] if "link" in page.headers else ""
        push({f"later-{len(seen)}.txt": b"x"})  # pages agree while the branch moves on
    assert seen == [
        ".gitattributes", "a.txt", "data", "data/deep", "data/deep/w.bin", "data/x y.txt", "empty",
    ]  # fmt: skip


def test_expanded_entries_name_the_commit_that_made_them(as_ada: TestClient, filled: str, push) -> None:
    first = head(as_ada, filled)
    second = push({"data/new.txt": b"n"}).json()["commitOid"]
    found = as_ada.get(f"/api/models/{filled}/tree/main?expand=true").json()
    commits = {entry["path"]: entry["lastCommit"]["id"] for entry in found}
    assert commits["a.txt"] == first
    assert commits["data"] == second
    body = {"paths": ["a.txt", "data", "none"], "expand": "True"}
    looked_up = as_ada.post(f"/api/models/{filled}/paths-info/main", data=body).json()
    assert {entry["path"]: entry["lastCommit"]["id"] for entry in looked_up} == {"a.txt": first, "data": second}


def test_slashes_in_revisions_stay_one_segment(as_ada: TestClient, filled: str, push) -> None:
    assert as_ada.post(f"/api/models/{filled}/branch/dev%2Fx", json={}).status_code == 200
    assert push({"dev.txt": b"d"}, rev="dev%2Fx").status_code == 200
    assert as_ada.get(f"/{filled}/resolve/dev%2Fx/dev.txt").content == b"d"
    assert as_ada.get(f"/{filled}/resolve/dev/x/dev.txt").headers["x-error-code"] == "RevisionNotFound"
    assert as_ada.get(f"/{filled}/resolve/refs%2Fheads%2Fdev%2Fx/dev.txt").content == b"d"
    assert as_ada.get(f"/{filled}/resolve/refs%2Fpr%2F1/a.txt").headers["x-error-code"] == "RevisionNotFound"
    assert as_ada.get(f"/{filled}/resolve/refs/pr/1/a.txt").headers["x-error-code"] == "RevisionNotFound"


def test_branches_tags_and_history(as_ada: TestClient, filled: str) -> None:
    commit = head(as_ada, filled)
    api = f"/api/models/{filled}"
    assert as_ada.post(f"{api}/tag/main", json={"tag": "v1", "message": "one"}).status_code == 200
    assert as_ada.post(f"{api}/tag/main", json={"tag": "v1"}).status_code == 409
    assert as_ada.post(f"{api}/branch/b", json={"startingPoint": commit}).status_code == 200
    assert as_ada.post(f"{api}/branch/b", json={}).status_code == 409
    assert as_ada.post(f"{api}/branch/{'a' * 40}", json={}).status_code == 400
    refs = as_ada.get(f"{api}/refs?include_prs=1").json()
    assert set(refs) == {"branches", "converts", "tags", "pullRequests"}
    assert refs["tags"] == [{"name": "v1", "ref": "refs/tags/v1", "targetCommit": commit}]
    assert as_ada.delete(f"{api}/tag/v1").status_code == 200
    assert as_ada.delete(f"{api}/tag/v1").headers["x-error-code"] == "RevisionNotFound"
    assert as_ada.delete(f"{api}/branch/main").status_code == 409
    history = as_ada.get(f"{api}/commits/main?expand[]=formatted&limit=1")
    assert history.headers["x-total-count"] == "2"
    assert history.json()[0]["authors"] == [{"user": "ada"}]
    assert history.json()[0]["formatted"]["title"] == "Change"
    assert len(as_ada.get(history.links["next"]["url"]).json()) == 1
