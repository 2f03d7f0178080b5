"""Whoever may not see a repo reads of every one of its addresses what they read of a repo that is not there."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from wire_requests import commit_lines

ADDRESSES = [
    ("GET", "/api/models/{}", None),
    ("GET", "/api/models/{}/revision/main", None),
    ("GET", "/api/models/{}/revision/none", None),
    ("GET", "/api/models/{}/tree/main", None),
    ("GET", "/api/models/{}/tree/main/none", None),
    ("POST", "/api/models/{}/paths-info/main", "paths=a.txt"),
    ("GET", "/api/models/{}/refs", None),
    ("GET", "/api/models/{}/commits/main", None),
    ("GET", "/api/models/{}/auth-check", None),
    ("GET", "/api/models/{}/auth-check/write", None),
    ("GET", "/api/models/{}/likers", None),
    ("GET", "/api/models/{}/discussions", None),
    ("GET", "/api/models/{}/discussions/1?diff=1", None),
    ("GET", "/api/models/{}/refs?include_prs=1", None),
    ("GET", "/api/models/{}/xet-read-token/main", None),
    ("GET", "/{}/resolve/main/a.txt", None),
    ("HEAD", "/{}/resolve/main/none.txt", None),
    ("GET", "/api/models/{}/resolve/main/a.txt", None),
]
WRITES = [
    ("POST", "/api/models/{}/preupload/main", '{"files": []}'),
    ("POST", "/api/models/{}/commit/main", commit_lines({"x": b"1"}).decode()),
    ("POST", "/api/models/{}/branch/b", "{}"),
    ("DELETE", "/api/models/{}/branch/main", None),
    ("POST", "/api/models/{}/tag/main", '{"tag": "t"}'),
    ("DELETE", "/api/models/{}/tag/t", None),
    ("PUT", "/api/models/{}/settings", '{"private": false}'),
    ("GET", "/api/models/{}/xet-write-token/main", None),
    ("POST", "/api/models/{}/like", None),
    ("DELETE", "/api/models/{}/like", None),
    ("POST", "/{}.git/info/lfs/objects/batch", '{"operation": "upload", "objects": [], "ref": {"name": "main"}}'),
    ("GET", "/api/models/{}/user-access-request/pending", None),
    ("POST", "/api/models/{}/user-access-request/handle", '{"user": "bob", "status": "accepted"}'),
    ("GET", "/api/models/{}/lfs-files", None),
    ("POST", "/api/models/{}/lfs-files/batch", '{"deletions": {"sha": []}}'),
    ("POST", "/api/models/{}/super-squash/main", '{"message": "x"}'),
    ("POST", "/api/models/{}/user-access-request/grant", '{"user": "bob"}'),
    ("POST", "/{}.git/info/lfs/objects/batch", '{"operation": "download", "objects": []}'),
]

# What whoever may read a repo may do, too.
PROPOSALS = [
    ("GET", "/api/models/{}/xet-write-token/None?create_pr=1", None),
    ("GET", "/api/models/{}/xet-write-token/refs%2Fpr%2F1", None),
    ("POST", "/api/models/{}/preupload/main?create_pr=1", '{"files": []}'),
    ("POST", "/api/models/{}/preupload/refs%2Fpr%2F1", '{"files": []}'),
    ("POST", "/api/models/{}/commit/main?create_pr=1", commit_lines({"x": b"1"}).decode()),
    ("POST", "/api/models/{}/commit/refs%2Fpr%2F1", commit_lines({"x": b"1"}).decode()),
    ("POST", "/api/models/{}/discussions", '{"title": "t", "description": "d"}'),
    ("POST", "/api/models/{}/discussions", '{"title": "t", "description": "d", "pullRequest": true}'),
    ("POST", "/api/models/{}/discussions/1/comment", '{"comment": "c"}'),
    ("POST", "/api/models/{}/discussions/1/comment/evt_x/edit", '{"content": "c"}'),
    ("POST", "/api/models/{}/discussions/1/comment/evt_x/hide", None),
    ("POST", "/api/models/{}/discussions/1/title", '{"title": "t"}'),
    ("POST", "/api/models/{}/discussions/1/status", '{"status": "closed"}'),
    ("POST", "/api/models/{}/discussions/1/merge", "null"),
]


def ask(client: TestClient, method: str, template: str, body: str | None, repo: str) -> tuple[int, str, str]:
    form = {"content-type": "application/x-www-form-urlencoded"} if body and body.startswith("paths") else {}
    answer = client.request(method, template.format(repo), content=body, headers=form)
    text = "" if method == "HEAD" else answer.json()["error"]
    return answer.status_code, answer.headers["x-error-code"], text.replace(repo, "REPO")


@pytest.mark.parametrize(("method", "template", "body"), [*ADDRESSES, *WRITES, *PROPOSALS])
def test_another_user_sees_nothing(
    as_bob: TestClient, push, repo: str, method: str, template: str, body: str | None
) -> None:
    push({"a.txt": b"secret"})
    there = ask(as_bob, method, template, body, repo)
    assert there[:2] == (404, "RepoNotFound")
    assert there == ask(as_bob, method, template, body, "ada/nothing")


@pytest.mark.parametrize(("method", "template", "body"), [*ADDRESSES, *WRITES, *PROPOSALS])
def test_nobody_sees_nothing(anyone: TestClient, push, repo: str, method: str, template: str, body: str | None) -> None:
    push({"a.txt": b"secret"})
    there = ask(anyone, method, template, body, repo)
    assert there[0] in (401, 404)
    assert there == ask(anyone, method, template, body, "ada/nothing")


# Readers may like, and fetch by LFS.
REFUSED = [case for case in WRITES if not case[1].endswith("/like") and "download" not in str(case[2])]


@pytest.mark.parametrize(("method", "template", "body"), REFUSED)
def test_what_one_may_read_one_may_not_write(
    as_ada: TestClient, as_bob: TestClient, repo: str, method: str, template: str, body: str | None
) -> None:
    as_ada.put(f"/api/models/{repo}/settings", json={"private": False})
    assert ask(as_bob, method, template, body, repo)[:2] == (403, "Forbidden")


def test_lists_and_creation_tell_nothing(as_ada: TestClient, as_bob: TestClient, anyone: TestClient, repo: str) -> None:
    for client in (as_bob, anyone):
        assert client.get("/api/models").json() == []
        assert client.get("/api/models?search=penguins&author=ada").json() == []
    taken = as_bob.post("/api/repos/create", json={"name": "penguins", "organization": "ada"})
    free = as_bob.post("/api/repos/create", json={"name": "nothing", "organization": "ada"})
    assert (taken.status_code, taken.headers["x-error-code"]) == (free.status_code, free.headers["x-error-code"])
    assert "url" not in taken.json()
