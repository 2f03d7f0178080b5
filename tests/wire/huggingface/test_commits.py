from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from wire_requests import commit_lines, head, lfs_line

from tholos.kit.services import Services

WEIGHTS = b"\0weights" * 1000


def upload(client: TestClient, repo: str, data: bytes, **changes: object) -> dict[str, object]:
    """Asks for the batch and sends what it asks for; returns the object of the answer."""
    wanted = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), **changes}
    body = {"operation": "upload", "transfers": ["basic", "multipart"], "objects": [wanted], "hash_algo": "sha256"}
    answer = client.post(f"/{repo}.git/info/lfs/objects/batch", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["transfer"] == "basic"
    found: dict[str, object] = answer.json()["objects"][0]
    return found


def send(anyone: TestClient, found: dict, data: bytes):
    return anyone.put(found["actions"]["upload"]["href"], content=data)


def test_preupload_says_how_to_send_each_file(as_ada: TestClient, repo: str, push) -> None:
    push({"here.txt": b"here", "w.bin": WEIGHTS})
    samples = {
        "new.txt": b"text",
        "w.bin": WEIGHTS[:512],
        "raw": b"\0\1",
        "big.txt": b"x" * 512,
        "empty.bin": b"",
        "here.txt": b"here",
        "notes.log": b"l",
    }
    sizes = {"big.txt": 20_000_000, "w.bin": len(WEIGHTS)}
    files = [
        {"path": path, "sample": base64.b64encode(data).decode(), "size": sizes.get(path, len(data))}
        for path, data in samples.items()
    ]
    answer = as_ada.post(f"/api/models/{repo}/preupload/main", json={"files": files, "gitIgnore": "*.log\n"})
    found = {file["path"]: file for file in answer.json()["files"]}
    assert [path for path, file in found.items() if file["uploadMode"] == "lfs"] == ["w.bin", "raw", "big.txt"]
    assert {file["uploadMode"] for file in found.values()} == {"lfs", "regular"}
    assert [path for path, file in found.items() if file["shouldIgnore"]] == ["notes.log"]
    assert found["here.txt"]["oid"] == hashlib.sha1(b"blob 4\0here").hexdigest()
    assert found["w.bin"]["oid"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert "oid" not in found["new.txt"]
    for bad in (
        {"files": [3]},
        {"files": [{"path": "../x"}]},
        {"files": [{"path": "a", "sample": "%"}]},
        {"files": {}},
    ):
        assert as_ada.post(f"/api/models/{repo}/preupload/main", json=bad).status_code == 400, bad
    assert (
        as_ada.post(f"/api/models/{repo}/preupload/none", json={"files": []}).headers["x-error-code"]
        == "RevisionNotFound"
    )
    assert as_ada.post(f"/api/models/{repo}/preupload/main?create_pr=1", json={"files": []}).status_code == 200


def test_a_commit_lands_and_its_repetition_changes_nothing(as_ada: TestClient, repo: str, push) -> None:
    parent = head(as_ada, repo)
    done = push({"a.txt": b"1"}, parent=parent)
    assert done.json()["commitUrl"] == f"http://testserver/{repo}/commit/{done.json()['commitOid']}"
    again = push({"a.txt": b"1"}, parent=parent)
    assert again.json()["commitOid"] == done.json()["commitOid"] == head(as_ada, repo)
    assert push({"a.txt": b"1"}).json()["commitOid"] == head(as_ada, repo)
    deleted = push({}, more=({"key": "deletedFile", "value": {"path": "a.txt"}},))
    assert deleted.status_code == 200
    missing = push({}, more=({"key": "deletedFile", "value": {"path": "a.txt"}},))
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "EntryNotFound")
    assert "A file with this name doesn't exist" in missing.json()["error"]


def test_a_commit_on_a_parent_that_is_no_head_any_more(as_ada: TestClient, repo: str, push) -> None:
    parent = head(as_ada, repo)
    push({"a.txt": b"1"})
    stale = push({"b.txt": b"2"}, parent=parent)
    assert (stale.status_code, stale.headers["x-error-code"]) == (412, "PreconditionFailed")
    assert push({"b.txt": b"2"}, parent="f" * 40).headers["x-error-code"] == "RevisionNotFound"


def test_racing_commits_on_one_parent(as_ada: TestClient, repo: str, push) -> None:
    parent = head(as_ada, repo)
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda n: push({f"{n}.txt": b"%d" % n}, parent=parent).status_code, range(4)))
    assert statuses == [200, 412, 412, 412]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda n: push({f"free-{n}.txt": b"x"}).status_code, range(4))) == {200}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"key": "header"}',
        b'{"key": "header", "value": {"summary": ""}}',
        b'{"key": "header", "value": {"summary": 3}}',
        b'{"key": "surprise", "value": {}}',
        commit_lines({"../a": b"1"}),
        commit_lines({"a\0b": b"1"}),
        commit_lines({"x" * 5000: b"1"}),
        commit_lines({".git/config": b"1"}),
        commit_lines({"a": b"1"}, more=({"key": "file", "value": {"path": "b", "content": "%%%"}},)),
        commit_lines({"a": b"1"}, more=({"key": "file", "value": {"path": "a", "content": ""}},)),
        commit_lines({"a": b"1", "A": b"2"}),
        commit_lines({}, more=(lfs_line("w.bin", WEIGHTS),)),
        commit_lines({}, more=(lfs_line("w.bin", WEIGHTS, oid="../../etc"),)),
        commit_lines({}, more=(lfs_line("w.bin", WEIGHTS, size=-1),)),
        commit_lines({}, more=(lfs_line("w.bin", WEIGHTS, algo="md5"),)),
    ],
)
def test_malformed_commits_leave_no_trace(as_ada: TestClient, repo: str, body: bytes) -> None:
    before = head(as_ada, repo)
    refused = as_ada.post(f"/api/models/{repo}/commit/main", content=body)
    assert refused.status_code == 400, refused.text
    assert refused.headers["x-error-code"]
    assert head(as_ada, repo) == before


