import asyncio
import io
import time

import pyarrow.parquet as pq
import pytest
from evaluation_lab import asking, flowers

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Scope
from tholos.evaluation.kinds import KINDS
from tholos.hub import service as hub
from tholos.jobs.kinds import Kinds
from tholos.jobs.runner import JobRunner

DEADLINE_S = 60.0


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_from_request_to_figures_through_the_queue(lab, ada_token):
    lab.dataset("ada/flowers", flowers(60))
    lab.model("ada/kinds", "ada/flowers", target="kind", algorithm="decision_tree", validation=0.0)
    with asking(lab.services) as ask:
        client = ask(ada_token)
        posted = client.post("/api/v1/evaluate", json={"model": "ada/kinds", "dataset": "ada/flowers"})
        assert posted.status_code == 202
        job = posted.json()
        assert (job["kind"], job["title"]) == ("evaluation.evaluate", "Evaluate ada/kinds on ada/flowers (test)")
        assert [edge["role"] for edge in job["inputs"]] == ["model", "data"]
        job = await ended(lab, client, job["id"])
        assert job["state"] == "succeeded", job["error"]
        assert job["progress"]["fraction"] == 1.0
        found = client.get(f"/api/v1/evaluations/{job['result']['evaluation']}").json()
    assert (found["model"], found["dataset"], found["split"], found["rows"]) == ("ada/kinds", "ada/flowers", "test", 18)
    assert found["job_id"] == job["id"]
    assert found["metrics"]["accuracy"]["value"] == job["result"]["metrics"]["accuracy"]
    assert found["details"]["labels"] == ["aster", "begonia", "clover"]


