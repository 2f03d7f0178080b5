"""The job optimization.compile: from a trained revision to its compiled child, or to a clear refusal."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.app import create_app
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.context import JobContext
from tholos.jobs.folders import log_path
from tholos.jobs.kinds import Kinds
from tholos.jobs.messages import Channel
from tholos.jobs.models import Direction, Job, JobState
from tholos.jobs.runner import JobRunner
from tholos.kit.hardware import hardware
from tholos.kit.services import Services
from tholos.optimization import compiler, service
from tholos.optimization.errors import NothingToCompile, NoTrainingData, NotTheHead, ParityFailed
from tholos.optimization.kinds import KINDS
from tholos.optimization.links import softmax
from tholos.optimization.work import compile_model
from tholos.runtimes import load
from tholos.runtimes.model import ModelDescription, TrainingRecord
from tholos.training.model_folder import Source, write_model
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train

MODEL, DATA = hub.RepoKind.MODEL, hub.RepoKind.DATASET


@pytest.fixture
def database_kind() -> str:
    """Compiling has no queries of its own; hub and jobs are tested on both databases by their rooms."""
    return "sqlite"


@dataclass
class Workbench:
    """Ada's dataset and the models that she trains on it."""

    services: Services
    owner: Actor
    folder: Path
    table: pa.Table
    data: hub.Revision | None = None
    runs: int = 0

    def commit(self, kind: hub.RepoKind, name: str, *operations: hub.Operation) -> hub.Revision:
        database, blobs = self.services.database, self.services.blobs
        repo = hub.ensure_repo(database, blobs, self.owner, kind, name)
        return hub.commit(database, blobs, self.owner, repo, operations, "Change")

    def train(self, name: str, algorithm: str, **params: Any) -> hub.Revision:
        trained = train(
            self.table, TrainingRequest(target="target", algorithm=algorithm, params=params, validation=0.0)
        )
        assert self.data is not None
        place = self.folder / name.replace("/", "-")
        place.mkdir()
        write_model(
            place, trained, name=name, source=Source(repo="ada/flowers", revision=self.data.commit_id, split=None)
        )
        return self.commit(MODEL, name, *(hub.AddFile(file.name, file) for file in sorted(place.iterdir())))

    def read(self, name: str, revision: str = hub.MAIN) -> tuple[hub.Revision, dict[str, bytes]]:
        with self.services.database.read() as read:
            repo, found = hub.resolve(read, self.owner, MODEL, name, revision)
            entries = hub.tree(read, repo, found.commit_id)
        blobs = self.services.blobs
        return found, {entry.path: blobs.path(entry.sha256 or "").read_bytes() for entry in entries}

    def compile(self, name: str, revision: str = hub.MAIN) -> dict[str, Any]:
        """Queue the job, and do what its child process does in this one; returns the job's result."""
        job = service.start(self.services, self.owner, model=name, revision=revision)
        self.runs += 1
        scratch = self.folder / f"run-{self.runs}"
        scratch.mkdir()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            context = JobContext(
                job_id=job.id,
                kind=job.kind,
                attempt=1,
                actor=Actor.system(self.owner.account_id, self.owner.name),
                settings=self.services.settings,
                database=self.services.database,
                blobs=self.services.blobs,
                folder=scratch,
                payload=json.loads(json.dumps(job.payload)),
                channel=Channel(theirs),
            )
            publish = compile_model(context)
            with self.services.database.write() as write:
                return publish(write)


@pytest.fixture
def bench(services: Services, ada: Actor, tmp_path: Path) -> Workbench:
    from sklearn.datasets import load_iris

    found = load_iris()
    columns = {f"length {place}": found.data[:, place] for place in range(4)}
    table = pa.table({**columns, "target": [str(found.target_names[index]) for index in found.target]})
    made = Workbench(services, ada, tmp_path, table)
    buffer = io.BytesIO()
    pa_csv.write_csv(table, buffer)
    made.data = made.commit(DATA, "ada/flowers", hub.AddBytes("rows.csv", buffer.getvalue()))
    return made