def test_bodies_are_bounded(as_ada: TestClient, app: FastAPI, services: Services, repo: str, push) -> None:
    small = services.settings.model_copy(update={"max_commit_stream_bytes": 50_000, "max_commit_operations": 3})
    app.state.services = replace(services, settings=small)
    assert push({"a": b"x" * 40_000}).status_code == 413
    assert push({str(n): b"x" for n in range(4)}).status_code == 413
    assert as_ada.post("/api/validate-yaml", content=b"x" * (17 << 20)).status_code == 413


def test_large_regular_files_go_straight_to_the_store(as_ada: TestClient, repo: str, push) -> None:
    data = bytes(range(32, 127)) * 3000
    assert push({"large.txt": data}).status_code == 200
    assert as_ada.get(f"/{repo}/resolve/main/large.txt").content == data


def test_a_batch_sends_back_only_what_can_be_an_object(as_ada: TestClient, repo: str, push) -> None:
    nested: object = "x"
    for _ in range(400):
        nested = [nested]
    for wanted, shown in (
        ({"oid": nested, "size": 1}, {"oid": None, "size": 1}),
        ({"oid": "x", "size": nested}, {"oid": "x", "size": None}),
        ({"oid": "a\0b", "size": 1}, {"oid": "a\0b", "size": 1}),
        (nested, {"oid": None, "size": None}),
    ):
        for operation in ("upload", "download"):
            body = {"operation": operation, "objects": [wanted]}
            answer = as_ada.post(f"/{repo}.git/info/lfs/objects/batch", json=body)
            assert answer.status_code == 200, answer.text
            found = answer.json()["objects"][0]
            assert found.pop("error")["code"] == 422
            assert found == shown
    assert push({}, more=(lfs_line("w.bin", WEIGHTS, oid="a\0b"),)).status_code == 400


