"""Algorithm repos: their description, and trainings that run their code."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
import pytest

from tholos.accounts.authorization import Actor
from tholos.cli.app import run as command
from tholos.hub import service as hub
from tholos.hub.cards import read_card
from tholos.hub.errors import RepoNotFound
from tholos.jobs import service as jobs
from tholos.jobs.models import Direction
from tholos.jobs.sandbox.errors import SandboxCrashed, SandboxResult, SandboxUnavailable
from tholos.kit.services import Services
from tholos.runtimes.errors import PickleRefused, UntrustedTypes
from tholos.runtimes.model import ModelDescription
from tholos.training import service, shared
from tholos.training.description import DESCRIPTION_FILE, MAX_DESCRIPTION_BYTES, parse_description
from tholos.training.errors import BrokenDescription, InvalidParameter, TooMuchCode, TrainingFailed
from tholos.training.request import TrainingRequest

GOOD = """
title: Nearest centroid
summary: The nearest mean.
tasks: [tabular-classification, tabular-regression]
entry: code/train.py:fit
scale: true
parameters:
  shrink: {type: number, minimum: 0, maximum: 1, default: 0, description: "How far."}
  rounds: {type: integer, minimum: 1, maximum: 9, default: 3}
  metric: {type: string, enum: [l1, l2], default: l2}
  fast: {type: boolean, default: false}
"""


def test_a_description_is_read():
    found = parse_description(GOOD.encode())
    assert (found.title, found.tasks[0], found.entry) == (
        "Nearest centroid",
        "tabular-classification",
        "code/train.py:fit",
    )
    assert found.scale is True
    assert [(item.name, item.type, item.default) for item in found.parameters] == [
        ("shrink", "float", 0.0),
        ("rounds", "int", 3),
        ("metric", "choice", "l2"),
        ("fast", "bool", False),
    ]
    assert parse_description(b"title: a\nsummary: b\ntasks: [text-classification]").entry == "train.py:fit"


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        ("", "title", "missing"),
        ("title: a\nsummary: b", "tasks", "at least one task"),
        ("title: a\nsummary: b\ntasks: tabular-classification", "tasks", "at least one"),
        ("title: a\nsummary: b\ntasks: [tabular-clasification]", "tasks", "did you mean tabular-classification"),
        ("title: a\nsummary: b\ntasks: [{a: b}]", "tasks", "no task"),
        (GOOD.replace("title: Nearest centroid", "title: [a]"), "title", "must be a text"),
        (GOOD.replace("title: Nearest centroid", f"title: {'a' * 101}"), "title", "longer than 100"),
        (GOOD.replace("Nearest centroid", '"a\\u202e\\u001b"'), "title", "cannot be shown"),
        (GOOD.replace("summary: The", "sumary: The"), "sumary", "did you mean summary"),
        (GOOD.replace("code/train.py:fit", "../train.py:fit"), "entry", "train.py:fit"),
        (GOOD.replace("code/train.py:fit", "/etc/x.py:fit"), "entry", "train.py:fit"),
        (GOOD.replace("code/train.py:fit", "train.py"), "entry", "train.py:fit"),
        (GOOD.replace("code/train.py:fit", "train.py:a.b"), "entry", "train.py:fit"),
        (GOOD.replace("scale: true", "scale: 1"), "scale", "true or false"),
        (GOOD.replace("scale: true", "returns: pickle"), "returns", "estimator"),
        (GOOD.replace("  shrink: {type: number", "  shrink: {type: float"), "parameters.shrink.type", "one of integer"),
        (GOOD.replace("  shrink: {type: number", "  shrink: {type: [number]"), "parameters.shrink.type", "one of"),
        (GOOD.replace("minimum: 0, maximum: 1, ", "maximum: 1, "), "parameters.shrink.minimum", "bounds"),
        (GOOD.replace("minimum: 0, maximum: 1, ", "minimum: 2, maximum: 1, "), "parameters.shrink.minimum", "above"),
        (GOOD.replace("maximum: 1, default", "maximum: .inf, default"), "parameters.shrink.maximum", "number"),
        (GOOD.replace("maximum: 1, default: 0", "maximum: 1, default: 7"), "parameters.shrink.default", "from 0 to 1"),
        (GOOD.replace("default: 3", "default: 3.5"), "parameters.rounds.default", "whole number"),
        (GOOD.replace("enum: [l1, l2], ", "enum: [], "), "parameters.metric.enum", "1 to 100"),
        (GOOD.replace("enum: [l1, l2]", "enum: [1, 2]"), "parameters.metric.enum", "words"),
        (GOOD.replace("boolean, default: false}", "boolean}"), "parameters.fast.default", "missing"),
        (GOOD.replace("  fast:", "  fast-er:"), "parameters.fast-er", "no name"),
        (GOOD.replace("  fast: {type: boolean, default: false}", "  fast: 3"), "parameters.fast", "mapping"),
        (GOOD.replace("{type: boolean, d", "{type: boolean, minimum: 1, d"), "parameters.fast.minimum", "no field"),
        ("title: a\nsummary: b\ntasks: [text-classification]\nparameters: [a]", "parameters", "mapping"),
        ("a: &a [x]\nb: *a", "", "anchors"),
        ("a: !!python/object/apply:os.system [id]", "", "tags"),
        ("[" * 5000, "", "cannot be read"),
        ("a: [", "", "cannot be read"),
        ("- a", "", "cannot be read"),
        ("a: " + "b" * MAX_DESCRIPTION_BYTES, "", "longer than"),
        ("title: \udcff", "", "UTF-8"),
    ],
)  # fmt: skip
def test_a_broken_description_is_refused_by_the_name_of_its_field(text, field, told):
    with pytest.raises(BrokenDescription) as refused:
        parse_description(text.encode("utf-8", "surrogateescape"))
    assert refused.value.details["field"] == field
    assert told in refused.value.message
    assert field in refused.value.message


@pytest.fixture
def centroid(tmp_path) -> list[hub.AddBytes]:
    """The files that `tholos algorithms init` writes."""
    assert command(["algorithms", "init", str(tmp_path / "centroid")]) == 0
    return [hub.AddBytes(path.name, path.read_bytes()) for path in sorted((tmp_path / "centroid").iterdir())]


@pytest.fixture
def share(services: Services, bob: Actor) -> Callable[..., hub.Revision]:
    """Commits files to bob's algorithm repo, public unless asked otherwise."""

    def commit(name: str, *files: hub.AddBytes, visibility: str = "public") -> hub.Revision:
        database, blobs = services.database, services.blobs
        repo = hub.ensure_repo(database, blobs, bob, hub.RepoKind.ALGORITHM, name, visibility=visibility)
        return hub.commit(database, blobs, bob, repo, files, "Change")

    return commit


