import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as reference

from tholos.data.errors import SplitNotFound
from tholos.evaluation.errors import ColumnsMissing, NotAModel, NothingToEvaluate
from tholos.evaluation.predictions import read_predictions
from tholos.evaluation.service import report_of
from tholos.hub import service as hub
from tholos.kit.hardware import hardware


def predictions_of(lab, view):
    return pq.read_table(lab.services.blobs.path(view.evaluation.predictions_sha256))


def test_the_figures_are_those_of_the_answers_to_the_test_split(garden):
    view = garden.view("ada/kinds")
    evaluation, kept = view.evaluation, predictions_of(garden, view)
    assert evaluation.rows == kept.num_rows == 60
    assert kept.column_names == [
        "row",
        "actual",
        "predicted",
        "probability:aster",
        "probability:begonia",
        "probability:clover",
    ]
    actual, predicted = kept.column("actual").to_pylist(), kept.column("predicted").to_pylist()
    assert evaluation.metrics["accuracy"]["value"] == pytest.approx(reference.accuracy_score(actual, predicted))
    assert evaluation.metrics["f1"]["value"] == pytest.approx(reference.f1_score(actual, predicted, average="macro"))
    probabilities = np.column_stack([kept.column(name) for name in kept.column_names[3:]])
    expected = reference.roc_auc_score(actual, probabilities, multi_class="ovr")
    assert evaluation.metrics["roc_auc"]["value"] == pytest.approx(expected)
    for metric in evaluation.metrics.values():
        assert (metric["value"] is None) == (metric["reason"] is not None)
        if metric["value"] is not None:
            assert metric["low"] <= metric["value"] <= metric["high"]
    matrix = report_of(garden.services.blobs, evaluation)["confusion_matrix"]
    assert matrix == reference.confusion_matrix(actual, predicted).tolist()
    assert evaluation.hardware == hardware()
    assert evaluation.versions.keys() >= {"tholos", "python", "scikit-learn"}
    assert evaluation.artifact["format"] == "skops"
    assert evaluation.artifact["size"] > 0
    assert 0 < evaluation.latency["low"] <= evaluation.latency["value"] <= evaluation.latency["high"]
    assert evaluation.notes == []
    assert list(evaluation.plots) == ["confusion_matrix", "per_class", "roc", "precision_recall", "calibration"]


def test_a_regression_is_measured_in_its_targets_unit(garden):
    view = garden.view("ada/prices")
    kept = predictions_of(garden, view)
    actual, predicted = kept.column("actual").to_numpy(), kept.column("predicted").to_numpy()
    metrics = view.evaluation.metrics
    assert list(metrics) == ["r2", "mse", "rmse", "mae", "median_absolute_error"]
    assert metrics["rmse"]["value"] == pytest.approx(reference.root_mean_squared_error(actual, predicted))
    assert metrics["r2"]["value"] == pytest.approx(reference.r2_score(actual, predicted))
    quantiles = report_of(garden.services.blobs, view.evaluation)["residuals"]["quantiles"]
    assert quantiles["0.5"] == pytest.approx(np.median(predicted - actual))
    assert list(view.evaluation.plots) == ["predicted_vs_actual", "residuals"]


def test_every_figure_becomes_a_fact_of_the_revision(garden):
    view = garden.view("ada/kinds")
    evaluation = view.evaluation
    with garden.services.database.read() as read:
        facts = {fact.metric: fact for fact in hub.facts_for(read, view.model.id, evaluation.model_revision)}
    assert set(facts) == {name for name, each in evaluation.metrics.items() if each["value"] is not None} | {
        "latency_ms"
    }
    accuracy, latency = facts["accuracy"], facts["latency_ms"]
    assert (accuracy.value, accuracy.low, accuracy.high) == tuple(
        evaluation.metrics["accuracy"][key] for key in ("value", "low", "high")
    )
    assert (accuracy.data_repo_id, accuracy.split, accuracy.job_id) == (view.data.id, "test", evaluation.job_id)
    assert (latency.unit, latency.hardware) == ("ms", hardware())
    assert accuracy.details == {"evaluation": evaluation.id, "title": "Accuracy", "better": "higher"}


def test_the_kept_predictions_give_the_same_outcomes_back(garden):
    view = garden.view("ada/kinds")
    rows, outcomes = read_predictions(garden.services.blobs.path(view.evaluation.predictions_sha256))
    assert rows.tolist() == list(range(60))
    assert outcomes.labels == ("aster", "begonia", "clover")
    assert outcomes.probabilities.sum(axis=1) == pytest.approx(np.ones(60))
    assert (outcomes.actual == outcomes.predicted).mean() == view.evaluation.metrics["accuracy"]["value"]


def test_labels_the_model_never_saw_count_as_wrong_and_are_noted(garden):
    rows = [{"length": 1.0, "width": 2.0, "place": "hill", "kind": kind} for kind in ("begonia", "dahlia", "dahlia")]
    garden.lab.dataset("ada/more", rows, test=None)
    evaluation = garden.lab.evaluate("ada/kinds", "ada/more", split="all").evaluation
    assert evaluation.split is None
    assert evaluation.metrics["accuracy"]["value"] == pytest.approx(1 / 3)
    assert evaluation.metrics["log_loss"]["value"] is None
    assert "never saw" in evaluation.metrics["log_loss"]["reason"]
    assert "2 rows carry a label that the model never saw ('dahlia'): they count as wrong." in evaluation.notes