def test_lfs_upload_commit_download(as_ada: TestClient, anyone: TestClient, repo: str, push) -> None:
    found = upload(as_ada, repo, WEIGHTS)
    sent = send(anyone, found, WEIGHTS)
    assert sent.status_code == 200, sent.text
    assert set(found["actions"]) == {"upload"}  # the upload itself is verified
    assert "actions" not in upload(as_ada, repo, WEIGHTS)
    assert push({}, more=(lfs_line("w.bin", WEIGHTS),)).status_code == 200
    assert push({}, more=(lfs_line("copy.bin", WEIGHTS, size=None),)).status_code == 200
    assert as_ada.get(f"/{repo}/resolve/main/copy.bin").content == WEIGHTS
    body = {"operation": "download", "objects": [{"oid": found["oid"], "size": len(WEIGHTS)}]}
    batch = as_ada.post(f"/{repo}.git/info/lfs/objects/batch", json=body).json()["objects"][0]
    fetched = anyone.get(batch["actions"]["download"]["href"], headers={"range": "bytes=1-7"})
    assert (fetched.status_code, fetched.content) == (206, b"weights")


def test_uploads_that_lie(as_ada: TestClient, anyone: TestClient, as_bob: TestClient, repo: str, push) -> None:
    found = upload(as_ada, repo, WEIGHTS)
    href = found["actions"]["upload"]["href"]
    assert send(anyone, found, b"something else").headers["x-error-code"] == "BlobMismatch"
    assert anyone.put(href.replace(found["oid"], "0" * 64), content=b"x").status_code == 403
    assert anyone.put(href[:-4] + "AAAA", content=WEIGHTS).status_code == 403
    assert anyone.put(href.partition("?")[0], content=WEIGHTS).status_code == 403
    assert anyone.get(href).status_code == 403
    assert push({}, more=(lfs_line("w.bin", WEIGHTS),)).headers["x-error-code"] == "BlobNotUploaded"
    assert send(anyone, found, WEIGHTS).status_code == 200
    assert push({}, more=(lfs_line("w.bin", WEIGHTS, size=7),)).status_code == 400
    for changes in ({"oid": "x"}, {"size": -1}, {"size": 1 << 60}, {"size": "7"}):
        assert upload(as_ada, repo, WEIGHTS, **changes)["error"]["message"]
    # What ada has is neither bob's nor known to him.
    as_bob.post("/api/repos/create", json={"name": "thief"})
    assert "actions" in upload(as_bob, "bob/thief", WEIGHTS)
    stolen = as_bob.post(
        "/api/models/bob/thief/commit/main", content=commit_lines({}, more=(lfs_line("w.bin", WEIGHTS),))
    )
    assert (stolen.status_code, stolen.headers["x-error-code"]) == (400, "BlobNotUploaded")
    body = {"operation": "download", "objects": [{"oid": found["oid"], "size": len(WEIGHTS)}]}
    assert as_bob.post("/bob/thief.git/info/lfs/objects/batch", json=body).json()["objects"][0]["error"]["code"] == 404


def test_git_asks_for_a_password_after_a_401(as_ada: TestClient, anyone: TestClient, ada_token: str, repo: str) -> None:
    body = {"operation": "download", "objects": []}
    address = f"/{repo}.git/info/lfs/objects/batch"
    assert anyone.post(address, json=body).status_code == 401
    assert anyone.post("/ada/none.git/info/lfs/objects/batch", json=body).status_code == 401
    assert anyone.post(address, json=body, auth=("ada", ada_token)).status_code == 200
    assert anyone.post(address, json=body, auth=("ada", "wrong")).status_code == 401
    assert anyone.post(f"/{repo}.git/info/lfs/locks/verify", json={}).status_code == 501