def with_code(centroid: list[hub.AddBytes], code: str) -> list[hub.AddBytes]:
    return [hub.AddBytes("train.py", code.encode()) if item.path == "train.py" else item for item in centroid]


def train(workshop, services, actor, algorithm, **options) -> dict:
    request = TrainingRequest(target="species", algorithm=algorithm, **options)
    return workshop.run(service.submit_training(services, actor, request, dataset="ada/penguins", name="ada/near"))


def test_a_model_is_trained_by_the_code_of_another_account(workshop, services, ada, centroid, share):
    revision = share("bob/centroid", *centroid)
    request = TrainingRequest(target="species", algorithm="bob/centroid@main", params={"shrink": 0.2}, seed=3)
    job = service.submit_training(services, ada, request, dataset="ada/penguins", name="ada/near")
    share("bob/centroid", hub.AddBytes("train.py", b"raise SystemExit('the head moved on')"))
    result = workshop.run(job)
    assert result["algorithm"] == f"bob/centroid@{revision.commit_id}"
    assert result["params"] == {"shrink": 0.2}
    assert result["validation"]["accuracy"] > 0.9
    files = workshop.files("ada/near", result["revision"])
    model = ModelDescription.from_bytes(files["model.json"])
    assert model.algorithm.name == f"bob/centroid@{revision.commit_id}"
    assert model.algorithm.title == "Centroid"
    assert json.loads(files["training.json"])["algorithm"] == f"bob/centroid@{revision.commit_id}"
    card = read_card(files["README.md"])
    assert "algorithm:bob/centroid" in card.tags
    assert f"[bob/centroid](/algorithms/bob/centroid/tree/{revision.commit_id})" in card.body
    with services.database.read() as read:
        edges = {(edge.direction, edge.role): edge.urn for edge in jobs.get(read, ada, job.id).edges}
        graph = hub.lineage(read, ada, f"rev:{workshop.repo(hub.RepoKind.MODEL, 'ada/near').id}@{result['revision']}")
    assert edges[Direction.INPUT, "algorithm"] == revision.urn
    assert f"algorithm bob/centroid@{revision.commit_id[:7]}" in {node.label for node in graph.nodes}
    # The same again, from what was recorded.
    again = workshop.run(job)
    assert again["validation"] == result["validation"]


