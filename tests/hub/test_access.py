"""Gated repos: the card is everybody's, the content is for those who were let in, through whichever door."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import select

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.hub import access_endpoints, history_endpoints, usage_endpoints
from tholos.hub import service as hub
from tholos.hub.access import content_readable_by
from tholos.hub.models import Repo, Revision
from tholos.hub.operations import AddBytes
from tholos.kit.services import Services

CONTENT = b"weights \0 of a gated model" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
API = "/api/v1/models/ada/penguins"
CARD = b"""---
license: mit
extra_gated_prompt: "Do **no harm**."
extra_gated_fields:
  Affiliation: text
  Country: {type: select, options: [Greece, {label: Elsewhere, value: other}]}
  Born: date_picker
  I agree: checkbox
  Broken: {type: [1]}
  Worse: [text]
---
# Gated weights
"""
ANSWERS = {"Affiliation": "Athens", "Country": "other", "Born": "1990-01-31", "I agree": True}


@pytest.fixture
def gated(services: Services, ada: Actor, repo: Repo, commit: Callable[..., Revision]) -> Revision:
    """ada/penguins, public behind a manual gate."""
    landed = commit(AddBytes("README.md", CARD), AddBytes("weights.bin", CONTENT), AddBytes("notes.txt", b"notes"))
    with services.database.write() as write:
        hub.update_repo(write, ada, repo.kind, repo.full_name, visibility="public", gated="manual")
    return landed


def content_doors(client: TestClient, revision: Revision) -> dict[str, int]:
    """The status of every door to content of the gated model."""
    commit_id = revision.commit_id
    lfs = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": SHA256, "size": len(CONTENT)}]}
    want = f"0032want {commit_id}\n00000009done\n".encode()
    asked = {
        "rest": client.get(f"{API}/files/main/weights.bin"),
        "rest at a commit": client.get(f"{API}/files/{commit_id}/notes.txt"),
        "rest, a range": client.get(f"{API}/files/main/weights.bin", headers={"range": "bytes=0-3"}),
        "rest, known already": client.get(f"{API}/files/main/weights.bin", headers={"if-none-match": f'"{SHA256}"'}),
        "rest head": client.head(f"{API}/files/main/weights.bin"),
        "resolve": client.get("/ada/penguins/resolve/main/weights.bin"),
        "resolve head": client.head("/ada/penguins/resolve/main/notes.txt"),
        "resolve of the card": client.get("/ada/penguins/resolve/main/README.md"),
        "api resolve": client.get("/api/models/ada/penguins/resolve/main/notes.txt"),
        "auth-check": client.get("/api/models/ada/penguins/auth-check"),
        "xet-read-token": client.get("/api/models/ada/penguins/xet-read-token/main"),
        "lfs batch": client.post("/ada/penguins.git/info/lfs/objects/batch", json=lfs),
        "git refs": client.get("/ada/penguins.git/info/refs?service=git-upload-pack"),
        "git fetch": client.post("/ada/penguins.git/git-upload-pack", content=want),
        "page of a file": client.get("/ada/penguins/blob/main/notes.txt"),
    }
    for name, answer in asked.items():
        if answer.status_code >= 400:
            assert CONTENT[:8] not in answer.content, name
            assert b"notes\n" not in answer.content, name
    return {name: answer.status_code for name, answer in asked.items()}


def shown(client: TestClient) -> dict[str, int]:
    """The status of what a gated repo shows to everybody."""
    addresses = [
        API,
        f"{API}/card",
        f"{API}/tree/main",
        f"{API}/revisions",
        f"{API}/refs",
        f"{API}/measurements",
        f"{API}/access",
        "/api/models/ada/penguins",
        "/api/models/ada/penguins/tree/main",
        "/api/models/ada/penguins/revision/main?blobs=true",
        "/ada/penguins",
        "/ada/penguins/tree/main",
        "/ada/penguins/commits/main",
    ]
    return {address: client.get(address).status_code for address in addresses}


def test_nobody_has_the_content_before_being_let_in(gated: Revision, as_ada, as_bob, anyone):
    for client in (as_bob, anyone):
        assert set(shown(client).values()) == {200}
        refused = content_doors(client, gated)
        signed_out = {"lfs batch", "git refs", "git fetch"} if client is anyone else set()
        assert refused == {name: 401 if name in signed_out else 403 for name in refused}
        error = client.get(f"{API}/files/main/weights.bin").json()["error"]
        assert error["code"] == "gated_repo"
        assert "restricted" in error["message"]
    assert set(content_doors(as_ada, gated).values()) <= {200, 206, 304}
    assert as_ada.get(API).json()["gated"] == "manual"


def test_an_administrator_and_the_accepted_have_it_until_it_is_taken_back(
    services: Services, gated: Revision, as_ada, as_bob, anyone, admin_token: str
):
    as_admin = TestClient(anyone.app, headers={"authorization": f"Bearer {admin_token}"})
    assert set(content_doors(as_admin, gated).values()) <= {200, 206, 304}
    asked = as_bob.post(f"{API}/access", json={"fields": ANSWERS})
    assert (asked.status_code, asked.json()["state"]) == (201, "pending")
    assert content_doors(as_bob, gated)["rest"] == 403
    listed = as_ada.get(f"{API}/access/requests", params={"state": "pending"}).json()["items"]
    assert [(item["account"], item["fields"]) for item in listed] == [("bob", ANSWERS)]
    assert as_ada.put(f"{API}/access/requests/bob", json={"state": "accepted"}).json()["state"] == "accepted"
    assert set(content_doors(as_bob, gated).values()) <= {200, 206, 304}
    assert as_bob.get(f"{API}/access").json()["allowed"] is True
    rejected = as_ada.put(f"{API}/access/requests/bob", json={"state": "rejected", "reason": "Students only"})
    assert rejected.json()["reason"] == "Students only"
    assert content_doors(as_bob, gated)["rest"] == 403
    assert "Students only" in as_bob.get(f"{API}/files/main/weights.bin").json()["error"]["next"]
    assert as_bob.post(f"{API}/access", json={"fields": ANSWERS}).json()["error"]["code"] == "access_decided"
    assert as_bob.delete(f"{API}/access").json()["error"]["code"] == "access_decided"
    with services.database.read() as read:
        actions = [entry.action for entry in accounts.read_audit(read, hub_admin(read, admin_token), None, 100).items]
    assert {"access.request", "access.accepted", "access.rejected"} <= set(actions)


def hub_admin(read, token: str) -> Actor:
    return accounts.authenticate(read, token)


def test_what_was_handed_out_before_ends_with_the_access(gated: Revision, as_ada, as_bob):
    as_ada.put(f"{API}/access/requests/bob", json={"state": "accepted"})
    lfs = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": SHA256, "size": len(CONTENT)}]}
    batch = as_bob.post("/ada/penguins.git/info/lfs/objects/batch", json=lfs).json()
    there = batch["objects"][0]["actions"]["download"]["href"]
    token = as_bob.get("/api/models/ada/penguins/xet-read-token/main").json()["accessToken"]
    assert as_bob.get(there).content == CONTENT
    as_ada.put(f"{API}/access/requests/bob", json={"state": "pending"})
    assert as_bob.get(there).status_code == 403
    missing = as_bob.get("/xet/g1/v1/reconstructions/" + "0" * 64, headers={"authorization": f"Bearer {token}"})
    assert missing.status_code == 403


def test_an_automatic_gate_opens_at_once_and_can_be_left(gated: Revision, as_ada, as_bob, anyone):
    assert as_ada.patch(API, json={"gated": "auto"}).json()["gated"] == "auto"
    assert content_doors(as_bob, gated)["rest"] == 403
    assert as_bob.post(f"{API}/access", json={"fields": ANSWERS}).json()["state"] == "accepted"
    assert content_doors(as_bob, gated)["rest"] == 200
    assert as_bob.post(f"{API}/access", json={"fields": ANSWERS}).json()["error"]["code"] == "access_decided"
    assert as_bob.delete(f"{API}/access").status_code == 204
    assert content_doors(as_bob, gated)["rest"] == 403
    assert as_bob.delete(f"{API}/access").json()["error"]["code"] == "access_request_not_found"
    assert as_ada.patch(API, json={"gated": False}).json()["gated"] is False
    assert set(content_doors(anyone, gated).values()) <= {200, 206, 304}
    assert as_bob.post(f"{API}/access", json={}).json()["error"]["code"] == "not_gated"


def test_a_gate_and_its_requests_are_the_owners(gated: Revision, as_ada, as_bob, anyone):
    for client, status in ((as_bob, 403), (anyone, 401)):
        assert client.patch(API, json={"gated": False}).status_code == status
        assert client.get(f"{API}/access/requests").status_code == status
        assert client.put(f"{API}/access/requests/bob", json={"state": "accepted"}).status_code == status
        assert client.post("/ada/penguins/access", data={"user": "bob", "decision": "accepted"}).status_code == status
        assert client.post("/ada/penguins/access/gate", data={"gated": "no"}).status_code == status
    assert anyone.post(f"{API}/access", json={"fields": ANSWERS}).status_code == 401
    assert as_ada.post(f"{API}/access", json={"fields": ANSWERS}).json()["error"]["code"] == "access_decided"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {**ANSWERS, "I agree": False},
        {**ANSWERS, "I agree": "yes"},
        {**ANSWERS, "Country": "Elsewhere"},
        {**ANSWERS, "Born": "yesterday"},
        {**ANSWERS, "Affiliation": "  "},
        {**ANSWERS, "Affiliation": "a\0b"},
        {**ANSWERS, "Affiliation": "a" * 2001},
        {**ANSWERS, "Shoe size": "44"},
    ],
)
def test_a_form_is_answered_as_it_asks_or_not_at_all(gated: Revision, as_bob, as_ada, fields):
    answer = as_bob.post(f"{API}/access", json={"fields": fields})
    assert answer.json()["error"]["code"] == "invalid_input"
    assert as_ada.get(f"{API}/access/requests").json()["items"] == []


def test_unknown_accounts_requests_and_gates_are_refused(gated: Revision, as_ada):
    nobody = as_ada.put(f"{API}/access/requests/nobody", json={"state": "accepted"})
    assert nobody.json()["error"]["code"] == "account_not_found"
    never_asked = as_ada.put(f"{API}/access/requests/admin", json={"state": "rejected"})
    assert never_asked.json()["error"]["code"] == "access_request_not_found"
    assert as_ada.patch(API, json={"gated": "maybe"}).json()["error"]["code"] == "invalid_request"
    odd = as_ada.put(f"{API}/access/requests/admin", json={"state": "accepted", "reason": "because"})
    assert odd.json()["error"]["code"] == "invalid_input"
    assert as_ada.get(API).json()["gated"] == "manual"


def test_a_private_repo_stays_invisible_whatever_its_gate(services, repo, ada, as_ada, as_bob):
    assert as_ada.patch(API, json={"gated": "auto"}).json()["gated"] == "auto"
    for answer in (
        as_bob.get(f"{API}/access"),
        as_bob.post(f"{API}/access", json={}),
        as_bob.get(f"{API}/files/main/.gitattributes"),
    ):
        assert answer.json()["error"]["code"] == "repo_not_found"


def test_the_page_asks_and_the_owners_page_answers(gated: Revision, as_ada, as_bob, anyone):
    page = as_bob.get("/ada/penguins").text
    assert "<strong>no harm</strong>" in page
    assert 'name="Affiliation"' in page
    assert "Gated weights" in page
    assert "/login" in anyone.get("/ada/penguins").text
    sent = as_bob.post("/ada/penguins/ask-access", data={**ANSWERS, "I agree": "true"}, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/ada/penguins")
    assert "waits for the owner" in as_bob.get("/ada/penguins").text
    assert "Athens" in as_ada.get("/ada/penguins/access").text
    decided = as_ada.post("/ada/penguins/access", data={"user": "bob", "decision": "accepted"}, follow_redirects=False)
    assert decided.status_code == 303
    assert as_bob.get("/ada/penguins/blob/main/notes.txt").status_code == 200
    assert 'id="gate"' not in as_bob.get("/ada/penguins").text


def test_a_gated_repos_chunks_cannot_be_built_on(services, ada, bob, repo, gated):
    def readable(actor: Actor) -> set[str]:
        with services.database.read() as read:
            return set(read.scalars(select(Repo.id).where(content_readable_by(actor))))

    assert repo.id in readable(ada)
    assert repo.id not in readable(bob)
    with services.database.write() as write:
        hub.grant_access(write, ada, repo.kind, repo.full_name, "bob")
    assert repo.id in readable(bob)


def test_what_is_made_from_content_needs_it(services: Services, ada: Actor, gated: Revision, as_bob, as_ada):
    data = hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.DATASET, "ada/birds")
    rows = AddBytes("birds.csv", b"a,b\n1,2\n3,4\n")
    hub.commit(services.database, services.blobs, ada, data, [rows], "Rows")
    with services.database.write() as write:
        hub.update_repo(write, ada, data.kind, data.full_name, visibility="public", gated="auto")
    api = "/api/v1/datasets/ada/birds"
    asks = {
        "profile": lambda: as_bob.get(f"{api}/profile"),
        "rows": lambda: as_bob.get(f"{api}/rows"),
        "data page": lambda: as_bob.get("/datasets/ada/birds/data"),
        "train": lambda: as_bob.post("/api/v1/train", json={"dataset": "ada/birds", "target": "b", "name": "bob/m"}),
        "evaluate": lambda: as_bob.post("/api/v1/evaluate", json={"model": "ada/penguins", "dataset": "ada/birds"}),
        "deploy": lambda: as_bob.post("/api/v1/deployments", json={"model": "ada/penguins", "name": "bob/p"}),
    }
    for name, ask in asks.items():
        answer = ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "gated_repo"), name
    assert as_bob.get("/api/v1/models/bob/m").status_code == 404  # nothing was begun
    assert as_bob.post(f"{api}/access", json={}).json()["state"] == "accepted"
    assert as_bob.get(f"{api}/profile").status_code == 200


BODIES = {
    "access/requests/bob": {"state": "accepted"},
    "lfs-files/delete": {"sha256": [SHA256]},
    "lfs-files/copy": {"kind": "model", "name": "bob/loot", "sha256": [SHA256]},
}


@pytest.mark.parametrize("public", [False, True])
def test_every_address_of_access_storage_and_history_keeps_its_door(
    services: Services, repo: Repo, ada: Actor, as_bob, anyone, public: bool
):
    if public:
        with services.database.write() as write:
            hub.update_repo(write, ada, repo.kind, repo.full_name, visibility="public", gated="manual")
    routes = [*access_endpoints.router.routes, *usage_endpoints.router.routes, *history_endpoints.router.routes]
    asked = 0
    for route in routes:
        if not isinstance(route, APIRoute) or not route.path.startswith("/api/v1/{kinds"):
            continue
        rest = route.path.partition("{name}/")[2].replace("{user}", "bob")
        for method in sorted(route.methods):
            asked += 1
            for client in (as_bob, anyone):
                real, imagined = (
                    client.request(method, f"/api/v1/models/ada/{name}/{rest}", json=BODIES.get(rest, {}))
                    for name in ("penguins", "imagined")
                )
                if not public:
                    assert real.status_code == imagined.status_code, (method, rest)
                    assert real.status_code in (404, 401 if client is anyone else 404)
                    assert real.json()["error"]["code"] == imagined.json()["error"]["code"]
                elif rest == "access" and method == "GET":
                    assert real.status_code == 200
                elif rest == "access":
                    assert real.status_code in (201, 204, 401), (method, rest)
                else:
                    assert real.status_code in (401, 403), (method, rest)
    assert asked == 10
