from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from wire_requests import commit_lines

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, Scope
from tholos.kit.services import Services


def test_whoami_names_the_account_and_refuses_others_in_the_very_words(
    as_ada: TestClient, anyone: TestClient, repo: str
) -> None:
    me = as_ada.get("/api/whoami-v2").json()
    assert (me["type"], me["name"], me["orgs"]) == ("user", "ada", [])
    assert me["auth"]["accessToken"]["role"] == "write"
    wrong = anyone.get("/api/whoami-v2", headers={"authorization": "Bearer hf_wrong"})
    assert wrong.status_code == 401
    assert wrong.headers["x-error-message"] == "Invalid credentials in Authorization header"
    assert wrong.json()["error"] == "Invalid credentials in Authorization header"
    nobody = anyone.get("/api/whoami-v2")
    assert nobody.status_code == 401
    assert nobody.headers["x-error-code"] == "NotAuthenticated"


def test_creating_twice_says_so_with_the_address(as_ada: TestClient, repo: str) -> None:
    again = as_ada.post("/api/repos/create", json={"name": "penguins", "organization": "ada"})
    assert again.status_code == 409
    assert again.json()["url"] == "http://testserver/ada/penguins"
    data = as_ada.post("/api/repos/create", json={"name": "penguins", "type": "dataset", "private": "True"})
    assert data.json()["url"] == "http://testserver/datasets/ada/penguins"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "a--b"}, 400, "InvalidName"),
        ({"name": "x", "organization": "nobody"}, 404, "AccountNotFound"),
        ({"name": "x", "organization": "admin"}, 403, "Forbidden"),
        ({"name": "x", "type": "space", "sdk": "gradio"}, 501, "NotImplemented"),
        ({"name": "x", "type": 3}, 400, "InvalidInput"),
        ({"name": "x", "visibility": "protected"}, 501, "NotImplemented"),
        ({"name": "x", "private": "perhaps"}, 400, "InvalidInput"),
        ([], 400, "InvalidInput"),
    ],
)
def test_what_cannot_be_created(as_ada: TestClient, body: object, status: int, code: str) -> None:
    refused = as_ada.post("/api/repos/create", json=body)
    assert (refused.status_code, refused.headers["x-error-code"]) == (status, code), refused.text
    assert refused.headers["x-error-message"]
    assert isinstance(refused.json()["error"], str)


