"""Who is told what of a scan: over REST, Hugging Face's protocol, and on the pages."""

from __future__ import annotations

import pytest
from bad_files import AWS_KEY, PEOPLE, evil_pickle

from tholos.hub import service as hub

SECRET = f"key = {AWS_KEY}\n".encode()


@pytest.fixture
def scanned(services, ada, push, scan):
    """Ada's public model with an unsafe file and a secret, and her private dataset of people."""
    push({"evil.pkl": evil_pickle(), "settings.toml": SECRET, "README.md": b"# A\n"})
    push({"people.csv": PEOPLE}, kind="dataset", name="ada/people")
    with services.database.write() as write:
        hub.update_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins", visibility="public", description=None)
    scan()
    return services


def test_only_those_who_may_write_are_told_of_secrets(scanned, signed_in, ada_token, bob_token):
    path = "/api/v1/models/ada/penguins/scan"
    told = signed_in(ada_token).get(path).json()
    assert (told["status"], told["done"], told["issues"]) == ("unsafe", True, 2)
    assert {item["path"]: item["status"] for item in told["items"]} == {
        "evil.pkl": "unsafe",
        "settings.toml": "suspicious",
    }
    assert told["items"][1]["findings"][0]["where"] == "line 1"
    assert told["job_id"]
    for token in (bob_token, ""):
        answer = signed_in(token).get(path)
        assert "secret" not in answer.text
        shown = answer.json()
        assert (shown["issues"], [item["path"] for item in shown["items"]]) == (1, ["evil.pkl"])
        assert shown["job_id"] is None
        asked = signed_in(token).get(path, params={"path": ["settings.toml", "evil.pkl", "nothing"]}).json()
        assert [(item["path"], item["status"]) for item in asked["items"]] == [
            ("settings.toml", "safe"),
            ("evil.pkl", "unsafe"),
        ]
    assert AWS_KEY not in signed_in(ada_token).get(path).text


def test_a_hidden_repo_answers_as_a_missing_one(scanned, signed_in, bob_token):
    for client in (signed_in(bob_token), signed_in("")):
        for method in ("get", "post"):
            if method == "post" and client is not signed_in:
                continue
            hidden = client.request(method, "/api/v1/datasets/ada/people/scan")
            missing = client.request(method, "/api/v1/datasets/ada/nobody/scan")
            assert (hidden.status_code, missing.status_code) == (404, 404)
            assert (
                hidden.text.replace("people", "nobody").split('"request_id"')[0]
                == (missing.text.split('"request_id"')[0])
            )
    assert signed_in(bob_token).post("/api/v1/datasets/ada/people/scan").status_code == 404
    assert signed_in(bob_token).post("/api/v1/models/ada/penguins/scan").status_code == 403
    assert signed_in(bob_token).post("/api/v1/scans", json={}).status_code == 403
    assert signed_in("").post("/api/v1/scans", json={}).status_code == 401


@pytest.mark.parametrize(
    "query",
    [{"revision": "no\0thing"}, {"revision": "x" * 400}, {"path": ["../x", "a\0b", "/", ""]}, {"path": ["a"] * 300}],
)
def test_bad_input_is_answered_not_suffered(scanned, signed_in, ada_token, query):
    assert signed_in(ada_token).get("/api/v1/models/ada/penguins/scan", params=query).status_code in (
        200,
        404,
        422,
        400,
    )


def test_scanning_again_forgets_and_asks_anew(scanned, signed_in, ada_token, scan):
    client = signed_in(ada_token)
    job = client.post("/api/v1/models/ada/penguins/scan")
    assert (job.status_code, job.json()["kind"]) == (202, "scan.repo")
    waiting = client.get("/api/v1/models/ada/penguins/scan", params={"path": "evil.pkl"}).json()
    assert (waiting["status"], waiting["done"], waiting["items"][0]["status"]) == ("queued", False, "queued")
    assert client.post("/api/v1/models/ada/penguins/scan").json()["id"] == job.json()["id"]
    scan()
    assert client.get("/api/v1/models/ada/penguins/scan").json()["status"] == "unsafe"


