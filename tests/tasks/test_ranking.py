import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from tholos.tasks.outcomes import ClassOutcomes, Groups
from tholos.tasks.ranking import (
    area_influence,
    area_under_roc,
    calibration_bins,
    midranks,
    precision_recall_curve,
    ranked_classes,
    roc_curve,
)

scored = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=50).filter(
    lambda rows: len({flag for _, flag in rows}) == 2
)


def split(rows):
    scores, positive = zip(*rows, strict=True)
    return np.array(scores) / 10, np.array(positive)


@settings(max_examples=80, deadline=None)
@given(scored)
def test_curves_agree_with_scikit_learn_under_ties(rows):
    scores, positive = split(rows)
    roc = roc_curve(scores, positive)
    x, y, threshold = reference.roc_curve(positive, scores, drop_intermediate=False)
    assert roc.x == pytest.approx(x)
    assert roc.y == pytest.approx(y)
    assert roc.threshold == pytest.approx(threshold)
    assert area_under_roc(scores, positive) == pytest.approx(reference.roc_auc_score(positive, scores))
    precision, recall, _ = reference.precision_recall_curve(positive, scores)
    curve = precision_recall_curve(scores, positive)
    assert curve.x == pytest.approx(recall[:-1][::-1])
    assert curve.y == pytest.approx(precision[:-1][::-1])


@settings(max_examples=50, deadline=None)
@given(scored)
def test_influence_is_the_effect_of_giving_a_row_more_weight(rows):
    scores, positive = split(rows)
    area, influence = area_influence(scores, positive)
    assert influence.sum() == pytest.approx(0.0, abs=1e-9)
    step = 1e-6
    for row in range(min(5, len(scores))):
        weights = np.ones(len(scores))
        weights[row] += step * len(scores)
        nudged = reference.roc_auc_score(positive, scores, sample_weight=weights)
        assert (nudged - area) / step == pytest.approx(influence[row], abs=2e-4 * len(scores))


def test_midranks_share_ties():
    assert midranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_calibration_counts_every_row_once():
    rng = np.random.default_rng(1)
    stated = rng.uniform(size=1000)
    stated[:3] = [0.0, 1.0, 1.0]
    outcomes = ClassOutcomes(
        labels=(0, 1),
        known=2,
        actual=(rng.uniform(size=1000) < stated).astype(np.int64),
        predicted=(stated > 0.5).astype(np.int64),
        probabilities=np.column_stack([1 - stated, stated]),
    )
    bins = calibration_bins(outcomes)
    assert sum(each.rows for each in bins) == 1000
    assert sum(each.hits for each in bins) == outcomes.actual.sum()
    for each in bins:
        assert each.lower <= each.confidence <= each.upper
        assert each.hits / each.rows == pytest.approx(each.confidence, abs=0.2)


def test_only_classes_that_can_be_ranked_are_listed():
    def outcomes(labels, actual):
        rows = len(actual)
        return ClassOutcomes(
            labels, len(labels), np.array(actual), np.zeros(rows, int), np.full((rows, len(labels)), 0.1)
        )

    assert ranked_classes(outcomes(("a", "b"), [0, 1])) == [1]
    assert ranked_classes(outcomes(("a", "b"), [0, 0])) == []
    assert ranked_classes(outcomes(("a", "b", "c"), [0, 2])) == [0, 2]


def test_groups_partition_the_rows():
    rng = np.random.default_rng(0)
    few, many = Groups.random(7, 10, rng), Groups.random(1003, 10, rng)
    assert few.count == 7
    assert sorted(np.bincount(many.index)) == [100] * 7 + [101] * 3
    values = rng.normal(size=1003)
    assert many.total(values).sum() == pytest.approx(values.sum())
    assert many.tally(np.arange(1003) % 4, 4).sum(axis=0).tolist() == [251, 251, 251, 250]