def test_rows_without_a_target_are_left_out_and_gaps_are_noted(garden):
    rows = [
        {"length": 1.0, "width": 2.0, "place": "hill", "kind": None},
        {"length": None, "width": 2.0, "place": "hill", "kind": "begonia"},
        {"length": 0.0, "width": 0.0, "place": "moon", "kind": "aster"},
    ]
    garden.lab.dataset("ada/gaps", rows, test=None)
    view = garden.lab.evaluate("ada/kinds", "ada/gaps", split="all")
    assert predictions_of(garden, view).column("row").to_pylist() == [1, 2]
    notes = " ".join(view.evaluation.notes)
    assert "1 of 3 rows have no value in 'kind': left out." in notes
    assert "no value in 'length'" in notes


def test_a_single_class_leaves_the_area_undefined_not_the_evaluation(garden):
    rows = [{"length": 0.1 * at, "width": 0.0, "place": "hill", "kind": "aster"} for at in range(8)]
    garden.lab.dataset("ada/asters", rows, test=None)
    evaluation = garden.lab.evaluate("ada/kinds", "ada/asters", split="all").evaluation
    assert evaluation.metrics["roc_auc"]["value"] is None
    assert "nothing to rank" in evaluation.metrics["roc_auc"]["reason"]
    assert list(evaluation.plots) == ["confusion_matrix", "per_class", "calibration"]


def test_evaluating_on_what_it_learned_from_is_noted(garden):
    (note,) = garden.lab.evaluate("ada/kinds", "ada/flowers", split="train").evaluation.notes
    assert "learned from these rows" in note


def test_text_and_images_go_through_the_same_door(garden):
    lab = garden.lab
    import io

    from PIL import Image

    rows = [
        {"review": f"{word} {number} film that I {word}ly watched", "mood": mood}
        for number in range(20)
        for word, mood in (("great", "glad"), ("awful", "sad"))
    ]
    lab.dataset("ada/reviews", rows)
    lab.model("ada/moods", "ada/reviews", target="mood", task="text-classification", algorithm="tfidf_linear")
    assert lab.evaluate("ada/moods", "ada/reviews").evaluation.metrics["accuracy"]["value"] == 1.0

    def png(shade):
        buffer = io.BytesIO()
        Image.new("L", (8, 8), shade).save(buffer, format="PNG")
        return buffer.getvalue()

    files = [
        hub.AddBytes(f"{name}/{number}.png", png(base + number))
        for name, base in (("dark", 0), ("light", 200))
        for number in range(12)
    ]
    lab.commit(hub.RepoKind.DATASET, "ada/shades", files)
    lab.model("ada/shade", "ada/shades", part=None, target="label", algorithm="decision_tree")
    evaluation = lab.evaluate("ada/shade", "ada/shades", split="all").evaluation
    assert evaluation.task == "image-classification"
    assert evaluation.metrics["accuracy"]["value"] == 1.0


def test_missing_columns_are_named(garden):
    garden.lab.dataset("ada/narrow", [{"length": 1.0, "kind": "aster"}, {"length": 2.0, "kind": "clover"}], test=None)
    with pytest.raises(ColumnsMissing, match="lacks 'width', 'place', which the model needs") as failed:
        garden.lab.run(garden.lab.start("ada/kinds", "ada/narrow", split="all"))
    assert failed.value.details["missing"] == ["width", "place"]
    garden.lab.dataset("ada/blind", [{"length": 1.0, "width": 1.0, "place": "hill"}] * 2, test=None)
    with pytest.raises(ColumnsMissing, match="lacks 'kind', which the model predicts"):
        garden.lab.run(garden.lab.start("ada/kinds", "ada/blind", split="all"))


def test_a_target_without_any_value_is_nothing_to_evaluate(garden):
    rows = [
        {"length": 1.0, "width": 1.0, "place": "hill", "kind": None},
        {"length": 1.0, "width": 1.0, "place": "hill"},
    ]
    garden.lab.dataset("ada/empty", rows, test=None)
    with pytest.raises(NothingToEvaluate, match="None of the 2 rows has a value in 'kind'"):
        garden.lab.run(garden.lab.start("ada/kinds", "ada/empty", split="all"))


def test_a_dataset_without_the_split_says_how_to_make_one(garden):
    garden.lab.dataset("ada/whole", [{"length": 1.0}], test=None)
    with pytest.raises(SplitNotFound, match="never split") as failed:
        garden.lab.start("ada/kinds", "ada/whole")
    assert "tholos data split ada/whole" in failed.value.next
    with pytest.raises(SplitNotFound, match="it has train, test") as failed:
        garden.lab.start("ada/kinds", "ada/flowers", split="validation")
    assert failed.value.details["splits"] == ["train", "test"]


def test_a_repo_without_a_model_is_refused_before_a_job_exists(garden):
    garden.lab.commit(hub.RepoKind.MODEL, "ada/notes", [hub.AddBytes("notes.txt", b"none yet")])
    with pytest.raises(NotAModel, match=r"no model\.json"):
        garden.lab.start("ada/notes", "ada/flowers")
    description = json.loads((garden.services.blobs.path(_model_json(garden))).read_bytes())
    garden.lab.commit(hub.RepoKind.MODEL, "ada/half", [hub.AddBytes("model.json", json.dumps(description).encode())])
    with pytest.raises(NotAModel, match=r"has no such file"):
        garden.lab.start("ada/half", "ada/flowers")


def _model_json(garden):
    with garden.services.database.read() as read:
        repo, revision = hub.resolve(read, garden.ada, hub.RepoKind.MODEL, "ada/kinds")
        return hub.file(read, repo, revision.commit_id, "model.json").sha256
