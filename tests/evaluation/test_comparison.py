import subprocess
import sys

import pytest

from tholos.evaluation.comparison import compare
from tholos.evaluation.errors import NotComparable, NotEvaluated
from tholos.evaluation.schemas import ComparisonOut
from tholos.optimization import service as optimization
from tholos.optimization.work import compile_model


def test_two_models_are_compared_on_the_same_rows(garden, ask):
    first, second = (garden.view(name).evaluation for name in ("ada/stumps", "ada/kinds"))
    found = ask(garden.ada_token).get("/api/v1/compare", params={"a": "ada/stumps", "b": "ada/kinds@main"}).json()
    assert (found["dataset"], found["split"], found["same_data"], found["notes"]) == ("ada/flowers", "test", True, [])
    assert found["a"]["evaluation"] == first.id
    assert found["b"]["evaluation"] == second.id
    assert found["params"]["max_depth"][0] == 1
    assert found["ratio"]["size"] == pytest.approx(second.artifact["size"] / first.artifact["size"])
    assert found["ratio"]["latency"] == pytest.approx(second.latency["value"] / first.latency["value"])
    metrics = {metric["name"]: metric for metric in found["metrics"]}
    accuracy = metrics["accuracy"]
    assert accuracy["difference"] == pytest.approx(accuracy["b"]["value"] - accuracy["a"]["value"])
    assert accuracy["low"] <= accuracy["difference"] <= accuracy["high"]
    assert accuracy["p_value"] < 0.05
    assert (accuracy["winner"], accuracy["significant"]) == ("b", True)
    assert metrics["f1"]["a"]["low"] == first.metrics["f1"]["low"]
    assert metrics["log_loss"]["better"] == "lower"
    swapped = ask(garden.ada_token).get("/api/v1/compare", params={"a": "ada/kinds", "b": "ada/stumps"}).json()
    assert swapped["metrics"][0]["winner"] == "a"
    assert swapped["metrics"][0]["difference"] == pytest.approx(-accuracy["difference"])


def test_a_model_does_not_differ_from_itself(garden):
    services = garden.services
    found = compare(services.database, services.blobs, garden.ada, "ada/kinds", "ada/kinds")
    assert {
        (each.difference.value, each.winner, each.difference.significant) for each in found.metrics if each.difference
    } == {(0.0, None, False)}


def test_the_compiled_revision_is_measured_as_it_is_served(garden):
    services, lab = garden.services, garden.lab
    original = garden.view("ada/kinds").evaluation
    lab.run(optimization.start(services, garden.ada, model="ada/kinds"), compile_model)
    compiled = lab.evaluate("ada/kinds", "ada/flowers").evaluation
    assert compiled.model_revision != original.model_revision
    assert (compiled.artifact["format"], compiled.artifact["file"]) == ("onnx", "model.onnx")
    assert "onnxruntime" in compiled.versions
    pinned = f"ada/kinds@{original.model_revision}"
    found = ComparisonOut.of(compare(services.database, services.blobs, garden.ada, pinned, "ada/kinds"))
    assert [metric.difference for metric in found.metrics] == pytest.approx([0.0] * len(found.metrics), abs=1e-9)
    assert found.params == {}
    assert found.ratio.latency < 1.0


def test_figures_of_different_rows_are_not_subtracted(garden, ask):
    lab = garden.lab
    tree = {"target": "kind", "features": ("length", "width"), "algorithm": "decision_tree", "validation": 0.0}
    lab.model("ada/other", "ada/flowers", **tree)
    lab.evaluate("ada/other", "ada/flowers", split="train")
    question = {"a": "ada/kinds", "b": "ada/other"}
    found = ask(garden.ada_token).get("/api/v1/compare", params=question).json()
    assert (found["same_data"], found["dataset"], found["split"]) == (False, None, None)
    assert "different data" in found["notes"][0]
    assert {metric["difference"] for metric in found["metrics"]} == {None}
    assert {metric["winner"] for metric in found["metrics"]} == {None}
    lab.evaluate("ada/other", "ada/flowers")  # now there are rows that both have met
    found = ask(garden.ada_token).get("/api/v1/compare", params=question).json()
    assert (found["same_data"], found["split"], found["notes"]) == (True, "test", [])


def test_what_cannot_be_compared_says_why(garden):
    services = garden.services
    with pytest.raises(NotComparable, match="ada/kinds predicts a class and ada/prices a number"):
        compare(services.database, services.blobs, garden.ada, "ada/kinds", "ada/prices")
    garden.lab.model("ada/fresh", "ada/flowers", target="kind", algorithm="decision_tree", validation=0.0)
    with pytest.raises(NotEvaluated, match=r"ada/fresh@[0-9a-f]{10} has not been evaluated") as refused:
        compare(services.database, services.blobs, garden.ada, "ada/kinds", "ada/fresh")
    assert "tholos evaluate ada/fresh@" in refused.value.next


def test_a_server_compares_without_the_libraries_of_training(garden):
    question = f"""
import sys
from pathlib import Path
from tholos.accounts import service as accounts
from tholos.evaluation.comparison import compare
from tholos.kit.blobs import LocalBlobStore
from tholos.kit.database import Database
home = Path({str(garden.services.settings.home)!r})
database = Database(f"sqlite:///{{home / 'tholos.db'}}")
with database.read() as read:
    ada = accounts.authenticate(read, {garden.ada_token!r})
assert compare(database, LocalBlobStore(home / "blobs"), ada, "ada/stumps", "ada/kinds").same_data
print(*sorted({{"pandas", "scipy", "sklearn", "vl_convert", "torch"}} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", question], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ""
