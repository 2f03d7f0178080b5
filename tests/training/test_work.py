"""The job training.train: from a dataset revision to a committed model with facts and lineage."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from training_samples import iris

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.cards import read_card
from tholos.hub.errors import CommitRace
from tholos.jobs import service as jobs
from tholos.jobs.folders import log_path
from tholos.jobs.kinds import Kinds
from tholos.jobs.models import Direction, Job, JobState
from tholos.jobs.runner import JobRunner
from tholos.kit.services import Services
from tholos.runtimes.model import ModelDescription
from tholos.training import service
from tholos.training.errors import NotReplayable, OneClass
from tholos.training.kinds import KINDS
from tholos.training.request import TrainingRequest

FOREST = TrainingRequest(target="species", algorithm="random_forest", params={"trees": 10}, folds=3, seed=5)


async def ended(services: Services, actor: Actor, job_id: str) -> Job:
    deadline = time.monotonic() + 180
    while True:
        with services.database.read() as read:
            job = jobs.get(read, actor, job_id)
        if job.state.ended:
            return job
        assert time.monotonic() < deadline, f"{job.state}: {job.step}"
        await asyncio.sleep(0.05)


async def test_a_training_and_its_replay_as_jobs(workshop, services, ada):
    stop = asyncio.Event()
    runner = asyncio.create_task(
        JobRunner(services.settings, services.database, Kinds(KINDS), owner="node", slots=1).run(stop)
    )
    try:
        request = TrainingRequest(target="species", budget_s=1.0, seed=5)
        queued = service.submit_training(services, ada, request, dataset="ada/penguins")
        first = await ended(services, ada, queued.id)
        log = log_path(services.settings.jobs_dir, first.id).read_text()
        assert first.state is JobState.SUCCEEDED, log
        replayed = await ended(services, ada, service.replay_training(services, ada, first.id).id)
        assert replayed.state is JobState.SUCCEEDED, log_path(services.settings.jobs_dir, replayed.id).read_text()
    finally:
        stop.set()
        await runner

    told = ("task", "target", "algorithm", "params", "rows", "validation", "notes")
    assert {name: first.result[name] for name in told} == {name: replayed.result[name] for name in told}
    assert first.result["model"] == "ada/penguins"
    assert first.result["rows"] == 258
    assert first.result["validation"]["accuracy"] > 0.95
    ranks = [line["rank"] for line in first.result["leaderboard"]]
    assert ranks[0] == 1
    assert first.result["leaderboard"][0]["accuracy"] == pytest.approx(first.result["validation"]["accuracy"], abs=1e-6)
    assert "validation accuracy" in log

    with services.database.read() as read:
        series = {(metric.name, metric.step) for metric in jobs.metrics(read, ada, first.id)}
    assert ("trial.accuracy", 0) in series
    sides = {(edge.direction, edge.role) for edge in replayed.edges}
    assert sides == {(Direction.INPUT, "data"), (Direction.INPUT, "model"), (Direction.OUTPUT, "model")}
    assert first.peak_memory_bytes > 0


def test_the_revision_holds_the_model_and_its_account(workshop, services, ada):
    queued = service.submit_training(services, ada, FOREST, dataset="ada/penguins", name="forest")
    result = workshop.run(queued)
    files = workshop.files("ada/forest", result["revision"])
    assert set(files) == {"model.skops", "model.json", "training.json", "README.md"}
    model = ModelDescription.from_bytes(files["model.json"])
    assert model.serve == "skops"
    assert model.algorithm.params["trees"] == 10
    assert (model.training.data.repo, model.training.data.split, model.training.data.rows) == (
        "ada/penguins",
        "train",
        258,
    )
    assert model.training.job_id == queued.id
    record = json.loads(files["training.json"])
    assert record["validation"]["scoring"] == {"method": "folds", "folds": 3}
    assert record["versions"]["scikit-learn"]
    assert record["peak_memory_bytes"] > 0
    assert record["seed"] == 5

    card = read_card(files["README.md"])
    assert card.warnings == ()
    assert card.metadata["pipeline_tag"] == "tabular-classification"
    assert card.metadata["library_name"] == "sklearn"
    assert card.metadata["datasets"] == ["ada/penguins"]
    # Figures are kept with the revision, never typed into the card.
    assert not any(f"{value:.3f}" in card.body for value in result["validation"].values() if value not in (0, 1))

    with services.database.read() as read:
        facts = {fact.metric: fact for fact in hub.facts_for(read, queued.payload["model_repo_id"], result["revision"])}
    assert facts["validation.accuracy"].value == result["validation"]["accuracy"]
    assert facts["validation.accuracy"].data_revision == queued.payload["data_revision"]
    assert facts["training.duration"].unit == "s"
    assert facts["training.peak_memory"].value > 10**7
    with services.database.read() as read:
        graph = hub.lineage(read, ada, hub.subject(read, ada, "model:ada/forest"), 5)
    assert {node.kind for node in graph.nodes} == {"model", "dataset"}


def test_training_again_replaces_the_model_and_keeps_what_the_owner_wrote(workshop, services, ada):
    workshop.run(service.submit_training(services, ada, FOREST, dataset="ada/penguins"))
    card = workshop.files("ada/penguins")["README.md"].decode()
    edited = card.replace("library_name: sklearn", "library_name: sklearn\nlicense: mit").replace(
        "# penguins", "# My birds\n\nSeen on a journey."
    )
    workshop.commit(
        hub.RepoKind.MODEL,
        "ada/penguins",
        hub.AddBytes("README.md", edited.encode()),
        hub.AddBytes("model.onnx", b"compiled from the model before"),
        hub.AddBytes("parity.json", b"{}"),
        hub.AddBytes("notes.txt", b"mine"),
    )
    tree = TrainingRequest(target="sex", algorithm="decision_tree")
    workshop.run(service.submit_training(services, ada, tree, dataset="ada/penguins"))
    files = workshop.files("ada/penguins")
    assert set(files) == {"model.skops", "model.json", "training.json", "README.md", "notes.txt"}
    again = read_card(files["README.md"])
    assert again.metadata["license"] == "mit"
    assert "decision_tree" in again.metadata["tags"]
    assert "random_forest" not in again.metadata["tags"]
    assert "Seen on a journey." in again.body
    assert "`sex`" in again.body
    assert "Random forest" not in again.body


def test_a_card_that_was_written_by_hand_keeps_its_text(workshop, services, ada):
    mine = "---\nlicense: apache-2.0\n---\n# Mine\n\nWords of my own.\n"
    workshop.commit(hub.RepoKind.MODEL, "ada/penguins", hub.AddBytes("README.md", mine.encode()))
    workshop.run(service.submit_training(services, ada, FOREST, dataset="ada/penguins"))
    card = read_card(workshop.files("ada/penguins")["README.md"])
    assert card.body.strip() == "# Mine\n\nWords of my own."
    assert card.metadata["license"] == "apache-2.0"
    assert card.metadata["pipeline_tag"] == "tabular-classification"


def test_rows_are_those_of_the_split(workshop, services, ada):
    def rows(**asked):
        return workshop.run(service.submit_training(services, ada, FOREST, dataset="ada/penguins", **asked))["rows"]

    assert rows() == 258
    assert rows(split="test") == 86
    assert rows(split="default/test") == 86
    assert rows(split="all") == 344
    workshop.dataset("ada/iris", iris(), test=None)
    plain = TrainingRequest(target="target", algorithm="decision_tree")
    assert workshop.run(service.submit_training(services, ada, plain, dataset="ada/iris"))["rows"] == 150


def test_a_commit_beside_the_training_is_told(workshop, services, ada, monkeypatch):
    job = service.submit_training(services, ada, FOREST, dataset="ada/penguins")
    prepare = hub.prepare_commit

    def slow(*arguments, **options):
        prepared = prepare(*arguments, **options)
        monkeypatch.undo()
        workshop.commit(hub.RepoKind.MODEL, "ada/penguins", hub.AddBytes("other.txt", b"first"))
        return prepared

    monkeypatch.setattr(hub, "prepare_commit", slow)
    with pytest.raises(CommitRace):
        workshop.run(job)
    assert set(workshop.files("ada/penguins")) == {"other.txt"}


def test_data_that_cannot_be_learned_fails_the_job_and_leaves_nothing(workshop, services, ada):
    one = iris().filter(iris().column("target").combine_chunks().to_numpy() == 1)
    workshop.dataset("ada/one", one, test=None)
    job = service.submit_training(services, ada, TrainingRequest(target="target"), dataset="ada/one")
    with pytest.raises(OneClass):
        workshop.run(job)
    assert workshop.files("ada/one") == {}


def test_only_a_training_that_succeeded_can_be_replayed(workshop, services, ada):
    job = service.submit_training(services, ada, FOREST, dataset="ada/penguins")
    with pytest.raises(NotReplayable, match="queued"):
        service.replay_training(services, ada, job.id)
