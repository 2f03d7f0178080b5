import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from tholos.tasks.metrics import (
    CLASSIFICATION_METRICS,
    REGRESSION_METRICS,
    metrics_for,
    score,
)
from tholos.tasks.outcomes import ClassOutcomes, NumberOutcomes, class_outcomes

CLASS = {metric.name: metric for metric in CLASSIFICATION_METRICS}
NUMBER = {metric.name: metric for metric in REGRESSION_METRICS}
LABELS = ("ant", "bee", "cat", "dog")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def classified(seed, rows, classes, *, coarse=False):
    rng = np.random.default_rng(seed)
    raw = rng.dirichlet(np.ones(classes), size=rows)
    probabilities = np.round(raw, 1) if coarse else raw  # coarse: many tied scores
    return ClassOutcomes(
        labels=LABELS[:classes],
        known=classes,
        actual=rng.integers(0, classes, rows),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 80), classes=st.integers(2, 4))
def test_figures_of_counts_agree_with_scikit_learn(seed, rows, classes):
    outcomes = classified(seed, rows, classes)
    y, p = outcomes.actual, outcomes.predicted
    expected = {"accuracy": reference.accuracy_score(y, p)}
    recalls = reference.recall_score(y, p, labels=np.unique(y), average=None)
    expected["balanced_accuracy"] = recalls.mean()
    for average, suffix in (("macro", ""), ("weighted", "_weighted")):
        for name, function in (
            ("precision", reference.precision_score),
            ("recall", reference.recall_score),
            ("f1", reference.f1_score),
        ):
            expected[name + suffix] = function(y, p, average=average, zero_division=0)
    got = {name: score(CLASS[name], outcomes).value for name in expected}
    assert got == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(12, 80), classes=st.integers(2, 4), coarse=st.booleans())
def test_figures_of_probabilities_agree_with_scikit_learn(seed, rows, classes, coarse):
    outcomes = classified(seed, rows, classes, coarse=coarse)
    outcomes.actual[:classes] = np.arange(classes)  # every label occurs
    y, p = outcomes.actual, outcomes.probabilities
    areas = [reference.roc_auc_score(y == place, p[:, place]) for place in range(classes)]
    assert score(CLASS["roc_auc"], outcomes).value == pytest.approx(areas[1] if classes == 2 else np.mean(areas))
    if classes == 2:
        expected = reference.average_precision_score(y == 1, p[:, 1])
        assert score(CLASS["average_precision"], outcomes).value == pytest.approx(expected)
    if not coarse:  # scikit-learn refuses rows that do not add up to one
        assert score(CLASS["log_loss"], outcomes).value == pytest.approx(reference.log_loss(y, p))
        expected = reference.brier_score_loss(y, p if classes > 2 else p[:, 1])
        assert score(CLASS["brier"], outcomes).value == pytest.approx(expected)


def test_a_certain_and_wrong_answer_costs_a_finite_log_loss():
    outcomes = class_outcomes(["no", "yes"], ["yes", "no"], np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    expected = reference.log_loss([1, 0], outcomes.probabilities)
    assert score(CLASS["log_loss"], outcomes).value == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)), min_size=2, max_size=60
    ).filter(lambda pairs: np.ptp([actual for actual, _ in pairs]) > 1e-3)
)
def test_regression_figures_agree_with_scikit_learn(pairs):
    actual, predicted = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    outcomes = NumberOutcomes(actual, predicted)
    expected = {
        "mse": reference.mean_squared_error(actual, predicted),
        "rmse": reference.root_mean_squared_error(actual, predicted),
        "mae": reference.mean_absolute_error(actual, predicted),
        "r2": reference.r2_score(actual, predicted),
        "median_absolute_error": reference.median_absolute_error(actual, predicted),
    }
    got = {name: score(metric, outcomes).value for name, metric in NUMBER.items()}
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_r2_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(0)
    actual = 1e9 + rng.normal(size=500)
    predicted = actual + rng.normal(scale=0.1, size=500)
    value = score(NUMBER["r2"], NumberOutcomes(actual, predicted)).value
    assert value == pytest.approx(reference.r2_score(actual, predicted), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "outcomes", "reason"),
    [
        ("roc_auc", class_outcomes(["a", "b"], ["a", "a"], np.array([0, 1]), np.full((2, 2), 0.5)), "nothing to rank"),
        ("roc_auc", class_outcomes(["a", "b"], ["a", "b"], np.array([0, 1])), "no probabilities"),
        ("log_loss", class_outcomes(["a", "b"], ["a", "z"], np.array([0, 1]), np.full((2, 2), 0.5)), "never saw"),
        ("average_precision", class_outcomes(["a", "b"], ["a"], np.array([0]), np.full((1, 2), 0.5)), "positive"),
        ("accuracy", class_outcomes(["a", "b"], [], np.array([], dtype=int)), "no rows"),
        ("r2", NumberOutcomes(np.array([3.0, 3.0]), np.array([1.0, 2.0])), "do not vary"),
        ("r2", NumberOutcomes(np.array([3.0]), np.array([3.0])), "do not vary"),
        ("mse", NumberOutcomes(np.array([]), np.array([])), "no rows"),
    ],
)
def test_a_figure_without_a_value_says_why(name, outcomes, reason):
    result = score((CLASS | NUMBER)[name], outcomes)
    assert result.value is None
    assert reason in result.reason


def test_labels_the_model_never_saw_count_as_wrong():
    outcomes = class_outcomes(["a", "b"], ["a", "b", "z", "y"], np.array([0, 1, 0, 1]), np.full((4, 2), 0.5))
    assert outcomes.labels == ("a", "b", "y", "z")
    assert outcomes.unseen.tolist() == [False, False, True, True]
    assert score(CLASS["accuracy"], outcomes).value == 0.5
    truth, answers = ["a", "b", "z", "y"], ["a", "b", "a", "b"]
    for average, suffix in (("macro", ""), ("weighted", "_weighted")):
        expected = reference.f1_score(truth, answers, average=average, zero_division=0)
        assert score(CLASS["f1" + suffix], outcomes).value == pytest.approx(expected)
    assert score(CLASS["brier"], outcomes).value == pytest.approx((0.5 + 0.5 + 1.5 + 1.5) / 4 / 2)


def test_every_metric_is_described_and_no_score_breaks_json():
    lone = class_outcomes(["a", "b", "c"], ["a"], np.array([0]), np.array([[1.0, 0.0, 0.0]]))
    for outcomes in (lone, NumberOutcomes(np.array([1.0]), np.array([1.0]))):
        for metric in metrics_for(outcomes):
            assert len(metric.definition) > 40
            assert metric.better in ("higher", "lower")
            json.dumps(score(metric, outcomes).value, allow_nan=False)


def test_wild_numbers_have_no_mean_square_rather_than_infinity():
    outcomes = NumberOutcomes(np.array([1e200, -1e200]), np.array([-1e200, 1e200]))
    result = score(NUMBER["mse"], outcomes)
    assert result.value is None
    assert "finite" in result.reason
    assert math.isfinite(score(NUMBER["mae"], outcomes).value)


def test_a_metric_of_two_labels_is_not_asked_of_three():
    names = {
        len(labels): [metric.name for metric in metrics_for(class_outcomes(labels, [], []))] for labels in ("ab", "abc")
    }
    assert set(names[2]) - set(names[3]) == {"average_precision"}
