"""Repos that were moved: who may move them, and what answers under their former names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor, Role
from tholos.hub import service as hub
from tholos.hub.collaborators import set_collaborator
from tholos.hub.models import Repo
from tholos.kit.services import Services

AT = "/api/v1/models/ada/penguins"
PAGES = {"accept": "text/html"}


@pytest.fixture
def moved(as_ada: TestClient, repo: Repo) -> Repo:
    """The private ada/birds, which was ada/penguins before."""
    answer = as_ada.post(f"{AT}/move", json={"to": "ada/birds"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "ada/birds"
    assert answer.json()["id"] == repo.id
    return repo


def asked(client: TestClient, method: str, path: str, **rest: object) -> tuple[int, str]:
    answer = client.request(method, path, follow_redirects=False, **rest)  # type: ignore[arg-type]
    return answer.status_code, answer.headers.get("location", "")


REFUSED = [
    ("ada/gulls", 409, "repo_exists"),
    ("ADA/Gulls", 409, "repo_exists"),
    ("bob/penguins", 403, "forbidden"),
    ("nobody/penguins", 404, "account_not_found"),
    ("ada/..", 400, "invalid_name"),
    ("ada/a/b", 400, "invalid_name"),
    ("ada/\0", 400, "invalid_name"),
    ("", 400, "invalid_name"),
    ("a/" + "b" * 300, 400, "invalid_request"),
    (7, 400, "invalid_request"),
]


def test_what_cannot_be_is_refused_and_nothing_moves(
    as_ada: TestClient, services: Services, ada: Actor, bob: Actor, repo: Repo
) -> None:
    hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/gulls")
    for to, status, code in REFUSED:
        answer = as_ada.post(f"{AT}/move", json={"to": to})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), to
        assert answer.json()["error"]["next"], to
    assert as_ada.get(AT).json()["name"] == "ada/penguins"


def test_only_who_administers_a_repo_moves_it(
    as_bob: TestClient, services: Services, ada: Actor, bob: Actor, anyone: TestClient, repo: Repo
) -> None:
    body = {"to": "bob/mine"}
    assert anyone.post(f"{AT}/move", json=body).status_code == 401
    assert as_bob.post(f"{AT}/move", json=body).status_code == 404
    with services.database.write() as write:
        set_collaborator(write, ada, repo.kind, repo.full_name, "bob", Role.WRITER, most=9)
    assert as_bob.post(f"{AT}/move", json=body).status_code == 403
    with services.database.write() as write:
        set_collaborator(write, ada, repo.kind, repo.full_name, "bob", Role.ADMIN, most=9)
    assert as_bob.post(f"{AT}/move", json=body).status_code == 403  # giving it away is its owner's to do


def test_a_repo_that_does_not_fit_the_new_owners_quota_stays(
    as_ada_with: Callable[..., TestClient], repo: Repo
) -> None:
    as_ada = as_ada_with(quota_repos=1)
    assert as_ada.post("/api/v1/organizations", json={"name": "acme"}).status_code == 201
    assert as_ada.post("/api/v1/repos", json={"kind": "dataset", "name": "acme/full"}).status_code == 201
    answer = as_ada.post(f"{AT}/move", json={"to": "acme/penguins"})
    assert answer.json()["error"]["code"] == "quota_exceeded"
    assert as_ada.get(AT).status_code == 200


FORMER = [
    (AT, "/api/v1/models/ada/birds"),
    ("/api/v1/models/ADA/Penguins", "/api/v1/models/ada/birds"),
    ("/api/v1/models/ad%61/penguins/refs", "/api/v1/models/ada/birds/refs"),
    (f"{AT}/tree/main?path=&recursive=true", "/api/v1/models/ada/birds/tree/main?path=&recursive=true"),
    (f"{AT}/files/refs%2Fpr%2F1/a%20b", "/api/v1/models/ada/birds/files/refs%2Fpr%2F1/a%20b"),
    (f"{AT}/discussions", "/api/v1/models/ada/birds/discussions"),
    ("/ada/penguins", "/ada/birds"),
    ("/ada/penguins/tree/main", "/ada/birds/tree/main"),
    ("/ada/penguins/commits/main?cursor=x", "/ada/birds/commits/main?cursor=x"),
]


@pytest.mark.usefixtures("moved")
def test_a_former_name_leads_on_for_those_who_may_read(
    as_ada: TestClient, as_bob: TestClient, anyone: TestClient
) -> None:
    for path, there in FORMER:
        assert asked(as_ada, "GET", path, headers=PAGES) == (307, there)
        for stranger in (as_bob, anyone):
            assert asked(stranger, "GET", path, headers=PAGES) == (404, ""), path


@pytest.mark.parametrize("kind", ["dataset", "algorithm"])
def test_datasets_and_algorithms_lead_on_and_kinds_are_not_mixed_up(as_ada: TestClient, kind: str) -> None:
    assert as_ada.post("/api/v1/repos", json={"kind": kind, "name": "ada/old"}).status_code == 201
    assert as_ada.post(f"/api/v1/{kind}s/ada/old/move", json={"to": "new"}).status_code == 200
    assert asked(as_ada, "GET", f"/api/v1/{kind}s/ada/old") == (307, f"/api/v1/{kind}s/ada/new")
    assert asked(as_ada, "GET", f"/{kind}s/ada/old/tree/main", headers=PAGES) == (307, f"/{kind}s/ada/new/tree/main")
    assert asked(as_ada, "GET", "/ada/old", headers=PAGES) == (404, "")
    assert asked(as_ada, "GET", "/api/v1/models/ada/old") == (404, "")


@pytest.mark.usefixtures("moved")
def test_what_is_written_under_a_former_name_arrives(as_ada: TestClient, as_bob: TestClient) -> None:
    assert asked(as_ada, "PATCH", AT, json={"description": "x"}) == (307, "/api/v1/models/ada/birds")
    assert as_ada.patch(AT, json={"description": "It flies."}).json()["description"] == "It flies."
    operation = {"op": "add", "path": "a.txt", "content_base64": "aGk="}
    assert as_ada.post(f"{AT}/commits", json={"message": "x", "operations": [operation]}).status_code in (200, 201)
    assert as_ada.get("/api/v1/models/ada/birds/files/main/a.txt").text == "hi"
    assert asked(as_bob, "PATCH", AT, json={"description": "x"}) == (404, "")
    assert asked(as_bob, "DELETE", AT) == (404, "")


@pytest.mark.usefixtures("moved")
def test_elsewhere_than_in_the_address_the_new_name_is_told(as_ada: TestClient, as_bob: TestClient) -> None:
    for method, path, rest in (
        ("POST", "/api/v1/deployments", {"json": {"model": "ada/penguins"}}),
        ("GET", "/api/v1/lineage", {"params": {"of": "model:ada/penguins"}}),
    ):
        told = as_ada.request(method, path, **rest).json()["error"]  # type: ignore[arg-type]
        assert (told["code"], told["details"]) == ("repo_moved", {"kind": "model", "name": "ada/birds"})
        assert "ada/birds" in told["next"]
        assert as_bob.request(method, path, **rest).json()["error"]["code"] == "repo_not_found"  # type: ignore[arg-type]


@pytest.mark.usefixtures("moved")
def test_two_moves_are_one_redirect_and_a_name_taken_anew_leads_nowhere(as_ada: TestClient) -> None:
    assert as_ada.post(f"{AT}/move", json={"to": "ada/terns"}).json()["name"] == "ada/terns"
    assert asked(as_ada, "GET", AT) == (307, "/api/v1/models/ada/terns")
    assert asked(as_ada, "GET", "/api/v1/models/ada/birds") == (307, "/api/v1/models/ada/terns")
    assert as_ada.post("/api/v1/repos", json={"kind": "model", "name": "ada/penguins"}).status_code == 201
    assert as_ada.get(AT).json()["name"] == "ada/penguins"
    assert as_ada.delete("/api/v1/models/ada/terns").status_code == 204
    assert asked(as_ada, "GET", "/api/v1/models/ada/birds") == (404, "")


@pytest.mark.usefixtures("moved")
def test_what_is_made_under_a_former_name_goes_to_the_repo(services: Services, ada: Actor, bob: Actor) -> None:
    made = hub.ensure_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/penguins")
    assert made.full_name == "ada/birds"
