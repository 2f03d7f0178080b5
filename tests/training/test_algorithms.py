"""Every entry of the catalogue on real data: it learns, and its file answers exactly as it does."""

from __future__ import annotations

import numpy as np
import pytest
from training_samples import diabetes, digits, iris, penguins, sentences

from tholos import runtimes
from tholos.runtimes.skops import outputs_of
from tholos.tasks.signature import decode
from tholos.tasks.tables import batch_of
from tholos.training.catalogue import AUTO, algorithm, catalogue, for_task
from tholos.training.errors import InvalidParameter, UnknownAlgorithm, UnknownParameter, WrongTask
from tholos.training.model_folder import write_model
from tholos.training.pipelines import frame_of
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train

SMALL = {"mlp": {"epochs": 60, "learning_rate": 0.01}, "gradient_boosting": {"iterations": 40, "min_samples_leaf": 5}}

# (algorithm, more hyper-parameters, table, target, floor of the validation figure)
CASES = [
    ("decision_tree", {}, penguins, "species", 0.9),
    ("random_forest", {"trees": 30}, penguins, "species", 0.95),
    ("gradient_boosting", {}, penguins, "species", 0.95),
    ("logistic_regression", {"balanced": True}, penguins, "species", 0.95),
    ("svm", {"kernel": "linear"}, penguins, "species", 0.95),
    ("svm", {"kernel": "poly", "coef0": 1.0}, penguins, "species", 0.9),
    ("svm", {"kernel": "rbf"}, penguins, "sex", 0.85),
    ("svm", {"kernel": "sigmoid"}, iris, "target", 0.8),
    ("mlp", {}, iris, "target", 0.85),
    ("linear_regression", {}, diabetes, "target", 0.35),
    ("linear_regression", {"l2": 0.1}, diabetes, "target", 0.35),
    ("decision_tree", {"max_depth": 3}, diabetes, "target", 0.15),
    ("random_forest", {"trees": 30}, diabetes, "target", 0.3),
    ("gradient_boosting", {"learning_rate": 0.05}, diabetes, "target", 0.3),
    ("svm", {}, diabetes, "target", 0.3),
    ("mlp", {}, diabetes, "target", 0.2),
    ("decision_tree", {}, digits, "label", 0.5),
    ("random_forest", {"trees": 30}, digits, "label", 0.85),
    ("gradient_boosting", {"iterations": 8}, digits, "label", 0.6),
    ("logistic_regression", {}, digits, "label", 0.85),
    ("svm", {"C": 10.0}, digits, "label", 0.9),
    ("mlp", {}, digits, "label", 0.8),
    ("tfidf_linear", {"max_ngram": 2}, sentences, "label", 0.6),
]


@pytest.mark.parametrize(("name", "params", "table", "target", "floor"), CASES)
def test_it_learns_and_its_file_answers_as_it_does(name, params, table, target, floor, tmp_path):
    rows = table()
    request = TrainingRequest(
        algorithm=name, params={**SMALL.get(name, {}), **params}, target=target, validation=0.25, seed=1
    )
    trained = train(rows, request)
    assert trained.scores["r2" if trained.signature.output.kind == "number" else "accuracy"] >= floor
    assert trained.rows == len(rows) - rows.column(target).null_count
    assert trained.pipeline.named_steps.keys() == {"prepare", "model"}

    description = write_model(tmp_path, trained, name="ada/model")
    assert runtimes.ModelDescription.read(tmp_path) == description
    loaded = runtimes.load(tmp_path)
    batch = batch_of(trained.signature, rows)
    native = outputs_of(trained.pipeline, trained.signature, frame_of(trained.signature, batch))
    answered = loaded.infer(batch)
    assert native.keys() == answered.keys()
    for key, values in native.items():
        np.testing.assert_array_equal(answered[key], values)
    # The example of the signature is a request that the model answers, and it is the answer on that row of the table.
    example = decode(loaded.signature, loaded.infer(loaded.signature.encode(loaded.signature.example)))
    assert example[0]["output"] in (trained.signature.output.labels or [example[0]["output"]])
    loaded.close()


def test_every_entry_of_the_catalogue_is_trained_by_a_test():
    tried = {(name, train_task(table)) for name, _, table, _, _ in CASES}
    assert tried == {(entry.name, task) for entry in catalogue().values() for task in entry.tasks}


def train_task(table):
    return {
        diabetes: "tabular-regression",
        digits: "image-classification",
        sentences: "text-classification",
    }.get(table, "tabular-classification")


@pytest.mark.parametrize("entry", catalogue().values(), ids=catalogue())
def test_an_entry_is_documented_bounded_and_cited(entry):
    assert entry.title
    assert entry.summary.endswith(".")
    assert any(year in entry.citation for year in map(str, range(1950, 2030)))
    assert entry.check({}) == entry.defaults
    for params in entry.portfolio:
        assert entry.check(params) == {**entry.defaults, **params}
    for item in entry.parameters:
        assert item.doc.endswith(".")
        assert item.check(item.default) == item.default
        if item.type in ("int", "float"):
            assert item.minimum <= item.default <= item.maximum
            assert not item.log or item.minimum > 0
            for value in (item.minimum - 1, item.maximum * 2 + 1, "1", None, True, float("nan"), float("inf")):
                with pytest.raises(InvalidParameter, match=item.name) as caught:
                    entry.check({item.name: value})
                assert f"{item.minimum:g} to {item.maximum:g}" in caught.value.next
        elif item.type == "choice":
            with pytest.raises(InvalidParameter) as caught:
                entry.check({item.name: "none of these"})
            assert all(choice in caught.value.next for choice in item.choices)
        else:
            with pytest.raises(InvalidParameter):
                entry.check({item.name: 1})


def test_whole_numbers_are_taken_for_either_kind_of_number():
    checked = algorithm("svm").check({"C": 2, "degree": 2.0})
    assert (checked["C"], type(checked["C"]), checked["degree"], type(checked["degree"])) == (2.0, float, 2, int)
    with pytest.raises(InvalidParameter):
        algorithm("svm").check({"degree": 2.5})


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownAlgorithm) as caught:
        algorithm("random_forrest")
    assert "random_forest" in caught.value.next
    with pytest.raises(UnknownParameter) as caught:
        algorithm("random_forest").check({"tree": 10})
    assert "Did you mean trees" in caught.value.next
    with pytest.raises(WrongTask) as caught:
        algorithm("linear_regression", "tabular-classification")
    assert "logistic_regression" in caught.value.next


def test_every_task_has_algorithms_in_a_fixed_order():
    assert [entry.name for entry in for_task("tabular-regression")] == [
        "linear_regression",
        "decision_tree",
        "random_forest",
        "gradient_boosting",
        "svm",
        "mlp",
    ]
    assert [entry.name for entry in for_task("text-classification")] == ["tfidf_linear"]
    assert AUTO not in catalogue()
