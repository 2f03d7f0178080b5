"""Every role × every action × every door, from one table; and that what one may do is what one's lists show."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from itertools import count

import pytest
from fastapi.testclient import TestClient
from roles_world import ADMIN, NONE, READ, TABLE, WRITE, World
from sqlalchemy import event

from tholos.accounts.authorization import Role
from tholos.app import create_app
from tholos.hub import service as hub
from tholos.hub.collaborators import set_collaborator
from tholos.hub.names import RepoKind
from tholos.kit.services import Services

_numbers = count()


def commit_lines(path: str) -> bytes:
    value = {"path": path, "content": base64.b64encode(b"x").decode(), "encoding": "base64"}
    lines = [{"key": "header", "value": {"summary": "Change"}}, {"key": "file", "value": value}]
    return b"\n".join(json.dumps(line).encode() for line in lines)


# action: (what it takes, how it is asked for, by repo)
DOORS: dict[str, tuple[int, Callable[[TestClient, str], object]]] = {
    "rest read": (READ, lambda client, repo: client.get(f"/api/v1/models/{repo}")),
    "rest file": (READ, lambda client, repo: client.get(f"/api/v1/models/{repo}/files/main/.gitattributes")),
    "rest write": (
        WRITE,
        lambda client, repo: client.put(f"/api/v1/models/{repo}/branches/b{next(_numbers)}", json={"revision": "main"}),
    ),
    "rest admin": (ADMIN, lambda client, repo: client.get(f"/api/v1/models/{repo}/collaborators")),
    "rest share": (ADMIN, lambda client, repo: client.patch(f"/api/v1/models/{repo}", json={"visibility": "private"})),
    "hf read": (READ, lambda client, repo: client.get(f"/api/models/{repo}")),
    "hf file": (READ, lambda client, repo: client.get(f"/{repo}/resolve/main/.gitattributes")),
    "hf xet read": (READ, lambda client, repo: client.get(f"/api/models/{repo}/xet-read-token/main")),
    "hf xet write": (WRITE, lambda client, repo: client.get(f"/api/models/{repo}/xet-write-token/main")),
    "hf commit": (
        WRITE,
        lambda client, repo: client.post(
            f"/api/models/{repo}/commit/main",
            content=commit_lines(f"f{next(_numbers)}"),
            headers={"content-type": "application/x-ndjson"},
        ),
    ),
    "hf lfs": (
        WRITE,
        lambda client, repo: client.post(
            f"/{repo}.git/info/lfs/objects/batch",
            json={"operation": "upload", "objects": [{"oid": "a" * 64, "size": 3}], "ref": {"name": "main"}},
        ),
    ),
    "hf admin": (ADMIN, lambda client, repo: client.put(f"/api/models/{repo}/settings", json={"private": True})),
    "git fetch": (READ, lambda client, repo: client.get(f"/{repo}.git/info/refs?service=git-upload-pack")),
    "git push": (WRITE, lambda client, repo: client.get(f"/{repo}.git/info/refs?service=git-receive-pack")),
}


def expected(who: str, door: str, held: int, needed: int) -> set[int]:
    if held >= needed:
        return {200, 201}
    if who == "anonymous":
        signs_in = (needed > READ or door.startswith("git")) and door != "hf xet write"  # a GET, as of what is missing
        return {401} if signs_in else {404}
    return {404} if held == NONE else {403}


@pytest.mark.parametrize("column", [0, 1], ids=["of a person", "of an organization"])
def test_every_role_and_every_action_over_every_door(world: World, column: int, subtests: pytest.Subtests) -> None:
    repo, missing = ("ada/penguins", "ada/imagined") if column == 0 else ("acme/model", "acme/imagined")
    for who, row in TABLE.items():
        for door, (needed, ask) in DOORS.items():
            with subtests.test(who=who, door=door):
                answer = ask(world.clients[who], repo)
                assert answer.status_code in expected(who, door, row[column], needed), answer.text
                if row[column] == NONE:  # hidden is as missing, word for word
                    nothing = ask(world.clients[who], missing)
                    assert nothing.status_code == answer.status_code
                    name = repo.partition("/")[2]
                    assert _told(answer.text) == _told(nothing.text.replace("imagined", name))


def _told(text: str) -> object:
    try:
        told = json.loads(text)
    except ValueError:
        return text
    told.pop("request_id", None)
    return told


def test_repos_are_made_by_role(world: World, subtests: pytest.Subtests) -> None:
    for who, row in TABLE.items():
        for namespace, may in (("ada", row[2]), ("acme", row[3])):
            with subtests.test(who=who, namespace=namespace):
                client = world.clients[who]
                refused = 401 if who == "anonymous" else 403
                name = f"n{next(_numbers)}"
                rest = client.post("/api/v1/repos", json={"kind": "dataset", "name": f"{namespace}/{name}"})
                assert rest.status_code == (201 if may else refused), rest.text
                wire = client.post("/api/repos/create", json={"name": f"{name}x", "organization": namespace})
                assert wire.status_code == (200 if may else refused), wire.text


def test_lists_hold_what_one_may_read_and_no_more(world: World, subtests: pytest.Subtests) -> None:
    for who, row in TABLE.items():
        with subtests.test(who=who):
            client = world.clients[who]
            seen = {item["name"] for item in client.get("/api/v1/repos").json()["items"]}
            assert ("ada/penguins" in seen) == (row[0] >= READ)
            assert ("acme/model" in seen) == (row[1] >= READ)
            assert {item["id"] for item in client.get("/api/models").json()} == seen
            whole = {"ada, to write her namespace", "ada, elsewhere", "ada", "admin"}
            assert ("ada/others" in seen) == (who in whole)
            owned = client.get("/api/v1/repos", params={"owner": "ACME"}).json()["items"]
            assert bool(owned) == (row[1] >= READ)


def test_what_is_public_everyone_reads_whatever_the_token_is_limited_to(world: World) -> None:
    world.clients["ada"].patch("/api/v1/models/ada/penguins", json={"visibility": "public"}).raise_for_status()
    for who, row in TABLE.items():
        client = world.clients[who]
        assert client.get("/api/v1/models/ada/penguins").status_code == 200, who
        assert client.get("/ada/penguins/resolve/main/.gitattributes").status_code == 200, who
        refused = 401 if who == "anonymous" else 403
        answer = client.put("/api/v1/models/ada/penguins/branches/x", json={"revision": "main"})
        assert answer.status_code in ({200, 201} if row[0] >= WRITE else {refused}), who


def test_a_contributor_writes_to_what_they_made_and_to_nothing_else(world: World) -> None:
    contributor, reader = world.clients["org_contributor"], world.clients["org_read"]
    assert contributor.post("/api/repos/create", json={"name": "mine", "organization": "acme"}).status_code == 200
    branch = {"revision": "main"}
    assert contributor.put("/api/v1/models/acme/mine/branches/x", json=branch).status_code == 201
    assert contributor.delete("/api/v1/models/acme/mine").status_code == 403
    assert reader.put("/api/v1/models/acme/mine/branches/x", json=branch).status_code == 403
    assert world.clients["org_write"].put("/api/v1/models/acme/mine/branches/y", json=branch).status_code == 201
    left = contributor.delete("/api/v1/organizations/acme/members/org_contributor")
    assert left.status_code == 204
    assert contributor.get("/api/v1/models/acme/mine").status_code == 404


def test_a_repo_admin_shares_and_deletes_but_does_not_take_it_away(world: World) -> None:
    client = world.clients["repo_admin"]
    moved = client.post("/api/repos/move", json={"fromRepo": "ada/penguins", "toRepo": "repo_admin/mine"})
    assert moved.status_code == 403
    assert client.put("/api/v1/models/ada/penguins/collaborators/stranger", json={"role": "reader"}).status_code == 200
    assert world.clients["stranger"].get("/api/v1/models/ada/penguins").status_code == 200
    assert client.delete("/api/v1/models/ada/penguins").status_code == 204


def test_everyone_may_give_up_their_own_role(world: World) -> None:
    reader, own = world.clients["reader"], "/api/v1/models/ada/penguins/collaborators/reader"
    weak = reader.post("/api/v1/keys", json={"name": "x", "scopes": ["read"]}).json()["secret"]
    assert reader.delete(own, headers={"authorization": f"Bearer {weak}"}).json()["error"]["code"] == "missing_scope"
    assert reader.delete(own.replace("/reader", "/writer")).status_code == 403
    assert reader.delete(own).status_code == 204
    assert reader.delete(own).status_code == 404


def test_repos_move_between_the_namespaces_that_one_may_create_in(world: World) -> None:
    member = world.clients["org_contributor"]
    assert member.post("/api/repos/create", json={"name": "gift"}).status_code == 200
    given = {"fromRepo": "org_contributor/gift", "toRepo": "acme/gift"}
    assert member.post("/api/repos/move", json=given).status_code == 200
    taken = {"fromRepo": "acme/model", "toRepo": "org_write/model"}
    assert world.clients["org_write"].post("/api/repos/move", json=taken).status_code == 403
    taken["toRepo"] = "org_admin/model"
    assert world.clients["org_admin"].post("/api/repos/move", json=taken).status_code == 200
    assert world.clients["org_read"].get("/api/v1/models/acme/model").status_code == 404


def test_a_disabled_account_is_shut_out_everywhere(world: World) -> None:
    world.clients["admin"].patch("/api/v1/users/org_write", json={"disabled": True}).raise_for_status()
    for door, (_, ask) in DOORS.items():
        for who in ("org_write", "org_write, to write the namespace"):
            assert ask(world.clients[who], "acme/model").status_code == 403, door


def test_signed_links_and_xet_tokens_end_with_the_right_that_they_stand_for(world: World) -> None:
    writer = world.clients["writer"]
    batch = {"operation": "upload", "objects": [{"oid": "a" * 64, "size": 3}]}
    answer = writer.post("/ada/penguins.git/info/lfs/objects/batch", json=batch).json()
    href = answer["objects"][0]["actions"]["upload"]["href"]
    token = writer.get("/api/models/ada/penguins/xet-write-token/main").json()
    owner = world.clients["ada"]
    assert owner.delete("/api/v1/models/ada/penguins/collaborators/Writer").status_code == 204
    bare = world.clients["anonymous"]
    assert bare.put(href, content=b"abc").status_code == 404
    bearer = {"authorization": f"Bearer {token['accessToken']}"}
    xorb = bare.post(f"{token['casUrl']}/v1/xorbs/default/{'a' * 64}", content=b"x", headers=bearer)
    assert xorb.status_code == 404


def selects(services: Services, ask: Callable[[], object]) -> int:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(services.database.engine, "before_cursor_execute", note)
    return len(seen)


def test_rights_cost_predictions_no_query_and_other_things_one(world: World) -> None:
    services, member = world.services, world.clients["org_write"]
    own = TestClient(create_app(services), headers=dict(member.headers))  # the gateway keeps its own services
    asked = selects(services, lambda: own.post("/predict/acme/none", json={"input": 1}))
    assert asked == 2  # who asks, and the deployment
    with services.database.read() as read:
        actor = world.actors["org_write"]
        assert selects(services, lambda: hub.get_repo(read, actor, RepoKind.MODEL, "acme/model")) == 2


def test_a_list_of_many_costs_as_many_queries_as_one_of_one(world: World) -> None:
    client, services = world.clients["reader"], world.services
    few = selects(services, lambda: client.get("/api/v1/repos"))
    for number in range(12):
        name = f"ada/more{number}"
        hub.create_repo(services.database, services.blobs, world.actors["ada"], RepoKind.MODEL, name)
        with services.database.write() as write:
            set_collaborator(write, world.actors["ada"], RepoKind.MODEL, name, "reader", Role.READER, most=9)
    assert len(client.get("/api/v1/repos").json()["items"]) == 13
    assert selects(services, lambda: client.get("/api/v1/repos")) == few