async def ended(lab, client, job_id):
    """Runs the queue until a job has ended."""
    stop = asyncio.Event()
    runner = JobRunner(lab.services.settings, lab.services.database, Kinds(KINDS), owner="test")
    running = asyncio.create_task(runner.run(stop))
    deadline = time.monotonic() + DEADLINE_S
    while (job := client.get(f"/api/v1/jobs/{job_id}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        await asyncio.sleep(0.1)
    stop.set()
    await running
    return job


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_postgresql_lists_and_compares_alike(lab, ada_token):
    lab.dataset("ada/flowers", flowers(60))
    lab.model("ada/kinds", "ada/flowers", target="kind", algorithm="decision_tree", validation=0.0)
    made = [lab.evaluate("ada/kinds", "ada/flowers").evaluation for _ in range(2)]
    with asking(lab.services) as ask:
        client = ask(ada_token)
        first = client.get("/api/v1/evaluations", params={"model": "kinds", "limit": 1}).json()
        rest = client.get("/api/v1/evaluations", params={"model": "kinds", "cursor": first["next_cursor"]}).json()
        compared = client.get("/api/v1/compare", params={"a": "ada/kinds", "b": "ada/kinds"}).json()
    (second,) = rest["items"]
    assert [first["items"][0]["id"], second["id"], rest["next_cursor"]] == [made[1].id, made[0].id, None]
    assert second["metrics"] == made[0].metrics
    assert compared["a"]["evaluation"] == made[1].id


def test_plots_predictions_and_lists_over_http(garden, ask):
    first = garden.view("ada/kinds").evaluation
    newest = garden.view("ada/prices").evaluation
    client = ask(garden.ada_token)
    address = f"/api/v1/evaluations/{first.id}"
    spec = client.get(f"{address}/plots/roc.json")
    assert spec.json()["title"]["text"] == "ROC curve"
    picture = client.get(f"{address}/plots/roc.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in picture.headers["content-security-policy"]
    assert picture.text.startswith("<svg")
    missing = client.get(f"{address}/plots/nose.svg")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "plot_not_found"
    assert "roc" in missing.json()["error"]["next"]
    assert client.get(f"{address}/plots/roc.png").status_code in (400, 404, 422)
    answers = pq.read_table(io.BytesIO(client.get(f"{address}/predictions").content))
    assert answers.num_rows == 60

    listed = client.get("/api/v1/evaluations", params={"limit": 1}).json()
    assert [each["id"] for each in listed["items"]] == [newest.id]
    rest = client.get("/api/v1/evaluations", params={"cursor": listed["next_cursor"]}).json()
    older = [garden.evaluations["ada/stumps"], first.id]
    assert ([each["id"] for each in rest["items"]], rest["next_cursor"]) == (older, None)
    of_model = {"model": "ada/kinds", "revision": "main"}
    assert [each["id"] for each in client.get("/api/v1/evaluations", params=of_model).json()["items"]] == [first.id]


def test_evaluations_of_a_private_model_are_not_there_for_others(garden, ask):
    evaluation = garden.view("ada/kinds").evaluation
    for client in (ask(garden.bob_token), ask(None)):
        assert client.get("/api/v1/evaluations").json()["items"] == []
        assert client.get("/api/v1/evaluations", params={"model": "ada/kinds"}).status_code == 404
        address = f"/api/v1/evaluations/{evaluation.id}"
        for path in ("", "/plots/roc.svg", "/predictions"):
            refused = client.get(address + path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "evaluation_not_found"), path
        unknown = client.get("/api/v1/evaluations/eval_0").json()["error"]["message"]
        hidden = client.get(address).json()["error"]["message"]
        assert hidden.replace(evaluation.id, "eval_0") == unknown
        assert client.get("/api/v1/compare", params={"a": "ada/kinds", "b": "ada/kinds"}).status_code == 404


def test_private_data_of_a_public_model_is_neither_named_nor_given_out(garden, ask):
    evaluation = garden.view("ada/kinds").evaluation
    with garden.services.database.write() as write:
        hub.update_repo(write, garden.ada, hub.RepoKind.MODEL, "ada/kinds", visibility="public")
    address = f"/api/v1/evaluations/{evaluation.id}"
    mine, seen = ask(garden.ada_token).get(address).json(), ask(garden.bob_token).get(address).json()
    assert mine["dataset"] == "ada/flowers"
    assert (seen["dataset"], seen["dataset_revision"]) == (None, None)
    assert seen["metrics"] == mine["metrics"]
    assert "ada/flowers" not in ask(garden.bob_token).get(address).text
    assert ask(None).get(f"{address}/plots/roc.svg").status_code == 200
    assert ask(garden.ada_token).get(f"{address}/predictions").status_code == 200
    refused = ask(garden.bob_token).get(f"{address}/predictions")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "repo_not_found")
    assert (
        ask(garden.bob_token).get("/api/v1/compare", params={"a": "ada/kinds", "b": "ada/kinds"}).json()["dataset"]
        is None
    )


def test_who_may_start_one(garden, ask):
    request = {"model": "ada/kinds", "dataset": "ada/flowers"}
    assert ask(None).post("/api/v1/evaluate", json=request).status_code == 401
    refused = ask(garden.bob_token).post("/api/v1/evaluate", json=request)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "repo_not_found")
    with garden.services.database.write() as write:
        reader = accounts.create_key(write, garden.ada, "reader", frozenset({Scope.READ}), None).secret
        hub.update_repo(write, garden.ada, hub.RepoKind.MODEL, "ada/kinds", visibility="public")
    refused = ask(reader).post("/api/v1/evaluate", json=request)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_scope")
    assert len(ask(reader).get("/api/v1/jobs").json()["items"]) == len(garden.evaluations)  # none was added
    refused = ask(garden.bob_token).post("/api/v1/evaluate", json=request)  # the model is public now, the data is not
    assert refused.json()["error"]["message"].startswith("There is no dataset ada/flowers")
    with garden.services.database.write() as write:
        hub.update_repo(write, garden.ada, hub.RepoKind.DATASET, "ada/flowers", visibility="public")
    assert ask(garden.bob_token).post("/api/v1/evaluate", json=request).status_code == 202


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"model": "ada/nothing"}, 404, "repo_not_found"),
        ({"revision": "v9"}, 404, "revision_not_found"),
        ({"dataset": "ada/kinds"}, 404, "repo_not_found"),
        ({"split": "holdout"}, 404, "split_not_found"),
        ({"split": None}, 400, "invalid_request"),
        ({"surprise": 1}, 400, "invalid_request"),
        ({"model": "no such name!"}, 400, "invalid_name"),
    ],
)
def test_a_bad_request_is_refused_with_what_to_do(garden, ask, changed, status, code):
    request = {"model": "ada/kinds", "dataset": "ada/flowers", **changed}
    refused = ask(garden.ada_token).post("/api/v1/evaluate", json=request)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (status, code)
    assert error["next"]


def test_evaluations_go_with_their_model_and_stay_without_their_data(garden, ask):
    evaluation = garden.view("ada/kinds").evaluation
    client, address = ask(garden.ada_token), f"/api/v1/evaluations/{evaluation.id}"
    with garden.services.database.write() as write:
        hub.delete_repo(write, garden.ada, hub.RepoKind.DATASET, "ada/flowers")
    assert client.get(address).json()["dataset"] is None
    with garden.services.database.write() as write:
        hub.delete_repo(write, garden.ada, hub.RepoKind.MODEL, "ada/kinds")
    assert client.get(address).status_code == 404
