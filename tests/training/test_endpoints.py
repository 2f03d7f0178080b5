from __future__ import annotations

import pytest

from tholos.hub import service as hub
from tholos.training.catalogue import catalogue


def test_the_catalogue_is_shown_to_everyone(client):
    answer = client.get("/api/v1/algorithms")
    assert answer.status_code == 200
    items = {item["name"]: item for item in answer.json()["items"]}
    assert set(items) == set(catalogue())
    trees = next(item for item in items["random_forest"]["parameters"] if item["name"] == "trees")
    assert trees == {
        "name": "trees",
        "type": "int",
        "default": 100,
        "minimum": 1,
        "maximum": 2000,
        "choices": [],
        "log": True,
        "doc": "Number of trees; more is steadier, slower and larger.",
    }
    bootstrap = next(item for item in items["random_forest"]["parameters"] if item["name"] == "bootstrap")
    assert bootstrap["default"] is True
    assert {"seed", "budget_s", "folds"} <= {item["name"] for item in answer.json()["options"]}


def test_the_catalogue_of_one_task(client):
    answer = client.get("/api/v1/algorithms", params={"task": "text-classification"})
    assert [item["name"] for item in answer.json()["items"]] == ["tfidf_linear"]
    refused = client.get("/api/v1/algorithms", params={"task": "text-clasification"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "task_unknown")


def test_a_training_is_queued(as_ada, workshop):
    body = {"dataset": "ada/penguins", "target": "species", "algorithm": "svm", "params": {"C": 10}, "name": "birds"}
    answer = as_ada.post("/api/v1/train", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["kind"], job["state"], job["owner"]) == ("training.train", "queued", "ada")
    assert job["payload"]["split"] == "train"
    assert job["payload"]["model"] == "ada/birds"
    assert [edge["role"] for edge in job["inputs"]] == ["data"]
    assert as_ada.get("/api/v1/models/ada/birds").json()["visibility"] == "private"


@pytest.mark.parametrize(
    ("change", "status", "code", "hint"),
    [
        ({"algorithm": "svn"}, 400, "algorithm_unknown", "svm"),
        ({"params": {"c": 1}}, 400, "parameter_unknown", "C"),
        ({"params": {"C": 0}}, 400, "parameter_invalid", "0.0001"),
        ({"params": {"C": "much"}}, 400, "parameter_invalid", "number"),
        ({"target": "specie"}, 400, "target_missing", "'species'"),
        ({"target": None}, 400, "target_missing", "'island'"),
        ({"features": ["islan"]}, 400, "feature_unknown", "'island'"),
        ({"features": ["species"]}, 400, "target_is_feature", "Leave it out"),
        ({"task": "vision"}, 400, "task_unknown", "image-classification"),
        ({"task": "text-classification"}, 400, "algorithm_wrong_task", "tfidf_linear"),
        ({"folds": 1}, 400, "parameter_invalid", "2 to 20"),
        ({"seed": 2**40}, 400, "parameter_invalid", "seed"),
        ({"split": "dev"}, 404, "split_not_found", "all"),
        ({"split": "default/dev"}, 404, "split_not_found", "all"),
        ({"dataset": "ada/nothing"}, 404, "repo_not_found", "name"),
        ({"revision": "0" * 40}, 404, "revision_not_found", "branches"),
        ({"name": "a b/c"}, 400, "invalid_name", "name"),
        ({"buget_s": 5}, 400, "invalid_request", "docs"),
        ({"params": [1]}, 400, "invalid_request", "docs"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_it_is_queued(as_ada, workshop, change, status, code, hint):
    body = {"dataset": "ada/penguins", "target": "species", "algorithm": "svm", "name": "birds", **change}
    answer = as_ada.post("/api/v1/train", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert hint in error["next"] or hint in error["message"]
    assert as_ada.get("/api/v1/models/ada/birds").status_code == 404
    assert as_ada.get("/api/v1/jobs").json()["items"] == []


def test_nobody_trains_on_data_or_into_models_of_others(client, as_bob, workshop):
    body = {"dataset": "ada/penguins", "target": "species"}
    assert client.post("/api/v1/train", json=body).status_code == 401
    assert as_bob.post("/api/v1/train", json=body).status_code == 404
    with workshop.services.database.write() as write:
        hub.update_repo(write, workshop.owner, hub.RepoKind.DATASET, "ada/penguins", visibility="public")
    refused = as_bob.post("/api/v1/train", json={**body, "name": "ada/birds"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), refused.text
    assert as_bob.post("/api/v1/train", json=body).json()["payload"]["model"] == "bob/penguins"


def test_a_token_that_may_only_read_starts_nothing(as_ada, client, workshop):
    key = as_ada.post("/api/v1/keys", json={"name": "reader", "scopes": ["read"]}).json()["secret"]
    body = {"dataset": "ada/penguins", "target": "species", "name": "birds"}
    answer = client.post("/api/v1/train", json=body, headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_scope")
    assert as_ada.get("/api/v1/jobs").json()["items"] == []


def test_replay_refuses_what_is_no_training(as_ada, as_bob, workshop):
    assert as_ada.post("/api/v1/jobs/job_unknown/replay").status_code == 404
    body = {"dataset": "ada/penguins", "target": "species", "algorithm": "decision_tree"}
    job = as_ada.post("/api/v1/train", json=body).json()["id"]
    refused = as_ada.post(f"/api/v1/jobs/{job}/replay")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "job_not_replayable")
    assert as_bob.post(f"/api/v1/jobs/{job}/replay").status_code == 404
