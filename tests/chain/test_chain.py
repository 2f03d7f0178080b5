"""The whole chain on real data, through the SDK and plain HTTP, against a running platform."""

from __future__ import annotations

import httpx2
import pytest

import tholos
from tholos.sdk import Model


def test_penguins_from_import_to_a_traceable_answer(client: tholos.Client, penguins: str) -> None:
    evaluation = client.evaluations.list(model=penguins)[0]
    assert evaluation.metrics["accuracy"].value > 0.9
    assert evaluation.metrics["accuracy"].low < evaluation.metrics["accuracy"].value
    example = client.deployments.schema(penguins)["example"]["input"]
    answer = client.model(penguins).predict(example)
    assert answer.output in {"Adelie", "Chinstrap", "Gentoo"}
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    revision = client.model(penguins).resolve(answer.revision)
    assert revision.job_id is not None
    assert client.jobs.get(revision.job_id).refresh().kind == "optimization.compile"
    graph = client.lineage(f"model:{penguins}")
    kinds = {edge["kind"] for edge in graph.edges}
    assert kinds == {"data.split", "training.train", "optimization.compile", "serving.deploy"}


def test_an_application_calls_with_nothing_but_http_and_a_key(client: tholos.Client, penguins: str) -> None:
    key = client.keys.create("application", scopes=["predict"]).secret
    body = client.deployments.schema(penguins)["example"]
    with httpx2.Client(base_url=client.url, headers={"authorization": f"Bearer {key}"}) as http:
        answer = http.post(f"/predict/{penguins}", json=body)
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert http.get(f"/api/v1/models/{penguins}").status_code == 403, "the key has no scope to read"
        assert httpx2.post(f"{client.url}/predict/{penguins}", json=body).status_code == 401


def test_the_short_form_of_the_sdk(
    client: tholos.Client, penguins: str, platform: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THOLOS_URL", client.url)
    monkeypatch.setenv("THOLOS_TOKEN", platform.token)  # type: ignore[attr-defined]
    model = Model(penguins)
    model.set_input(client.deployments.schema(penguins)["example"]["input"])
    assert model.predict().output in {"Adelie", "Chinstrap", "Gentoo"}
    model._client.close()


@pytest.mark.long
def test_images_by_class(client: tholos.Client) -> None:
    name = "admin/digits"
    client.datasets.import_("digits", name).result(timeout=180)
    client.dataset(name).split(method="stratified", column="label", seed=0).result(timeout=120)
    client.train(name, target="label", algorithm="logistic_regression").result(timeout=240)
    client.model(name).compile().result(timeout=240)
    result = client.model(name).evaluate(name).result(timeout=120)
    assert result["metrics"]["accuracy"] > 0.9
    client.model(name).deploy()
    entry = next(entry for entry in client.dataset(name).files() if entry.path.endswith(".png"))
    image = client.dataset(name).read(entry.path)
    by_base64 = client.model(name).predict(image)
    with httpx2.Client(base_url=client.url) as http:
        key = client.keys.create("images", scopes=["predict"]).secret
        headers = {"authorization": f"Bearer {key}", "content-type": "image/png"}
        raw = http.post(f"/predict/{name}", content=image, headers=headers).json()
    assert by_base64.output == raw["output"]
    assert by_base64.probabilities == raw["probabilities"]


def test_texts(client: tholos.Client) -> None:
    name = "admin/reviews"
    client.datasets.import_("fine-foods", name).result(timeout=120)
    client.dataset(name).split(method="stratified", column="score", seed=0).result(timeout=120)
    client.train(name, target="score", features=["review"], algorithm="tfidf_linear").result(timeout=240)
    client.model(name).compile().result(timeout=240)
    client.model(name).deploy()
    answers = client.model(name).predict(["Best coffee I ever had, wonderful!", "Stale, awful, asked for a refund."])
    assert answers.output[0] != answers.output[1]
    assert client.model(name).predict("Hello, world!").output in set(answers.output)


@pytest.mark.long
def test_auto_keeps_a_leaderboard_and_replays_to_the_same_figures(client: tholos.Client, penguins: str) -> None:
    job = client.train(penguins, "admin/auto", target="species", algorithm="auto", budget_s=8)
    first = job.result(timeout=240)
    again = job.replay().result(timeout=240)
    assert first["validation"] == again["validation"]


@pytest.mark.long
def test_regression_and_compare(client: tholos.Client) -> None:
    name = "admin/diabetes"
    client.datasets.import_("sklearn:diabetes", name).result(timeout=120)
    client.dataset(name).split(seed=0).result(timeout=120)
    revisions = []
    for algorithm in ("linear_regression", "decision_tree"):
        trained = client.train(name, target="target", algorithm=algorithm).result(timeout=240)
        revisions.append(trained["revision"])
        client.model(name, revision=trained["revision"]).evaluate(name).result(timeout=120)
    comparison = client.evaluations.compare(*(f"{name}@{revision}" for revision in revisions))
    r2 = next(metric for metric in comparison.metrics if metric.name == "r2")
    assert r2.winner == "a"