def test_a_server_without_scans_says_so(services, app, signed_in, ada_token, push):
    from dataclasses import replace

    push({"a.txt": b"a"})
    app.state.services = replace(services, settings=services.settings.model_copy(update={"scan_pushes": False}))
    refused = signed_in(ada_token).post("/api/v1/models/ada/penguins/scan")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "scans_off")


def test_hugging_faces_clients_are_told(scanned, signed_in, ada_token, bob_token):
    ada, bob = signed_in(ada_token), signed_in(bob_token)
    info = ada.get("/api/models/ada/penguins", params={"securityStatus": "true"}).json()
    assert info["securityRepoStatus"] == {
        "scansDone": True,
        "filesWithIssues": [
            {"path": "evil.pkl", "level": "unsafe"},
            {"path": "settings.toml", "level": "suspicious"},
        ],
    }
    assert (
        len(bob.get("/api/models/ada/penguins?securityStatus=true").json()["securityRepoStatus"]["filesWithIssues"])
        == 1
    )
    assert "securityRepoStatus" not in ada.get("/api/models/ada/penguins").json()
    tree = {item["path"]: item for item in bob.get("/api/models/ada/penguins/tree/main?expand=true").json()}
    assert tree["evil.pkl"]["securityFileStatus"] == {
        "status": "unsafe",
        "avScan": {"status": "unscanned"},
        "pickleImportScan": {
            "status": "unsafe",
            "pickleImports": [{"module": "posix", "name": "system", "safety": "dangerous"}],
            "version": "1",
        },
    }
    assert tree["settings.toml"]["securityFileStatus"]["status"] == "safe"
    assert "securityFileStatus" not in bob.get("/api/models/ada/penguins/tree/main").json()[0]
    asked = {"paths": ["evil.pkl", "README.md"], "expand": True}
    found = ada.post("/api/models/ada/penguins/paths-info/main", json=asked).json()
    assert [item["securityFileStatus"]["status"] for item in found] == ["unsafe", "safe"]


def test_downloads_of_unsafe_files_work_and_are_marked(scanned, signed_in, bob_token):
    client = signed_in(bob_token)
    evil = client.get("/ada/penguins/resolve/main/evil.pkl")
    assert evil.content == evil_pickle()
    topic, _, text = evil.headers["x-hf-warning"].partition(";")
    assert topic.startswith("unsafe file")
    assert "ada/penguins/evil.pkl" in text
    assert "x-hf-warning" not in client.get("/ada/penguins/resolve/main/settings.toml").headers


def test_an_unscanned_revision_is_said_to_wait(services, signed_in, ada_token, push):
    push({"évil ✓.pkl": evil_pickle()})
    client = signed_in(ada_token)
    assert client.get("/api/v1/models/ada/penguins/scan").json()["status"] == "queued"
    info = client.get("/api/models/ada/penguins?securityStatus=true").json()
    assert info["securityRepoStatus"] == {"scansDone": False, "filesWithIssues": []}
    assert client.get("/ada/penguins/scan/main").status_code == 200


def test_the_pages_show_what_their_reader_may_know(scanned, signed_in, ada_token, bob_token):
    pages = {}
    for name, token in (("ada", ada_token), ("bob", bob_token)):
        client = signed_in(token)
        pages[name] = client.get("/ada/penguins/scan/main").text
        tree = client.get("/ada/penguins/tree/main").text
        assert 'data-scan="unsafe"' in tree
        assert ('data-scan="suspicious"' in tree) == (name == "ada")
        assert 'data-verdict="unsafe"' in client.get("/ada/penguins").text
        assert 'data-finding="pickle.import"' in client.get("/ada/penguins/blob/main/evil.pkl").text
    assert 'data-finding="secret.aws_key"' in pages["ada"]
    assert "Scan again" in pages["ada"]
    assert "secret" not in pages["bob"]
    assert "Scan again" not in pages["bob"]
    assert signed_in(bob_token).get("/datasets/ada/people/scan/main").status_code == 404