async def _ended(services: Services, actor: Actor, job_id: str) -> Job:
    deadline = time.monotonic() + 120
    while True:
        with services.database.read() as read:
            job = jobs.get(read, actor, job_id)
        if job.state.ended:
            return job
        assert time.monotonic() < deadline, f"{job.state}: {job.step}"
        await asyncio.sleep(0.05)


async def test_a_job_compiles_and_commits_a_child_revision(bench: Workbench, services: Services, ada: Actor):
    parent = bench.train("ada/forest", "random_forest", trees=20)
    stop = asyncio.Event()
    runner = asyncio.create_task(
        JobRunner(services.settings, services.database, Kinds(KINDS), owner="node", slots=1).run(stop)
    )
    try:
        job = await _ended(services, ada, service.start(services, ada, model="ada/forest").id)
    finally:
        stop.set()
        await runner
    log = log_path(services.settings.jobs_dir, job.id).read_text()
    assert job.state is JobState.SUCCEEDED, log
    assert "thresholds: parity" in log
    assert "in all: parity" in log

    child, files = bench.read("ada/forest")
    assert job.result is not None
    assert job.result["revision"] == child.commit_id
    assert child.parent_id == parent.commit_id
    assert child.job_id == job.id
    assert {"model.onnx", "parity.json", "model.json", "model.skops", "training.json", "README.md"} <= set(files)
    model = ModelDescription.from_bytes(files["model.json"])
    assert model.serve == "onnx"
    assert [artifact.format for artifact in model.artifacts] == ["skops", "onnx"]
    report = json.loads(files["parity.json"])
    assert (report["verdict"], report["max_rel_difference"], report["label_disagreements"]) == ("parity", 0.0, 0)
    props = {item.key: item.value for item in onnx.load_from_string(files["model.onnx"]).metadata_props}
    assert (props["model"], props["revision"]) == ("ada/forest", parent.commit_id)
    assert bench.data is not None
    assert (props["data"], props["data_revision"]) == ("ada/flowers", bench.data.commit_id)

    edges = {(edge.direction, edge.urn) for edge in job.edges}
    assert edges == {
        (Direction.INPUT, parent.urn),
        (Direction.INPUT, bench.data.urn),
        (Direction.OUTPUT, child.urn),
    }
    with services.database.read() as read:
        facts = {fact.metric: fact for fact in hub.facts_for(read, child.repo_id, child.commit_id)}
    for name in ("latency.skops.batch_1", "latency.skops.batch_32", "latency.onnx.batch_1", "latency.onnx.batch_32"):
        assert facts[name].unit == "us"
        assert facts[name].value > 0
        assert facts[name].hardware == hardware()
        assert facts[name].job_id == job.id
    assert facts["latency.speedup"].value > 1
    assert facts["parity.max_difference"].value == 0.0


def test_the_compiled_revision_loads_and_answers(bench: Workbench, tmp_path: Path):
    bench.train("ada/machine", "svm")
    bench.compile("ada/machine")
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in bench.read("ada/machine")[1].items():
        (folder / name).write_bytes(content)
    graph, pipeline = load(folder), load(folder, format="skops")
    batch = graph.signature.encode(graph.signature.example)
    assert type(graph).__name__ == "OnnxModel"
    assert graph.infer(batch)["label_index"] == pipeline.infer(batch)["label_index"]


def test_compiling_again_returns_the_same_revision(bench: Workbench):
    parent = bench.train("ada/tree", "decision_tree")
    first = bench.compile("ada/tree")
    assert first["already_compiled"] is False
    for revision in (hub.MAIN, first["revision"], parent.commit_id):
        again = bench.compile("ada/tree", revision)
        assert (again["revision"], again["parent"], again["already_compiled"]) == (
            first["revision"],
            parent.commit_id,
            True,
        )
        assert "compiled already" in again["message"]
    assert bench.read("ada/tree")[0].commit_id == first["revision"]


