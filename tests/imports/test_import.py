"""Models from elsewhere, from a push to an answer of the runtime that will serve them."""

from __future__ import annotations

import json
from pathlib import Path

import foreign_models as foreign
import foreign_transformers as transformers
import numpy as np
import pytest

from tholos import runtimes
from tholos.hub import service as hub
from tholos.runtimes import ModelDescription, load
from tholos.tasks.signature import decode


def answers(folder: Path, rows: list[dict]) -> list[dict]:
    """What a replica would answer."""
    model = load(folder)
    try:
        return decode(model.signature, model.infer(model.signature.encode(rows)))
    finally:
        model.close()


def fact(told: dict, name: str) -> dict:
    return next(item for item in told["facts"] if item["name"] == name)


def rows_of(frame, count: int = 150) -> list[dict]:
    return frame[:count].to_dict("records")


@pytest.mark.parametrize(
    ("model", "frame"),
    [(foreign.named, foreign.IRIS), (foreign.regression, foreign.SUGAR), (foreign.mixed, foreign.ISLANDS)],
    ids=["classifier", "regression", "mixed columns"],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["skops file", "mlflow folder"])
def test_a_scikit_learn_model_serves_as_it_predicted(described, imported, bench, tmp_path, model, frame, wrapped):
    fitted = model()
    files = foreign.mlflow_folder(tmp_path / "mlflow", fitted) if wrapped else {"my.skops": foreign.skops_bytes(fitted)}
    told = described(files)
    assert (told["state"], told["importable"], told["deployable"]) == ("ready", True, False)
    assert imported()["deployable"]
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    given = [row["output"] for row in answers(folder, rows_of(frame))]
    expected = fitted.predict(frame[:150]).tolist()
    assert given == (pytest.approx(expected) if isinstance(expected[0], float) else expected)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("columns", [True, False])
def test_an_onnx_classifier_serves_as_it_predicted(described, imported, bench, tmp_path, zipmap, columns):
    told = described({"iris.onnx": foreign.onnx_bytes(foreign.named(), zipmap=zipmap, columns=columns)})
    assert told["task"] == "tabular-classification"
    assert fact(told, "labels") == {
        "name": "labels",
        "value": ["setosa", "versicolor", "virginica"],
        "how": "read",
        "note": "the graph's ZipMap" if zipmap else fact(told, "labels")["note"],
    }
    assert fact(told, "inputs")["how"] == ("read" if columns else "guessed")
    imported()
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    names = load(folder).signature.names
    rows = [dict(zip(names, values, strict=True)) for values in foreign.IRIS.to_numpy().tolist()]
    given = answers(folder, rows)
    assert [row["output"] for row in given] == foreign.named().predict(foreign.IRIS).tolist()
    expected = foreign.named().predict_proba(foreign.IRIS)
    assert np.array([list(row["probabilities"].values()) for row in given]) == pytest.approx(expected, abs=1e-5)


def test_an_mlflow_onnx_folder_gets_its_names_from_mlflow(described, imported, bench, tmp_path):
    told = described(foreign.mlflow_folder(tmp_path / "mlflow", foreign.named(), "onnx"))
    assert fact(told, "inputs")["value"][0] == "sepal length (cm): number"
    assert fact(told, "inputs")["how"] == "read"
    assert told["provenance"]["mlflow.mlflow_version"]
    imported()
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    assert [row["output"] for row in answers(folder, rows_of(foreign.IRIS, 3))] == ["setosa"] * 3


def test_an_onnx_regression_serves_as_it_predicted(described, imported, bench, tmp_path):
    told = described({"model.onnx": foreign.onnx_bytes(foreign.regression())})
    assert told["task"] == "tabular-regression"
    imported(input_names=list(foreign.SUGAR.columns), output_name="progress")
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    given = [row["output"] for row in answers(folder, rows_of(foreign.SUGAR, 50))]
    assert given == pytest.approx(foreign.regression().predict(foreign.SUGAR[:50]), rel=1e-3)
    model = ModelDescription.read(folder)
    assert (model.signature.output.name, model.serve, model.artifact().file) == ("progress", "onnx", "serving.onnx")
    assert "model.onnx" in bench.files("ada/foreign")


def test_scores_of_a_network_are_taken_for_classes_and_said_to_be_guessed(described, imported, bench, tmp_path):
    told = described({"net.onnx": foreign.network_onnx()})
    assert told["task"] == "tabular-classification"
    assert {"task", "labels", "inputs", "output", "example"} <= set(told["guessed"])
    assert fact(told, "labels")["value"] == [0, 1, 2]
    imported(label_names=["a", "b", "c"], input_names=["k", "l", "m", "n"])
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    [answer] = answers(folder, [{"k": 1, "l": 2, "m": 3, "n": 4}])
    assert answer["output"] == "c"
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    kept = json.loads(bench.files("ada/foreign")["import.json"])
    assert {item["name"]: item["how"] for item in kept["facts"]}["labels"] == "given"


