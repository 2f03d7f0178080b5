"""The client against a whole platform: what only jobs, replicas and a gateway can show."""

from __future__ import annotations

import pandas as pd
import pytest

from tholos.sdk import AsyncClient, JobCancelled, JobFailed, errors

SPECIES = {"Adelie", "Chinstrap", "Gentoo"}


@pytest.fixture
def example(client, penguins):
    return client.deployments.schema(penguins)["example"]["input"]


def test_one_row_gets_one_answer_and_many_get_lists(client, penguins, example):
    model = client.model(penguins)
    one = model.predict(example)
    assert one.output in SPECIES
    assert set(one.probabilities) == SPECIES
    assert (one.model, one.deployment) == (penguins, penguins)
    assert one.revision == model.resolve().id
    two = model.predict([example, example])
    assert two.output == [one.output, one.output]
    assert model.predict(pd.DataFrame([example] * 3)).output == [one.output] * 3
    assert model.predict([list(example.values())]).output == [one.output]


def test_an_input_that_does_not_fit_says_which_column(client, penguins, example):
    with pytest.raises(errors.InvalidInput, match="bill_length_mm"):
        client.model(penguins).predict({**example, "bill_length_mm": "long"})


def test_a_prediction_without_an_input_is_told(client, penguins):
    with pytest.raises(errors.InvalidInput, match="no input"):
        client.model(penguins).predict()


def test_nothing_deployed_is_not_found(client):
    with pytest.raises(errors.NotFound):
        client.model("admin/nowhere").predict({"a": 1})


def test_a_dataset_comes_to_pandas_whole_and_by_subset(client, penguins):
    dataset = client.dataset(penguins)
    frame = dataset.to_pandas()
    assert len(frame) == 344
    assert str(frame.dtypes["bill_length_mm"]) == "float64"
    assert str(frame.dtypes["year"]) == "int64"
    assert str(frame.dtypes["body_mass_g"]) == "Int64"
    assert len(dataset.to_pandas(split="train")) + len(dataset.to_pandas(split="test")) == 344
    profile = dataset.profile()
    assert profile.rows == 344
    assert profile.splits[0].counts["train"] == len(dataset.to_pandas(split="train"))
    assert dataset.rows(340, 10).rows[-1]["species"] in SPECIES


def test_a_frame_goes_there_and_comes_back(client):
    frame = pd.DataFrame(
        {
            "number": [0.5, None, 1.5],
            "count": [1, 2, 3],
            "flag": [True, False, True],
            "word": ["a", "b", None],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
        }
    )
    client.dataset("admin/frame").push(frame)
    back = client.dataset("admin/frame").to_pandas()
    assert back["number"].tolist()[::2] == [0.5, 1.5]
    assert back["number"].isna().tolist() == [False, True, False]
    assert back["count"].tolist() == [1, 2, 3]
    assert back["flag"].tolist() == [True, False, True]
    assert back["word"].isna().tolist() == [False, False, True]
    assert back["day"].iloc[1] == pd.Timestamp("2026-01-02")


def test_data_that_cannot_be_read_says_why(client, tmp_path):
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    dataset = client.dataset("admin/ragged")
    dataset.push(tmp_path / "ragged.csv")
    profile = dataset.profile()
    assert profile.state == "failed"
    assert profile.error.message


def test_events_and_log_of_a_real_job(client):
    job = client.datasets.import_("penguins", "admin/penguins-again")
    events = list(job.events())
    assert events[-1].type == "end"
    assert events[-1].data["state"] == "succeeded"
    assert job.refresh().ended
    assert job.log() == "".join(event.data["text"] for event in events if event.type == "log")
    assert "".join(job.follow_log()) == job.log()
    assert job.id in [listed.id for listed in client.jobs.list(kind="data.import", limit=5)]


def test_a_job_that_cannot_succeed_raises_its_reason(client, tmp_path):
    (tmp_path / "one.csv").write_text("a,b\n" + "".join(f"{number},same\n" for number in range(50)))
    client.dataset("admin/one-class").push(tmp_path / "one.csv")
    with pytest.raises(JobFailed) as caught:
        client.train("admin/one-class", target="b", algorithm="decision_tree").result()
    assert caught.value.next


def test_a_queued_or_running_job_can_be_cancelled_and_retried(client, penguins):
    job = client.train(penguins, "admin/slow", target="species", algorithm="auto", budget_s=120)
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result(timeout=60)
    assert job.state == "cancelled"
    again = job.retry()
    again.cancel()
    assert again.wait(timeout=60).state == "cancelled"


def test_a_deployment_stops_starts_switches_and_rolls_back(client, penguins, example):
    model = client.model(penguins)
    name = "admin/second-door"
    head = model.resolve()
    assert model.deploy(name).state == "ready"
    older = head.parents[0]
    switched = client.model(penguins, revision=older).deploy(name)
    assert (switched.revision, switched.previous_revision) == (older, head.id)
    assert client.deployments.rollback(name).revision == head.id
    assert client.deployments.wait_ready(name).serving_revision == head.id
    assert model.predict(example, deployment=name).revision == head.id
    client.deployments.stop(name)
    with pytest.raises(errors.Unavailable):
        model.predict(example, deployment=name)
    client.deployments.start(name)
    assert client.deployments.wait_ready(name).state == "ready"
    assert name in [deployment.name for deployment in client.deployments.list()]
    client.deployments.delete(name)
    with pytest.raises(errors.NotFound):
        client.deployments.get(name)


def test_evaluations_comparison_measurements_and_lineage(client, penguins):
    [evaluation, *_] = client.evaluations.list(model=penguins)
    full = client.evaluations.get(evaluation.id)
    accuracy = full.metrics["accuracy"]
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert client.evaluations.plot(full.id, full.plots[0]).startswith(b"{")
    assert b"<svg" in client.evaluations.plot(full.id, full.plots[0], format="svg")
    assert client.evaluations.predictions(full.id).startswith(b"PAR1")
    assert client.evaluations.compare(penguins, penguins).metrics[0].difference == 0
    assert "accuracy" in {measured.metric for measured in client.model(penguins).measurements()}
    graph = client.lineage(penguins)
    assert graph.root in {node["urn"] for node in graph.nodes}


def test_the_catalogue_and_the_sources_are_listed(client):
    assert "random_forest" in {item.name for item in client.algorithms.list()}
    assert {item.tasks for item in client.algorithms.list(task="text-classification")}
    assert "penguins" in {source.source for source in client.datasets.sources(search="penguin")}


async def test_the_same_asynchronously(platform, penguins, example):
    async with AsyncClient(platform.url, platform.token) as client:
        assert (await client.model(penguins).predict(example)).output in SPECIES
        job = await client.datasets.import_("penguins", "admin/penguins-async")
        kinds = [event.type async for event in job.events()]
        assert kinds[-1] == "end"
        assert (await job.result())["rows"] == 344
        assert "".join([piece async for piece in job.follow_log()]) == await job.log()
        assert len(await client.dataset("admin/penguins-async").to_pandas()) == 344