def test_info_has_what_clients_need(as_ada: TestClient, repo: str) -> None:
    info = as_ada.get(f"/api/models/{repo}?blobs=True").json()
    assert (info["id"], info["modelId"], info["author"]) == (repo, repo, "ada")
    assert re.fullmatch(r"[0-9a-f]{40}", info["sha"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", info["lastModified"])
    assert info["private"] is True
    assert info["gated"] is False
    assert [sibling["rfilename"] for sibling in info["siblings"]] == [".gitattributes"]
    assert info["siblings"][0]["size"] > 0
    assert as_ada.get(f"/api/models/{repo}/revision/main").json()["sha"] == info["sha"]
    few = as_ada.get(f"/api/models/{repo}?expand=xetEnabled&expand=sha").json()
    assert set(few) == {"_id", "id", "xetEnabled", "sha"}


@pytest.mark.parametrize("value", ["true", "True", "1", "false", "False", "0", ""])
def test_booleans_in_every_spelling(as_ada: TestClient, repo: str, value: str) -> None:
    assert as_ada.get(f"/api/models/{repo}?blobs={value}").status_code == 200


def test_a_list_is_paged_with_absolute_links(as_ada: TestClient, anyone: TestClient) -> None:
    for number in range(5):
        as_ada.post("/api/repos/create", json={"name": f"m{number}", "private": number != 0})
    seen: list[str] = []
    address: str | None = "http://testserver/api/models?author=ada&limit=2&sort=createdAt&direction=-1"
    while address:
        page = as_ada.get(address)
        seen += [model["id"] for model in page.json()]
        link = page.headers.get("link")
        assert link is None or link.startswith("<http://testserver/api/models?")
        address = re.match("<(.*)>", link)[1] if link else None  # type: ignore[index]
    assert seen == [f"ada/m{number}" for number in (4, 3, 2, 1, 0)]
    assert [model["id"] for model in anyone.get("/api/models").json()] == ["ada/m0"]
    assert as_ada.get("/api/models?search=M3").json()[0]["id"] == "ada/m3"
    assert as_ada.get("/api/models?search=m3&search=ada").json()[0]["id"] == "ada/m3"
    assert as_ada.get("/api/models?filter=no-such-tag").json() == []
    assert as_ada.get("/api/spaces").json() == []
    for query in ("sort=size", "limit=0", "limit=x", "cursor=%00", "search=" + "x" * 5000):
        assert as_ada.get(f"/api/models?{query}").status_code == 400, query


def test_links_are_made_from_the_public_address(app, as_ada: TestClient, services: Services, repo: str) -> None:
    from dataclasses import replace

    public = services.settings.model_copy(update={"public_url": "https://hub.example/"})
    app.state.services = replace(services, settings=public)
    again = as_ada.post("/api/repos/create", json={"name": "penguins"})
    assert again.json()["url"] == "https://hub.example/ada/penguins"


def test_settings_and_deletion(as_ada: TestClient, as_bob: TestClient, repo: str) -> None:
    assert as_bob.put(f"/api/models/{repo}/settings", json={"private": False}).status_code == 404
    assert as_ada.put(f"/api/models/{repo}/settings", json={"gated": "auto"}).json()["gated"] == "auto"
    assert as_ada.get(f"/api/models/{repo}").json()["gated"] == "auto"
    assert as_ada.put(f"/api/models/{repo}/settings", json={"gated": "sometimes"}).status_code == 400
    assert as_ada.put(f"/api/models/{repo}/settings", json={"gated": False}).json()["gated"] is False
    assert as_ada.put(f"/api/models/{repo}/settings", json={"visibility": "public"}).json()["private"] is False
    assert as_bob.put(f"/api/models/{repo}/settings", json={"private": True}).status_code == 403
    assert (
        as_bob.request("DELETE", "/api/repos/delete", json={"name": "penguins", "organization": "ada"}).status_code
        == 403
    )
    assert as_ada.request("DELETE", "/api/repos/delete", json={"name": "penguins"}).status_code == 200
    gone = as_ada.request("DELETE", "/api/repos/delete", json={"name": "penguins"})
    assert (gone.status_code, gone.headers["x-error-code"]) == (404, "RepoNotFound")


def test_a_moved_repo_is_found_under_its_old_name_by_those_who_may_see_it(
    as_ada: TestClient, as_bob: TestClient, repo: str
) -> None:
    body = {"fromRepo": repo, "toRepo": "ada/birds", "type": "model"}
    assert as_bob.post("/api/repos/move", json=body).status_code == 404
    assert as_ada.post("/api/repos/move", json=body | {"toRepo": "admin/birds"}).status_code == 403
    assert as_ada.post("/api/repos/move", json=body).status_code == 200
    there = as_ada.get(f"/api/models/{repo}/tree/main?recursive=true")
    assert (there.status_code, there.headers["location"]) == (307, "/api/models/ada/birds/tree/main?recursive=true")
    assert as_bob.get(f"/api/models/{repo}").status_code == 404
    again = as_ada.head(f"/{repo}/resolve/main/.gitattributes")
    assert again.headers["location"] == "/ada/birds/resolve/main/.gitattributes"
    assert as_ada.post("/api/repos/create", json={"name": "penguins"}).status_code == 200
    assert as_ada.get(f"/api/models/{repo}").status_code == 200
    assert as_ada.post("/api/repos/move", json={**body, "toRepo": "ada/birds"}).status_code == 409


def test_likes(as_ada: TestClient, as_bob: TestClient, anyone: TestClient, repo: str) -> None:
    assert as_bob.post(f"/api/models/{repo}/like").status_code == 404
    assert as_ada.post(f"/api/models/{repo}/like").status_code == 200
    assert as_ada.post(f"/api/models/{repo}/like").status_code == 200
    assert as_ada.get(f"/api/models/{repo}").json()["likes"] == 1
    assert [liker["user"] for liker in as_ada.get(f"/api/models/{repo}/likers").json()] == ["ada"]
    assert as_ada.get("/api/users/ada/likes").json()[0]["repo"] == {"name": repo, "type": "model"}
    assert as_bob.get("/api/users/ada/likes").json() == []
    assert as_ada.delete(f"/api/models/{repo}/like").status_code == 200
    assert as_ada.get(f"/api/models/{repo}").json()["likes"] == 0
    assert anyone.post(f"/api/models/{repo}/like").status_code == 401


def test_users_and_tags(as_ada: TestClient, as_bob: TestClient, push, repo: str) -> None:
    assert push({"README.md": b"---\nlicense: mit\n---\n"}).status_code == 200
    assert as_ada.get("/api/users/ada/overview").json()["numModels"] == 1
    assert as_bob.get("/api/users/ada/overview").json()["numModels"] == 0
    assert as_bob.get("/api/users/nobody/overview").status_code == 404
    assert as_bob.get("/api/organizations/acme/overview").headers["x-error-code"] == "RepoNotFound"
    assert as_ada.get("/api/models-tags-by-type").json()["license"][0]["id"] == "license:mit"
    assert as_bob.get("/api/models-tags-by-type").json() == {}


def test_a_moved_repo_is_found_however_its_old_name_was_written(as_ada: TestClient, repo: str) -> None:
    assert as_ada.post("/api/repos/move", json={"fromRepo": repo, "toRepo": "ada/birds"}).status_code == 200
    for path, there in (
        ("/api/models/ada/%70enguins", "/api/models/ada/birds"),
        ("/api/models/%61da/%70enguins/tree/main/ada/penguins", "/api/models/ada/birds/tree/main/ada/penguins"),
        ("/ADA/Penguins/resolve/a%2Fb/x%20y", "/ada/birds/resolve/a%2Fb/x%20y"),
        ("/%61da/penguins.git/info/lfs/objects/batch", "/ada/birds.git/info/lfs/objects/batch"),
    ):
        found = as_ada.post(path, json={"operation": "download"}) if ".git" in path else as_ada.get(path)
        assert (found.status_code, found.headers.get("location")) == (307, there), found.text


def test_a_key_that_may_not_read_reads_no_list(as_ada: TestClient, services: Services, ada: Actor, push) -> None:
    assert push({"README.md": b"---\nlicense: mit\n---\n"}).status_code == 200
    assert as_ada.post("/api/models/ada/penguins/like").status_code == 200
    with services.database.write() as write:
        secret = accounts.create_key(write, ada, "predict", frozenset({Scope.PREDICT}), None).secret
    client = TestClient(as_ada.app, headers={"authorization": f"Bearer {secret}"})
    for path in (
        "models",
        "users/ada/likes",
        "users/ada/overview",
        "models-tags-by-type",
        "datasets-tags-by-type",
        "models/ada/penguins",
        "models/ada/penguins/likers",
    ):
        refused = client.get(f"/api/{path}")
        assert (refused.status_code, refused.headers["x-error-code"]) == (403, "MissingScope"), path


@pytest.mark.parametrize("bad", ["%00", "a%00b", "%ED%A0%80", "%ff"])
def test_names_that_no_database_takes(as_ada: TestClient, repo: str, bad: str) -> None:
    for method, path in (
        ("GET", f"users/{bad}/overview"),
        ("GET", f"users/{bad}/likes"),
        ("GET", f"models/{bad}/x"),
        ("GET", f"models/{repo}/revision/{bad}"),
        ("GET", f"models/{repo}/tree/main/{bad}"),
        ("POST", f"models/{repo}/commit/{bad}"),
        ("POST", f"models/{repo}/preupload/{bad}"),
        ("POST", f"models/{repo}/branch/{bad}"),
        ("DELETE", f"models/{repo}/branch/{bad}"),
        ("POST", f"models/{repo}/tag/{bad}"),
    ):
        content = commit_lines({"a": b"1"}) if "/commit/" in path else b"{}" if method == "POST" else None
        refused = as_ada.request(method, f"/api/{path}", content=content)
        assert refused.status_code in (400, 404), (path, refused.text)
        assert refused.headers["x-error-code"]
    for body in (
        {"name": "a\0b"},
        {"name": "x", "organization": "a\0b"},
    ):
        assert as_ada.post("/api/repos/create", json=body).status_code in (400, 404)


def test_siblings_are_cut_where_there_are_very_many(
    as_ada: TestClient, push, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push({f"{number}.txt": b"x" for number in range(5)}).status_code == 200
    whole = as_ada.get(f"/api/models/{repo}").json()
    assert len(whole["siblings"]) == 6
    assert whole["usedStorage"] > 5
    monkeypatch.setattr("tholos.wire.huggingface.shapes._MAX_SIBLINGS", 4)
    monkeypatch.setattr("tholos.wire.huggingface.shapes._MAX_SIBLINGS_LISTED", 3)
    cut = as_ada.get(f"/api/models/{repo}").json()
    assert (len(cut["siblings"]), cut["usedStorage"]) == (4, whole["usedStorage"])
    assert len(as_ada.get("/api/models?full=true").json()[0]["siblings"]) == 3


def test_a_card_is_looked_over(anyone: TestClient) -> None:
    good = anyone.post("/api/validate-yaml", json={"content": "---\nlicense: mit\n---\n", "repoType": "model"})
    assert good.json() == {"errors": [], "warnings": []}
    bomb = "---\na: &a [x]\nb: [*a, *a]\n---\n"
    assert anyone.post("/api/validate-yaml", json={"content": bomb}).json()["warnings"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/collections/ada/x",
        "/api/settings/billing",
        "/api/spaces/ada/x/runtime",
        "/api/jobs/ada",
        "/api/buckets/ada/b",
        "/api/papers/search",
    ],
)
def test_what_is_not_offered_says_so(as_ada: TestClient, path: str) -> None:
    answer = as_ada.get(path)
    assert (answer.status_code, answer.headers["x-error-code"]) == (501, "NotImplemented")
    assert "does not offer" in answer.json()["error"]
    assert "documentation" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/uploads"),
        ("GET", "/kernels/ada/x/resolve/main/build.toml"),
        ("HEAD", "/buckets/ada/x/resolve/a.bin"),
        ("GET", "/buckets/ada/x/resolve/a.bin"),
    ],
)
def test_addresses_beside_the_api_that_are_not_offered_say_so(as_ada: TestClient, method: str, path: str) -> None:
    answer = as_ada.request(method, path, headers={"accept": "*/*"})
    assert (answer.status_code, answer.headers["x-error-code"]) == (501, "NotImplemented")
    assert "does not offer" in answer.headers["x-error-message"]


