"""Imports by HTTP: who may, what others see, and that what was imported is a model like any other."""

from __future__ import annotations

import foreign_models as foreign
import pytest

from tholos.hub import service as hub
from tholos.jobs.models import Job


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_private_model_is_not_described_to_others(bench, as_ada, as_bob, anyone):
    bench.push("ada/secret", {"net.onnx": foreign.network_onnx()})
    bench.settle()
    assert as_ada.get("/api/v1/models/ada/secret/description").json()["format"] == "onnx"
    absent = as_bob.get("/api/v1/models/ada/absent/description").json()["error"]
    for asker in (as_bob, anyone):
        for method, path in (("GET", "description"), ("POST", "description"), ("POST", "import")):
            answer = asker.request(method, f"/api/v1/models/ada/secret/{path}", json={})
            assert answer.status_code in (401, 404)
            if answer.status_code == 404:
                told = answer.json()["error"]
                assert told["code"] == absent["code"]
                assert told["message"].replace("secret", "absent") == absent["message"]


def test_the_data_of_others_cannot_be_named(bench, as_ada, bob, services):
    bench.push("ada/net", {"net.onnx": foreign.network_onnx()})
    hub.create_repo(services.database, services.blobs, bob, hub.RepoKind.DATASET, "bob/secret")
    for name in ("bob/secret", "bob/absent"):
        answer = as_ada.post("/api/v1/models/ada/net/import", json={"data": name})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "repo_not_found")


@pytest.mark.parametrize(
    "body",
    [{"task": "poetry"}, {"label_names": [""]}, {"label_names": "a,b"}, {"more": 1}, {"input_names": ["x" * 400]}],
)
def test_bodies_that_make_no_sense_are_refused(bench, as_ada, body):
    bench.push("ada/net", {"net.onnx": foreign.network_onnx()})
    assert as_ada.post("/api/v1/models/ada/net/import", json=body).status_code == 400


def test_another_branch_is_described_when_asked(bench, as_ada, services):
    revision = bench.push("ada/net", {"net.onnx": foreign.network_onnx()})
    bench.settle()
    database, blobs, kind = services.database, services.blobs, hub.RepoKind.MODEL
    hub.set_ref(
        database, blobs, bench.owner, kind, "ada/net", ref_kind="branch", ref_name="try", rev=revision.commit_id
    )
    with database.read() as read:
        repo = hub.get_repo(read, bench.owner, kind, "ada/net")
    with_two = hub.AddBytes("net.onnx", foreign.network_onnx(outputs=2))
    hub.commit(services.database, services.blobs, bench.owner, repo, [with_two], "Two", branch="try")
    bench.settle()
    assert as_ada.get("/api/v1/models/ada/net/description?revision=try").json()["state"] == "pending"
    job_id = as_ada.post("/api/v1/models/ada/net/description?revision=try").json()["id"]
    with services.database.read() as read:
        job = read.get(Job, job_id)
    bench.run(job)
    told = as_ada.get("/api/v1/models/ada/net/description?revision=try").json()
    assert (told["state"], told["signature"]["output"]["labels"]) == ("ready", [0, 1])


def test_a_repo_without_a_model_says_so(bench, as_ada):
    bench.push("ada/notes", {"notes.txt": b"nothing"})
    assert not bench.settle()
    assert as_ada.get("/api/v1/models/ada/notes/description").json()["state"] == "none"
    assert as_ada.post("/api/v1/models/ada/notes/import", json={}).json()["error"]["code"] == "nothing_to_import"


def test_what_was_imported_deploys_at_once(described, imported, as_ada):
    described({"net.onnx": foreign.network_onnx()})
    early = as_ada.post("/api/v1/deployments", json={"model": "ada/foreign"})
    assert early.status_code == 422
    assert "Import it" in early.json()["error"]["next"]
    imported()
    made = as_ada.post("/api/v1/deployments", json={"model": "ada/foreign"})
    assert made.status_code == 200, made.text


def test_the_source_of_a_query_is_in_the_lineage(bench, as_ada, services):
    card = b'---\ntholos: {"source": {"url": "postgresql://db/shop", "query": "select 1"}}\n---\n# sales\n'
    repo = hub.ensure_repo(services.database, services.blobs, bench.owner, hub.RepoKind.DATASET, "ada/sales")
    operations = [hub.AddBytes("README.md", card), hub.AddBytes("data.csv", b"a\n1\n")]
    hub.commit(services.database, services.blobs, bench.owner, repo, operations, "Query")
    bench.hear()
    graph = as_ada.get("/api/v1/lineage", params={"of": "dataset:ada/sales"}).json()
    assert "query of postgresql://db/shop" in [node["label"] for node in graph["nodes"]]