def test_a_graph_that_differs_is_not_committed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    parent = bench.train("ada/linear", "logistic_regression")

    def wrong(graph: Any, features: str, estimator: Any) -> str:
        return softmax(graph, graph.product(features, estimator.coef_.T * 1.001, estimator.intercept_))

    monkeypatch.setitem(compiler._CONVERTERS, "LogisticRegression", wrong)
    with pytest.raises(ParityFailed) as raised:
        bench.compile("ada/linear")
    assert raised.value.code == "parity_failed"
    worst = raised.value.details["groups"]["data"][0]
    assert set(worst["input"]) == {f"length {place}" for place in range(4)}
    assert len(worst["original"]) == len(worst["compiled"]) == 3
    assert bench.read("ada/linear")[0].commit_id == parent.commit_id
    logged = capsys.readouterr().out
    assert "data: differs" in logged
    assert '"verdict": "differs"' in logged


def test_an_older_revision_of_a_branch_that_moved_on_is_refused(bench: Workbench):
    old = bench.train("ada/moved", "decision_tree")
    head = bench.commit(MODEL, "ada/moved", hub.AddBytes("notes.txt", b"mine"))
    with pytest.raises(NotTheHead) as raised:
        bench.compile("ada/moved", old.commit_id)
    assert raised.value.details["head"] == head.commit_id
    assert "tholos compile ada/moved" in raised.value.next
    assert bench.compile("ada/moved")["parent"] == head.commit_id
    assert "notes.txt" in bench.read("ada/moved")[1]


def test_a_model_without_training_data_is_refused(bench: Workbench):
    bench.train("ada/orphan", "decision_tree")
    model = ModelDescription.from_bytes(bench.read("ada/orphan")[1]["model.json"])
    orphan = replace(model, training=TrainingRecord())
    bench.commit(MODEL, "ada/orphan", hub.AddBytes("model.json", orphan.to_bytes()))
    with pytest.raises(NoTrainingData, match="does not say which data"):
        bench.compile("ada/orphan")


def test_a_repo_without_a_pipeline_is_refused_before_a_job_is_queued(bench: Workbench, services: Services, ada: Actor):
    bench.commit(MODEL, "ada/empty", hub.AddBytes("README.md", b"nothing here"))
    with pytest.raises(NothingToCompile, match=r"no model\.json"):
        service.start(services, ada, model="ada/empty")
    with services.database.read() as read:
        assert jobs.page(read, ada).items == []


@pytest.fixture
def ask(services: Services) -> Iterator[Callable[..., Any]]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:

        def post(token: str | None, **body: Any) -> Any:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return client.post("/api/v1/compile", json=body, headers=headers)

        yield post


def test_http(bench: Workbench, ask: Callable[..., Any], ada_token: str, bob_token: str):
    revision = bench.train("ada/web", "decision_tree")
    answer = ask(ada_token, model="ada/web")
    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], job["state"], job["owner"]) == ("optimization.compile", "queued", "ada")
    assert job["payload"]["revision"] == revision.commit_id
    assert [edge["urn"] for edge in job["inputs"]] == [revision.urn]
    refused = [
        (None, {"model": "ada/web"}, 401, "not_authenticated"),
        (bob_token, {"model": "ada/web"}, 404, "repo_not_found"),
        (ada_token, {"model": "ada/none"}, 404, "repo_not_found"),
        (ada_token, {"model": "ada/web", "revision": "f" * 40}, 404, "revision_not_found"),
    ]
    for token, body, status, code in refused:
        answer = ask(token, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        assert answer.json()["error"]["next"]
    assert ask(ada_token, model="ada/web", fast=True).status_code in (400, 422)
    assert ask(ada_token).status_code in (400, 422)


def test_a_reader_of_a_public_model_may_not_compile_it(
    bench: Workbench, ask: Callable[..., Any], services: Services, ada: Actor, bob_token: str
):
    bench.train("ada/open", "decision_tree")
    with services.database.write() as write:
        hub.update_repo(write, ada, MODEL, "ada/open", visibility="public")
    answer = ask(bob_token, model="ada/open")
    assert answer.status_code == 403, answer.text