def test_what_there_is_in_place_of_it_is_named(as_ada: TestClient) -> None:
    assert as_ada.get("/api/jobs/ada").json()["error"].endswith("`tholos jobs`.")
    assert as_ada.get("/api/papers/search").json()["error"].endswith("/api/papers/search.")


@pytest.mark.parametrize(
    "path",
    ["/api/models/gpt2", "/api/spaces/ada/x", "/gpt2/resolve/main/config.json", "/datasets/squad/resolve/main/x"],
)
def test_what_has_no_namespace_is_a_repo_not_found(anyone: TestClient, path: str) -> None:
    answer = anyone.get(path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound")


def test_the_rest_keeps_its_own_shape_and_its_pages(as_ada: TestClient, repo: str) -> None:
    assert as_ada.get("/api/v1/models/ada/none").json()["error"]["code"] == "repo_not_found"
    assert as_ada.get(f"/{repo}").headers["content-type"].startswith("text/html")
    assert as_ada.get(f"/{repo}/tree/main").headers["content-type"].startswith("text/html")
    assert as_ada.get("/models").headers["content-type"].startswith("text/html")
    wrong = as_ada.post("/api/whoami-v2")
    assert (wrong.status_code, wrong.headers["x-error-code"]) == (405, "MethodNotAllowed")


def test_a_request_keeps_the_id_that_the_client_gave_it(anyone: TestClient) -> None:
    answer = anyone.get("/api/models/ada/none", headers={"x-amzn-trace-id": "7e1b-42"})
    assert answer.headers["x-request-id"] == "7e1b-42"


def test_an_address_that_is_not_utf8(anyone: TestClient) -> None:
    answer = anyone.get("/api/models/ada/%ff")
    assert (answer.status_code, answer.headers["x-error-code"]) == (400, "InvalidInput")