def test_one_probability_becomes_two_classes(described, imported, bench, tmp_path):
    metadata = {"classes": '["no", "yes"]'}
    told = described({"net.onnx": foreign.network_onnx(last="Sigmoid", outputs=1, metadata=metadata)})
    assert fact(told, "labels")["value"] == ["no", "yes"]
    imported()
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    [answer] = answers(folder, [{"x0": 1, "x1": 0, "x2": 0, "x3": 0}])
    assert answer["probabilities"]["yes"] == pytest.approx(1 / (1 + np.e))


def test_one_number_is_a_regression_unless_the_user_says_otherwise(described, imported, bench, tmp_path):
    assert described({"net.onnx": foreign.network_onnx(outputs=1)})["task"] == "tabular-regression"
    imported(task="tabular-classification", label_names=["no", "yes"])
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    [answer] = answers(folder, [{"x0": 1, "x1": 0, "x2": 0, "x3": 0}])
    assert answer["probabilities"]["yes"] == pytest.approx(1 / (1 + np.e))


def test_corrections_are_revisions_and_are_kept(described, imported, bench, as_ada):
    described({"net.onnx": foreign.network_onnx()})
    first = imported(label_names=["a", "b", "c"])
    second = imported(input_names=["k", "l", "m", "n"])
    assert first["revision"] != second["revision"]
    told = as_ada.get("/api/v1/models/ada/foreign/description").json()
    assert (told["deployable"], told["state"]) == (True, "ready")
    assert fact(told, "labels")["value"] == ["a", "b", "c"]
    assert told["signature"]["inputs"][0]["name"] == "k"
    assert not bench.settle()  # what the platform committed itself is not described once more


def test_a_file_that_was_replaced_is_described_anew(described, imported, bench):
    described({"net.onnx": foreign.network_onnx()})
    imported()
    told = described({"net.onnx": foreign.network_onnx(outputs=2)})
    assert fact(told, "labels")["value"] == [0, 1]
    imported()
    assert json.loads(bench.files("ada/foreign")["model.json"])["signature"]["output"]["labels"] == [0, 1]


def test_a_model_fitted_on_an_array_takes_names_from_the_user(described, imported, bench, tmp_path):
    told = described({"forest.skops": foreign.skops_bytes(foreign.unnamed())})
    assert fact(told, "inputs") == {
        "name": "inputs",
        "value": ["x0: number", "x1: number", "x2: number", "x3: number"],
        "how": "guessed",
        "note": "the model was fitted on an array, so they have no names",
    }
    imported(label_names=["setosa", "versicolor", "virginica"], input_names=list(foreign.IRIS.columns))
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    given = [row["output"] for row in answers(folder, rows_of(foreign.IRIS))]
    names = np.array(["setosa", "versicolor", "virginica"])
    assert given == names[foreign.unnamed().predict(foreign.IRIS.to_numpy())].tolist()


def test_a_gguf_file_serves_as_its_weights_say(described, imported, bench, tmp_path):
    told = described({"letters.gguf": foreign.letters_gguf()})
    found = {item["name"]: item["value"] for item in told["facts"]}
    assert (told["task"], told["runtime"], told["importable"]) == ("text-generation", "gguf", True)
    assert (found["architecture"], found["quantization"], found["served context"]) == ("llama", "F32", 2048)
    assert (found["inputs"], found["output"], found["chat template"]) == (["text: text"], "generated_text", False)
    assert set(told["guessed"]) == {"task", "example"}
    done = imported()
    assert (done["deployable"], done["lacks"]) == (True, "")
    assert "`tholos[llm]`" in bench.files("ada/foreign")["README.md"].decode()
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    assert answers(folder, [{"text": "uvw"}, {"text": "w"}]) == [
        {"output": "xyz", "finish_reason": "stop"},
        {"output": "xyz", "finish_reason": "stop"},
    ]


def test_a_gguf_header_tells_what_the_model_is(described, bench, imported):
    told = described({"tiny.gguf": foreign.gguf_bytes()})
    found = {item["name"]: item["value"] for item in told["facts"]}
    assert (found["architecture"], found["quantization"], found["parameters"]) == ("llama", "Q4_K_M", 4096)
    assert (found["context length"], found["chat template"], found["tokenizer"]) == (2048, True, "gpt2")
    imported()
    assert b"pipeline_tag: text-generation" in bench.files("ada/foreign")["README.md"]


def test_a_gguf_model_of_embeddings_is_described_and_honestly_not_served(described, imported, as_ada):
    told = described({"tiny.gguf": foreign.gguf_bytes(metadata={"general.architecture": "bert"})})
    assert told["task"] == "feature-extraction"
    assert told["obstacle"]["code"] == "runtime_missing"
    assert not imported()["deployable"]
    refused = as_ada.post("/api/v1/deployments", json={"model": "ada/foreign"})
    assert refused.status_code == 422


