"""What is said about a private repo of another is, at every address, as if the repo did not exist."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from tholos.community.endpoints import router
from tholos.hub.models import Repo
from tholos.web import community as pages

BODIES = {
    "/discussions": {"title": "x", "pull_request": True},
    "/discussions/{number}": {"title": "x"},
    "/merge": {},
    "/commits": {"message": "x", "operations": []},
}


def addresses() -> list[tuple[str, str]]:
    """Every method and address of the community below a repo, as the application routes them."""
    found = [
        (method, "/api/v1/{kinds" + route.path.partition("{kinds")[2])
        for route in router.routes
        if isinstance(route, APIRoute) and "{name}" in route.path
        for method in sorted(route.methods)
    ]
    assert len(found) >= 11
    return found


def page_addresses() -> list[tuple[str, str]]:
    found = [
        (method, route.path)
        for route in pages.models.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]
    assert len(found) >= 10
    return found


def ask(client: TestClient, method: str, path: str, name: str) -> tuple[int, str]:
    form = {"title": "x", "text": "x", "status": "open"}
    address = path
    for key, value in {
        "{kinds:repo_kinds}": "models",
        "{namespace}/{name}": name,
        "{number}": "1",
        "{comment}": "evt_x",
        "{comment_id}": "evt_x",
    }.items():
        address = address.replace(key, value)
    assert "{" not in address
    if method == "GET":
        answer = client.get(address)
    elif path.startswith("/api/"):
        tail = next((body for end, body in BODIES.items() if path.endswith(end)), {"text": "x"})
        answer = client.request(method, address, json=tail)
    else:
        answer = client.request(method, address, data=form)
    text = answer.text.replace(answer.headers["x-request-id"], "ID").replace(name, "REPO")
    return answer.status_code, text.replace(name.partition("/")[2], "NAME")


@pytest.fixture
def secret(as_ada: TestClient, repo: Repo) -> str:
    """A private repo with a pull request, #1."""
    as_ada.post("/api/v1/models/ada/penguins/discussions", json={"title": "Secret title", "pull_request": True})
    as_ada.patch("/api/v1/models/ada/penguins", json={"visibility": "private"})
    return "ada/penguins"


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(("method", "path"), [*addresses(), *page_addresses()])
def test_another_user_learns_nothing(as_bob: TestClient, secret: str, method: str, path: str) -> None:
    there = ask(as_bob, method, path, secret)
    assert there[0] == 404
    assert "Secret title" not in there[1]
    assert there == ask(as_bob, method, path, "ada/nothings")


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(("method", "path"), [*addresses(), *page_addresses()])
def test_nobody_learns_anything(anyone: TestClient, secret: str, method: str, path: str) -> None:
    there = ask(anyone, method, path, secret)
    assert there[0] in (401, 404)
    assert there == ask(anyone, method, path, "ada/nothings")