def test_what_was_made_shows_to_those_who_may_see_it(workshop, services, ada, bob, centroid, share):
    share("bob/centroid", *centroid)
    result = train(workshop, services, ada, "bob/centroid")
    with services.database.read() as read:
        repo = hub.get_repo(read, bob, hub.RepoKind.ALGORITHM, "bob/centroid")
        assert [(made.full_name, at) for made, at in hub.made_from(read, ada, repo)] == [
            ("ada/near", result["revision"])
        ]
        assert hub.made_from(read, bob, repo) == [], "the model is private, and the author gains nothing"


def test_a_private_algorithm_is_as_one_that_is_not_there(as_ada, as_bob, workshop, centroid, share):
    share("bob/secret", *centroid, visibility="private")
    body = {"dataset": "ada/penguins", "target": "species", "name": "near"}
    hidden = as_ada.post("/api/v1/train", json={**body, "algorithm": "bob/secret"})
    missing = as_ada.post("/api/v1/train", json={**body, "algorithm": "bob/absent"})
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["error"]["message"].replace("secret", "absent") == missing.json()["error"]["message"]
    assert as_ada.get("/api/v1/algorithms/bob/secret/description").status_code == 404
    assert as_bob.get("/api/v1/algorithms/bob/secret/description").json()["title"] == "Centroid"
    assert as_ada.get("/api/v1/models/ada/near").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"algorithm": "bob/centroid@nope"}, 404, "revision_not_found"),
        ({"algorithm": "bob/centroid@"}, 202, ""),
        ({"algorithm": "bob/centroid", "params": {"shrnk": 1}}, 400, "parameter_unknown"),
        ({"algorithm": "bob/centroid", "params": {"shrink": 2}}, 400, "parameter_invalid"),
        ({"algorithm": "bob/centroid", "task": "tabular-regression"}, 400, "algorithm_wrong_task"),
        ({"algorithm": "bob/empty"}, 422, "algorithm_description_invalid"),
        ({"algorithm": "bob/headless"}, 422, "algorithm_description_invalid"),
        ({"algorithm": "/"}, 400, "invalid_name"),
        ({"algorithm": "a/b/c"}, 400, "invalid_name"),
        ({"algorithm": "bob/../../etc"}, 400, "invalid_name"),
        ({"algorithm": "bob/\0"}, 400, "invalid_name"),
    ],
)
def test_what_cannot_be_trained_with_is_refused_at_once(as_ada, workshop, centroid, share, change, status, code):
    share("bob/centroid", *centroid)
    share("bob/empty", hub.AddBytes("a", b"a"))
    share("bob/headless", next(item for item in centroid if item.path == DESCRIPTION_FILE))
    body = {"dataset": "ada/penguins", "target": "species", "name": "near", **change}
    answer = as_ada.post("/api/v1/train", json=body)
    assert answer.status_code == status, answer.text
    assert status == 202 or answer.json()["error"]["code"] == code
    assert status == 202 or answer.json()["error"]["next"]


def test_the_description_by_rest(as_ada, client, centroid, share):
    revision = share("bob/centroid", *centroid)
    told = client.get("/api/v1/algorithms/bob/centroid/description").json()
    assert (told["repo"], told["revision"], told["entry"]) == ("bob/centroid", revision.commit_id, "train.py:fit")
    assert told["parameters"][0]["maximum"] == 1
    query = {"revision": revision.commit_id[:10]}
    assert as_ada.get("/api/v1/algorithms/bob/centroid/description", params=query).json() == told


LINEAR = "from sklearn.linear_model import LinearRegression, LogisticRegression\n"
CODE = {
    "pickle": (
        "import os, pickle\ndef fit(*_):\n    open('estimator.skops', 'wb').write(pickle.dumps([1]))\n    os._exit(0)",
        PickleRefused,
        "is a pickle",
    ),
    "own type": (
        "from sklearn.base import BaseEstimator\nclass Mine(BaseEstimator): pass\ndef fit(*_):\n    return Mine()",
        UntrustedTypes,
        "train.Mine",
    ),
    "function": ("def fit(*_):\n    return print", UntrustedTypes, "builtins.print"),
    "nothing": ("def fit(*_):\n    return None", TrainingFailed, "cannot predict_proba"),
    "unfitted": (f"{LINEAR}def fit(*_): return LogisticRegression()", TrainingFailed, "fails on its own rows"),
    "too few columns": (
        f"{LINEAR}def fit(data, *_): return LogisticRegression().fit(data.X[:, :1], data.y)",
        TrainingFailed,
        "fails on its own rows",
    ),
    "other classes": (
        f"{LINEAR}def fit(data, *_): return LogisticRegression().fit(data.X, data.y + 1)",
        TrainingFailed,
        "classes_",
    ),
    "no numbers": (
        (
            f"{LINEAR}def fit(data, *_):\n    m = LogisticRegression().fit(data.X, data.y)\n"
            "    m.coef_[:] = float('nan')\n    return m"
        ),
        TrainingFailed,
        "no numbers",
    ),
    "error": ("def fit(*_):\n    raise ValueError('no luck')", SandboxCrashed, "ValueError: no luck"),
    "syntax": ("def fit(:", SandboxCrashed, "SyntaxError"),
    "no function": ("x = 1", SandboxCrashed, "has no function fit"),
    "no result": ("import os\ndef fit(*_): os._exit(0)", SandboxResult, "estimator.skops is not there"),
    "a folder": (
        "import os\ndef fit(*_):\n    os.mkdir('estimator.skops')\n    os._exit(0)",
        SandboxResult,
        "no plain file",
    ),
}