def test_a_deployment_without_the_runtime_is_refused_with_what_to_install(described, imported, as_ada, monkeypatch):
    described({"letters.gguf": foreign.letters_gguf()})
    imported()
    monkeypatch.setitem(runtimes.EXTRAS, "gguf", ("llm", ("no_such_module",)))
    refused = as_ada.post("/api/v1/deployments", json={"model": "ada/foreign"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "runtime_not_installed")
    assert "pip install 'tholos[llm]'" in refused.json()["error"]["next"]
    assert as_ada.get("/api/v1/models/ada/foreign/description").json()["lacks"]["code"] == "runtime_not_installed"


def test_what_generates_text_is_neither_evaluated_nor_compiled_nor_trained(described, imported, bench, as_ada):
    described({"letters.gguf": foreign.letters_gguf()})
    imported()
    repo = hub.ensure_repo(bench.services.database, bench.services.blobs, bench.owner, hub.RepoKind.DATASET, "ada/rows")
    rows = [hub.AddBytes("data.csv", b"text,generated_text\na,b\n")]
    hub.commit(bench.services.database, bench.services.blobs, bench.owner, repo, rows, "Push")
    asked = {"model": "ada/foreign", "dataset": "ada/rows", "split": "all"}
    refused = as_ada.post("/api/v1/evaluate", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "not_evaluable")
    refused = as_ada.post("/api/v1/compile", json={"model": "ada/foreign"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "nothing_to_compile")
    asked = {"dataset": "ada/rows", "target": "generated_text", "task": "text-generation"}
    refused = as_ada.post("/api/v1/train", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "task_unknown")


def test_a_transformers_folder_that_generates_serves_as_its_weights_say(described, imported, bench, tmp_path):
    told = described(transformers.counting(context=128))
    found = {item["name"]: item["value"] for item in told["facts"]}
    assert (told["task"], told["library"], told["runtime"]) == ("text-generation", "transformers", "transformers")
    assert (found["parameters"], found["types"], found["layers"]) == (8160, "F32 8,160", 1)
    assert (found["tokenizer"], found["served context"], found["chat template"]) == ("tokenizer.json", 128, False)
    assert set(told["guessed"]) == {"task", "example"}
    done = imported(output_name="next")
    assert (done["deployable"], done["lacks"]) == (True, "")
    assert "`tholos[transformers]`" in bench.files("ada/foreign")["README.md"].decode()
    folder = bench.lay_out("ada/foreign", tmp_path / "served")
    assert answers(folder, [{"text": "two"}]) == [{"output": "three four five", "finish_reason": "stop"}]


def test_a_transformers_folder_that_classifies_serves_under_its_own_labels(described, imported, bench, tmp_path):
    told = described(transformers.judging())
    assert fact(told, "labels") == {
        "name": "labels",
        "value": list(transformers.MOODS),
        "how": "read",
        "note": "id2label",
    }
    assert told["task"] == "text-classification"
    assert told["runtime"] == "transformers"
    imported(label_names=["--", "0", "++"])
    [answer] = answers(bench.lay_out("ada/foreign", tmp_path / "served"), [{"text": "good bad plain"}])
    assert answer["output"] == "++"
    assert answer["probabilities"].keys() == {"--", "0", "++"}


def test_labels_that_a_folder_does_not_name_are_guessed(described):
    files = transformers.judging(labels=("LABEL_0", "LABEL_1"))
    config = json.loads(files["config.json"])
    config.pop("id2label", None)
    told = described({**files, "config.json": json.dumps(config).encode()})
    assert fact(told, "labels")["how"] == "guessed"
    assert fact(told, "labels")["value"] == ["LABEL_0", "LABEL_1"]


def test_a_transformers_model_of_another_task_is_described_and_honestly_not_served(described, imported, as_ada):
    files = transformers.judging()
    config = {**json.loads(files["config.json"]), "architectures": ["BertForTokenClassification"]}
    told = described({**files, "config.json": json.dumps(config).encode()})
    assert (told["task"], told["obstacle"]["code"]) == ("token-classification", "runtime_missing")
    assert "is made for token-classification" in told["obstacle"]["message"]
    assert not imported()["deployable"]
    refused = as_ada.post("/api/v1/deployments", json={"model": "ada/foreign"})
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == told["obstacle"]["message"]


def test_a_card_written_by_hand_stays(described, imported, bench):
    described({"net.onnx": foreign.network_onnx(), "README.md": b"---\nlicense: mit\n---\nMine.\n"})
    imported()
    card = bench.files("ada/foreign")["README.md"].decode()
    assert card.endswith("---\nMine.\n")
    assert "license: mit" in card
    assert "pipeline_tag: tabular-classification" in card


def test_a_model_that_describes_itself_is_left_alone(bench, as_ada):
    bench.push("ada/own", {"model.onnx": foreign.network_onnx(), "model.json": b"{}"})
    assert not bench.settle()
    refused = as_ada.post("/api/v1/models/ada/own/import", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "nothing_to_import")
