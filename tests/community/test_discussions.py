"""Discussions by the REST API: what one may say, and what is refused."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, Scope
from tholos.community import discussions as room
from tholos.hub.models import Repo
from tholos.kit.services import Services

ALL = "/api/v1/models/ada/penguins/discussions"


def opened(client: TestClient, title: str = "Which island?", **more: object) -> str:
    made = client.post(ALL, json={"title": title, **more})
    assert made.status_code == 201, made.text
    return f"{ALL}/{made.json()['number']}"


def code(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_numbers_are_shared_and_lists_are_filtered(as_ada: TestClient, as_bob: TestClient, repo: Repo) -> None:
    opened(as_ada, "one")
    opened(as_bob, "two", pull_request=True)
    opened(as_bob, "three")
    as_ada.patch(f"{ALL}/1", json={"status": "closed"})

    def numbers(**query: str) -> list[int]:
        return [item["number"] for item in as_ada.get(ALL, params=query).json()["items"]]

    assert numbers() == [3, 2, 1]
    assert numbers(type="discussion") == [3, 1]
    assert numbers(status="open") == [3, 2]
    assert numbers(status="draft") == [2]
    assert numbers(status="closed") == [1]
    assert numbers(author="BOB") == [3, 2]
    assert numbers(author="nobody") == []
    assert numbers(author="\0") == []
    first = as_ada.get(ALL, params={"limit": 2}).json()
    assert (first["total"], [item["number"] for item in first["items"]]) == (3, [3, 2])
    assert numbers(cursor=first["next_cursor"]) == [1]
    assert as_ada.get(ALL, params={"type": "x"}).status_code == 400


def test_what_was_said_is_rendered_safely_and_kept_when_edited(as_ada: TestClient, repo: Repo) -> None:
    text = "<script>alert(1)</script> [x](javascript:alert(1)) ![i](a.png) <img src=x onerror=y> **b** [f](data/w.bin)"
    at = opened(as_ada, text=text)
    said = as_ada.get(f"{at}/events").json()["items"][0]
    assert "<script" not in said["html"]
    assert "javascript:" not in said["html"].replace("](javascript", "")
    assert "onerror" not in said["html"].replace("&lt;img src=x onerror=y&gt;", "")
    assert 'href="/ada/penguins/blob/main/data/w.bin"' in said["html"]
    edited = as_ada.patch(f"{at}/comments/{said['id']}", json={"text": "shorter"}).json()
    assert [edit["text"] for edit in edited["edits"]] == [text]
    again = as_ada.patch(f"{at}/comments/{said['id']}", json={"text": "shorter"}).json()
    assert len(again["edits"]) == 1, "nothing changed"


def test_a_hidden_comment_is_gone_for_ever(as_ada: TestClient, as_bob: TestClient, repo: Repo) -> None:
    at = opened(as_bob, text="my password is hunter2")
    said = as_bob.get(f"{at}/events").json()["items"][0]["id"]
    as_bob.patch(f"{at}/comments/{said}", json={"text": "my password is hunter3"})
    assert as_ada.post(f"{at}/comments/{said}/hide").json()["hidden"]
    assert as_ada.post(f"{at}/comments/{said}/hide").status_code == 200
    assert "hunter" not in as_bob.get(f"{at}/events").text
    assert code(as_bob.patch(f"{at}/comments/{said}", json={"text": "x"})) == (409, "comment_hidden")


def test_strangers_and_readers_of_public_repos(
    as_ada: TestClient, as_bob: TestClient, anyone: TestClient, repo: Repo
) -> None:
    at = opened(as_ada, text="hello")
    said = anyone.get(f"{at}/events").json()["items"][0]["id"]
    assert anyone.get(at).json()["title"] == "Which island?"
    assert anyone.post(f"{at}/comments", json={"text": "x"}).status_code == 401
    assert anyone.post(ALL, json={"title": "x"}).status_code == 401
    assert code(as_bob.patch(f"{at}/comments/{said}", json={"text": "x"})) == (403, "forbidden")
    assert code(as_bob.post(f"{at}/comments/{said}/hide")) == (403, "forbidden")
    assert code(as_bob.patch(at, json={"title": "x"})) == (403, "forbidden")
    assert code(as_bob.patch(at, json={"status": "closed"})) == (403, "forbidden")
    mine = as_bob.post(f"{at}/comments", json={"text": "mine"}).json()["id"]
    assert code(as_ada.patch(f"{at}/comments/{mine}", json={"text": "x"})) == (403, "forbidden")


@pytest.mark.parametrize(
    "body", [{"title": "x" * 5000}, {"title": " "}, {"title": ""}, {}, {"title": "a\0"}, {"title": 3}]
)
def test_titles_that_cannot_be(as_ada: TestClient, repo: Repo, body: dict[str, object]) -> None:
    assert as_ada.post(ALL, json=body).status_code in (400, 422)
    at = opened(as_ada)
    assert as_ada.patch(at, json=body).status_code in (400, 422)
    assert as_ada.get(ALL).json()["total"] == 1


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 70_000, "a\0b"])
def test_comments_that_cannot_be(as_ada: TestClient, repo: Repo, text: str) -> None:
    at = opened(as_ada)
    assert as_ada.post(f"{at}/comments", json={"text": text}).status_code in (400, 422)
    assert as_ada.get(f"{at}/events").json()["items"] == []


@pytest.mark.parametrize("number", ["0", "-1", "99", "2147483648", "9" * 30, "x", "1.5"])
def test_numbers_that_are_none(as_ada: TestClient, anyone: TestClient, repo: Repo, number: str) -> None:
    opened(as_ada)
    assert as_ada.get(f"{ALL}/{number}").status_code in (400, 404)
    assert as_ada.get(f"/api/models/ada/penguins/discussions/{number}").status_code in (400, 404)
    assert as_ada.get(f"/api/models/ada/penguins/discussions?p={number}").status_code in (200, 400)
    answer = as_ada.get(f"/api/models/ada/penguins/tree/refs%2Fpr%2F{number}")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_a_closed_discussion_takes_nothing_until_it_is_open_again(as_ada: TestClient, repo: Repo) -> None:
    at = opened(as_ada)
    assert as_ada.patch(at, json={"status": "closed", "text": "Done."}).json()["status"] == "closed"
    assert code(as_ada.post(f"{at}/comments", json={"text": "x"})) == (409, "discussion_closed")
    assert code(as_ada.patch(at, json={"status": "closed"})) == (409, "status_unchanged")
    as_ada.patch(at, json={"status": "open"})
    assert as_ada.post(f"{at}/comments", json={"text": "x"}).status_code == 201
    kinds = [event["kind"] for event in as_ada.get(f"{at}/events").json()["items"]]
    assert kinds == ["comment", "status-change", "status-change", "comment"]
    assert code(as_ada.post(f"{at}/merge", json={})) == (400, "not_a_pull_request")
    assert code(as_ada.get(f"{at}/diff")) == (400, "not_a_pull_request")


def test_a_discussion_has_an_end(as_ada: TestClient, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_EVENTS", 4)
    at = opened(as_ada, text="one")
    as_ada.post(f"{at}/comments", json={"text": "two"})
    as_ada.post(f"{at}/comments", json={"text": "three"})
    assert code(as_ada.post(f"{at}/comments", json={"text": "four"})) == (409, "discussion_full")


def test_a_key_that_only_reads_says_nothing(
    app, services: Services, ada: Actor, as_ada: TestClient, repo: Repo
) -> None:
    at = opened(as_ada)
    with services.database.write() as write:
        key = accounts.create_key(write, ada, "reader", frozenset({Scope.READ}), None).secret
    reader = TestClient(app, headers={"authorization": f"Bearer {key}"})
    assert code(reader.post(f"{at}/comments", json={"text": "x"})) == (403, "missing_scope")
    assert code(reader.post(ALL, json={"title": "x", "pull_request": True})) == (403, "missing_scope")
    assert reader.get("/api/models/ada/penguins/xet-write-token/None?create_pr=1").status_code == 403


def test_a_deleted_repo_takes_its_discussions_along(as_ada: TestClient, repo: Repo) -> None:
    opened(as_ada, text="x")
    opened(as_ada, pull_request=True, text="x")
    assert as_ada.delete("/api/v1/models/ada/penguins").status_code == 204
    assert code(as_ada.get(f"{ALL}/1")) == (404, "repo_not_found")
