"""Organizations and limited tokens, as Hugging Face's clients read them."""

from __future__ import annotations

from fastapi.testclient import TestClient
from huggingface_hub import Organization, User


def limited(client: TestClient, *limits: str) -> TestClient:
    made = client.post("/api/v1/keys", json={"name": "nightly", "limits": limits})
    assert made.status_code == 201, made.text
    return TestClient(
        client.app, headers={"authorization": f"Bearer {made.json()['secret']}"}, raise_server_exceptions=False
    )


def test_whoami_names_organizations_and_what_the_token_is_for(as_ada: TestClient) -> None:
    made = as_ada.post("/api/v1/organizations", json={"name": "acme", "full_name": "Acme Research"})
    assert made.json() | {"created_at": ""} == {
        "name": "acme",
        "full_name": "Acme Research",
        "role": "admin",
        "members": 1,
        "created_at": "",
    }
    told = as_ada.get("/api/whoami-v2").json()
    assert [(each["name"], each["fullname"], each["roleInOrg"]) for each in told["orgs"]] == [
        ("acme", "Acme Research", "admin")
    ]
    assert told["auth"]["accessToken"]["role"] == "write"
    token = limited(as_ada, "ada/penguins:read", "Acme/*:write").get("/api/whoami-v2").json()["auth"]["accessToken"]
    assert (token["displayName"], token["role"]) == ("nightly", "fineGrained")
    assert [(each["entity"]["name"], each["permissions"]) for each in token["fineGrained"]["scoped"]] == [
        ("acme/*", ["repo.content.read", "repo.write"]),
        ("ada/penguins", ["repo.content.read"]),
    ]


def test_pages_of_users_and_organizations(as_ada: TestClient, as_bob: TestClient, anyone: TestClient) -> None:
    as_ada.post("/api/v1/organizations", json={"name": "acme"})
    as_ada.post("/api/repos/create", json={"name": "secret", "organization": "acme"})
    shown = Organization(**as_ada.get("/api/organizations/ACME/overview").json())
    assert (shown.name, shown.num_users, shown.num_models) == ("acme", 1, 1)
    for stranger in (as_bob, anyone):
        hidden = Organization(**stranger.get("/api/organizations/acme/overview").json())
        assert (hidden.num_users, hidden.num_models) == (None, 0)
        assert stranger.get("/api/organizations/acme/members").status_code == (403 if stranger is as_bob else 401)
        assert User(**stranger.get("/api/users/ada/overview").json()).orgs == []
        assert stranger.get("/api/users/acme/overview").status_code == 404
    members = [User(**each) for each in as_ada.get("/api/organizations/acme/members").json()]
    assert [each.username for each in members] == ["ada"]
    assert as_ada.get("/api/organizations/acme/followers").json() == []
    assert [each.name for each in User(**as_ada.get("/api/users/ada/overview").json()).orgs] == ["acme"]
    for missing in ("nobody", "ada", "a%00b"):
        for rest in ("overview", "members", "followers"):
            assert as_ada.get(f"/api/organizations/{missing}/{rest}").status_code in (400, 404)
    assert as_ada.get("/api/organizations/acme/billing").status_code == 501


def test_a_limited_token_is_a_stranger_to_everything_else(as_ada: TestClient, repo: str) -> None:
    as_ada.post("/api/repos/create", json={"name": "others"})
    token = limited(as_ada, f"{repo}:read")
    assert token.get(f"/api/models/{repo}").status_code == 200
    refused = token.post(f"/api/models/{repo}/branch/x", json={})
    assert (refused.status_code, refused.headers["x-error-code"]) == (403, "TokenLimited")
    answers = [token.get(f"/api/models/ada/{name}") for name in ("others", "imagined")]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].json()["error"].replace("others", "imagined") == answers[1].json()["error"]
    for address in ("/api/v1/deployments", "/api/v1/jobs", "/api/v1/audit"):
        assert token.get(address).json()["items"] == []
    assert [item["name"] for item in token.get("/api/v1/repos").json()["items"]] == [repo]
    assert token.post("/api/v1/keys", json={"name": "wider"}).json()["error"]["code"] == "token_limited"
    assert token.post(f"/api/models/{repo}/like").status_code == 403
    assert token.get("/api/v1/whoami").json()["limits"] == [f"{repo}:read"]


def test_an_organization_goes_when_it_owns_nothing(as_ada: TestClient, as_bob: TestClient) -> None:
    as_ada.post("/api/v1/organizations", json={"name": "acme"})
    as_ada.post("/api/repos/create", json={"name": "x", "organization": "acme", "type": "dataset"})
    assert as_bob.delete("/api/v1/organizations/acme").status_code == 403
    kept = as_ada.delete("/api/v1/organizations/acme")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "organization_not_empty")
    as_ada.request("DELETE", "/api/repos/delete", json={"name": "x", "organization": "acme", "type": "dataset"})
    assert as_ada.delete("/api/v1/organizations/acme").status_code == 204
    assert as_bob.post("/api/v1/organizations", json={"name": "acme"}).status_code == 201