SHORT = ("pickle", "function", "other classes", "error")
"""One of each way to fail; each takes the start of a sandboxed child."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in SHORT else pytest.mark.long) for name in CODE])
def test_a_result_that_is_no_model_is_refused(workshop, services, ada, centroid, share, name):
    code, error, told = CODE[name]
    share("bob/odd", *with_code(centroid, code))
    with pytest.raises(error, match=told):
        train(workshop, services, ada, "bob/odd")
    assert set(workshop.files("ada/near")) == set(), "nothing was committed"


def test_texts_and_numbers(workshop, services, ada, share):
    code = (
        "from sklearn.linear_model import LogisticRegression, Ridge\n"
        "def fit(data, params, seed, progress):\n"
        "    progress.metric('rows', data.X.shape[0], 0)\n"
        "    model = Ridge() if data.task.endswith('regression') else LogisticRegression()\n"
        "    return model.fit(data.X, data.y)\n"
    )
    about = b"title: Plain\nsummary: Plain models.\ntasks: [text-classification, tabular-regression]\n"
    share("bob/plain", hub.AddBytes("algorithm.yaml", about), hub.AddBytes("train.py", code.encode()))
    request = TrainingRequest(target="bill_length_mm", algorithm="bob/plain", validation=0.0)
    job = service.submit_training(services, ada, request, dataset="ada/penguins", name="ada/length")
    assert workshop.run(job)["task"] == "tabular-regression"
    words = [f"a {word} day number {number}" for number in range(20) for word in ("fine", "dull")]
    workshop.dataset("ada/days", pa.table({"text": words, "mood": ["good", "bad"] * 20}), test=None)
    request = TrainingRequest(target="mood", algorithm="bob/plain", task="text-classification", validation=0.0)
    result = workshop.run(service.submit_training(services, ada, request, dataset="ada/days"))
    assert (result["task"], result["rows"]) == ("text-classification", 40)


def test_where_no_sandbox_works_the_job_is_refused(workshop, services, ada, centroid, share, monkeypatch):
    share("bob/centroid", *centroid)
    monkeypatch.setattr("tholos.jobs.sandbox.run.fault", lambda mechanism: "it is not there")
    with pytest.raises(SandboxUnavailable, match="it is not there"):
        train(workshop, services, ada, "bob/centroid")


def test_an_algorithm_that_went_away_is_not_run(workshop, services, ada, bob, centroid, share):
    share("bob/centroid", *centroid)
    request = TrainingRequest(target="species", algorithm="bob/centroid")
    job = service.submit_training(services, ada, request, dataset="ada/penguins", name="ada/near")
    with services.database.write() as write:
        hub.update_repo(write, bob, hub.RepoKind.ALGORITHM, "bob/centroid", visibility="private")
    with pytest.raises(RepoNotFound):
        workshop.run(job)


def test_too_much_code(services, bob, centroid, share, monkeypatch):
    share("bob/centroid", *centroid)
    monkeypatch.setattr(shared, "MAX_CODE_FILES", 3)
    with services.database.read() as read, pytest.raises(TooMuchCode, match="an algorithm may have 3"):
        shared.check_out(read, shared.resolve(read, services.blobs, bob, "bob/centroid"))


def test_parameters_are_checked_by_the_revision_that_is_named(services, ada, workshop, centroid, share):
    first = share("bob/centroid", *centroid)
    wider = GOOD.replace("maximum: 1, default", "maximum: 5, default").encode()
    share("bob/centroid", hub.AddBytes("algorithm.yaml", wider), hub.AddBytes("code/train.py", b""))
    for algorithm, shrink in ((f"bob/centroid@{first.commit_id[:8]}", 4), ("bob/centroid", 6)):
        request = TrainingRequest(target="species", algorithm=algorithm, params={"shrink": shrink})
        with pytest.raises(InvalidParameter):
            service.submit_training(services, ada, request, dataset="ada/penguins")
