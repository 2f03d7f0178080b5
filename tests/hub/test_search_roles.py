"""What members, collaborators and limited tokens find: what they may read, and nothing else in any count or word."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from roles_world import NONE, TABLE, World

from tholos.hub import service as hub
from tholos.hub.names import RepoKind
from tholos.hub.operations import AddBytes

# repo: (the one who puts its card in, a word of its name, and words that stand in its card alone)
SECRETS = {
    "ada/penguins": ("ada", "penguins", "albatross", "secretive", "secretlicense"),
    "acme/model": ("org_admin", "model", "cormorant", "classified", "classifiedlicense"),
}


@pytest.fixture
def secrets(world: World) -> World:
    """The world, with cards in the private repos and a public repo beside them."""
    services = world.services
    for name, (who, _, word, tag, licence) in SECRETS.items():
        card = f"---\nlicense: {licence}\ntags: [{tag}]\n---\nAbout an {word}."
        with services.database.read() as read:
            repo = hub.get_repo(read, world.actors[who], RepoKind.MODEL, name)
        hub.commit(
            services.database,
            services.blobs,
            world.actors[who],
            repo,
            [AddBytes("README.md", card.encode())],
            "Add a card",
        )
    stranger = world.actors["stranger"]
    hub.create_repo(services.database, services.blobs, stranger, RepoKind.MODEL, "stranger/open", visibility="public")
    return world


def _found(client: TestClient, **query: Any) -> tuple[list[str], int, str]:
    answer = client.get("/api/v1/search", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["total"] == len(body["items"])
    assert not body["estimated"]
    return sorted(hit["name"] for hit in body["items"]), body["total"], str(body["facets"]) + str(body["corrections"])


@pytest.mark.parametrize("who", TABLE)
def test_private_repos_show_to_whoever_may_read_them_and_to_nobody_else(secrets: World, who: str) -> None:
    client = secrets.clients[who]
    readable = {name for name, level in zip(SECRETS, TABLE[who][:2], strict=True) if level > NONE}
    everything, _, facets = _found(client, limit=100)
    assert readable | {"stranger/open"} == set(everything) - {"ada/others"}
    listed = {model["id"] for model in client.get("/api/models", params={"limit": 100}).json()}
    assert listed == set(everything)
    for name, (_, word, hidden, tag, licence) in SECRETS.items():
        hits = [name] if name in readable else []
        namespace = name.partition("/")[0]
        for query in ({"q": hidden}, {"q": tag}, {"q": f"{namespace} {word}"}, {"tag": tag}, {"license": licence}):
            names, total, told = _found(client, **query)
            assert (names, total) == (hits, len(hits)), query
            assert hits or (licence not in told and tag not in told)
        assert (licence in facets) is bool(hits)
        assert (tag in client.get("/api/models-tags-by-type").text) is bool(hits)
        if not hits:  # neither an unfinished nor a mistyped word tells that there is one
            assert client.get("/api/v1/search/suggestions", params={"q": tag[:5]}).json()["items"] == []
            mistyped = tag[:3] + tag[4] + tag[3] + tag[5:]
            for guess in (mistyped, tag[:5], licence[:9]):
                assert _found(client, q=guess) == ([], 0, _NOTHING), guess


_NOTHING = str({name: [] for name in ("kind", "task", "library", "license", "language", "size")}) + "{}"


def test_members_are_offered_words_of_their_organization(secrets: World) -> None:
    for who in ("org_read", "org_admin"):
        client = secrets.clients[who]
        assert client.get("/api/v1/search/suggestions?q=classif").json()["items"] == ["classified", "classifiedlicense"]
        assert _found(client, q="clasified")[0] == ["acme/model"]


def test_who_leaves_finds_nothing_more(secrets: World) -> None:
    removed = secrets.clients["ada"].delete("/api/v1/models/ada/penguins/collaborators/reader")
    assert removed.status_code < 300, removed.text
    assert _found(secrets.clients["reader"], q="albatross")[:2] == ([], 0)
    left = secrets.clients["org_admin"].delete("/api/v1/organizations/acme/members/org_read")
    assert left.status_code < 300, left.text
    assert _found(secrets.clients["org_read"], q="cormorant")[:2] == ([], 0)
    assert secrets.clients["org_read"].get("/api/v1/search/suggestions?q=classif").json()["items"] == []


def test_gated_repos_are_told_from_open_ones(secrets: World) -> None:
    ada, stranger = secrets.clients["ada"], secrets.clients["stranger"]
    for name, changes in (
        ("ada/penguins", {"visibility": "public", "gated": "manual"}),
        ("ada/others", {"gated": "auto"}),
    ):
        assert ada.patch(f"/api/v1/models/{name}", json=changes).status_code == 200

    def listed(client: TestClient, gated: str) -> set[str]:
        return {model["id"] for model in client.get("/api/models", params={"gated": gated}).json()}

    assert listed(stranger, "true") == {"ada/penguins"}
    assert listed(stranger, "false") == {"stranger/open"}
    assert listed(ada, "true") == {"ada/penguins", "ada/others"}
    assert ada.patch("/api/v1/models/ada/penguins", json={"gated": False}).status_code == 200
    assert (listed(stranger, "true"), listed(stranger, "false")) == (set(), {"ada/penguins", "stranger/open"})
