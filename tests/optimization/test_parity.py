"""A graph that answers otherwise than its original is caught, and the report says where."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import numpy_helper

from tholos.optimization.cases import Group, groups
from tholos.optimization.compiler import compile_pipeline
from tholos.optimization.errors import ParityFailed
from tholos.optimization.parity import Report, compare
from tholos.tasks.signature import Batch, Field, Output, Outputs, Signature

CLASSES = Signature(
    task="tabular-classification",
    inputs=(Field(name="x", dtype="number"),),
    output=Output(name="y", kind="class", labels=("no", "yes")),
    example={"x": 1.0},
)
NUMBERS = Signature(
    task="tabular-regression",
    inputs=(Field(name="x", dtype="number"),),
    output=Output(name="y", kind="number"),
    example={"x": 1.0},
)


class Fixed:
    """A model whose answers are given: for a row of x, the x-th of them."""

    def __init__(self, signature: Signature, answers: list[Any]) -> None:
        self.signature = signature
        self._answers = np.array(answers, dtype=np.float64)

    def infer(self, batch: Batch) -> Outputs:
        chosen = self._answers[batch["numeric"][:, 0].astype(int)]
        if self.signature.output.kind == "number":
            return {"value": chosen}
        return {"label_index": chosen.argmax(axis=1), "probabilities": chosen}

    def close(self) -> None:
        pass


def _compare(signature: Signature, original: list[Any], compiled: list[Any]) -> Report:
    rows = Group("data", "rows of the training data", {"numeric": np.arange(len(original), dtype=float)[:, np.newaxis]})
    return compare(Fixed(signature, original), Fixed(signature, compiled), [rows])


def test_equal_answers_are_at_parity():
    report = _compare(CLASSES, [[0.2, 0.8], [1.0, 0.0]], [[0.2, 0.8], [1.0, 0.0]])
    assert (report.verdict, report.rows, report.max_abs_difference) == ("parity", 2, 0.0)
    report.require()


def test_a_probability_beyond_the_tolerance_differs():
    report = _compare(CLASSES, [[0.2, 0.8], [0.5, 0.5]], [[0.2, 0.8], [0.50001, 0.49999]])
    (group,) = report.groups
    assert (report.verdict, group.label_disagreements) == ("differs", 0)
    assert group.max_abs_difference == pytest.approx(1e-5)
    assert [(row.row, row.input, row.original) for row in group.worst] == [(1, {"x": 1.0}, [0.5, 0.5])]


def test_another_label_differs_unless_the_two_are_as_good_as_equal():
    report = _compare(CLASSES, [[0.5, 0.5], [0.7, 0.3]], [[0.5 - 1e-9, 0.5 + 1e-9], [0.7, 0.3]])
    (group,) = report.groups
    assert (report.verdict, group.label_disagreements, group.ties) == ("parity", 1, 1)
    report = _compare(CLASSES, [[0.5 + 1e-6, 0.5 - 1e-6]], [[0.5, 0.5 + 1e-7]])
    assert (report.verdict, report.label_disagreements, report.groups[0].ties) == ("differs", 1, 0)


def test_values_are_compared_by_their_size_and_spread():
    assert _compare(NUMBERS, [1e9, 2e9], [1e9 + 100, 2e9]).verdict == "parity"
    assert _compare(NUMBERS, [1e-9, 2e-9], [1.001e-9, 2e-9]).verdict == "differs"
    assert _compare(NUMBERS, [0.0, 1000.0], [1e-6, 1000.0]).verdict == "parity"
    assert _compare(NUMBERS, [0.0, 0.0], [1e-300, 0.0]).verdict == "differs"


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_has_to_be_none_on_both_sides(wild: float):
    both = _compare(NUMBERS, [1.0, wild], [1.0, np.nan])
    assert (both.verdict, both.groups[0].not_finite, both.max_abs_difference) == ("parity", 1, 0.0)
    for original, compiled in (([1.0, wild], [1.0, 2.0]), ([1.0, 2.0], [1.0, wild])):
        one = _compare(NUMBERS, original, compiled)
        assert one.verdict == "differs"
        assert one.groups[0].worst[0].row == 1
        assert msgspec.json.decode(one.to_bytes())["max_abs_difference"] is None


def test_the_error_names_the_worst_rows_and_what_to_do():
    with pytest.raises(ParityFailed) as raised:
        _compare(CLASSES, [[0.2, 0.8]] * 5, [[0.2 + step / 100, 0.8] for step in range(5)]).require()
    error = raised.value.to_dict()
    assert error["code"] == "parity_failed"
    assert "rows of the training data" in error["message"]
    assert "0.04" in error["message"]
    assert "uncompiled revision still serves" in error["next"]
    assert [row["row"] for row in error["details"]["groups"]["data"]] == [4, 3, 2]


@pytest.mark.parametrize(
    ("data", "algorithm", "params"),
    [
        ("penguins", "random_forest", {"trees": 30, "min_samples_leaf": 3}),
        ("penguins", "logistic_regression", {}),
        ("diabetes", "linear_regression", {}),
        ("digits", "svm", {"kernel": "rbf"}),
        ("texts", "tfidf_linear", {"max_ngram": 1}),
    ],
)
def test_a_tampered_weight_is_caught(
    data: str, algorithm: str, params: dict[str, Any], trained: Callable, load_graph: Callable
):
    sample = trained(data, algorithm, **params)
    model = compile_pipeline(sample.pipeline, sample.signature)
    largest = max(
        (tensor for tensor in model.graph.initializer if tensor.data_type == tensor.DOUBLE),
        key=lambda tensor: int(np.prod(tensor.dims)),
    )
    values = numpy_helper.to_array(largest).copy()
    values.reshape(-1)[np.abs(values).argmax()] *= 1.01
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    report = compare(
        sample.original,
        load_graph(model, sample.signature),
        groups(sample.pipeline, sample.signature, sample.batch),
    )
    assert report.verdict == "differs"
    with pytest.raises(ParityFailed):
        report.require()


def test_a_threshold_moved_by_one_step_of_float32_is_caught(trained: Callable, load_graph: Callable):
    sample = trained("cancer", "decision_tree")
    model = compile_pipeline(sample.pipeline, sample.signature)
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    splits = next(attribute for attribute in node.attribute if attribute.name == "nodes_splits").t
    moved = np.nextafter(numpy_helper.to_array(splits).astype(np.float32), np.float32(np.inf)).astype(np.float64)
    splits.CopyFrom(numpy_helper.from_array(moved, splits.name))
    report = compare(
        sample.original,
        load_graph(model, sample.signature),
        groups(sample.pipeline, sample.signature, sample.batch),
    )
    verdicts = {group.name: group.verdict for group in report.groups}
    assert (verdicts["data"], verdicts["thresholds"]) == ("parity", "differs")


def test_the_same_rows_every_time(trained: Callable):
    sample = trained("penguins", "gradient_boosting", iterations=20)
    first, second = (groups(sample.pipeline, sample.signature, sample.batch) for _ in range(2))
    assert [group.name for group in first] == [group.name for group in second]
    for one, other in zip(first, second, strict=True):
        for name, tensor in one.batch.items():
            np.testing.assert_array_equal(tensor, other.batch[name])
