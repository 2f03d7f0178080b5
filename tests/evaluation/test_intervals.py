import numpy as np
import pytest
from scipy import stats

from tholos.evaluation.differences import difference, mcnemar
from tholos.evaluation.intervals import RESAMPLES, Resamples, f1_range, measure, median_range, wilson
from tholos.tasks.metrics import CLASSIFICATION_METRICS, REGRESSION_METRICS
from tholos.tasks.outcomes import ClassOutcomes, NumberOutcomes

CLASS = {metric.name: metric for metric in CLASSIFICATION_METRICS}
NUMBER = {metric.name: metric for metric in REGRESSION_METRICS}


def a_classifier(rng, rows, classes=3, skill=2.0):
    actual = rng.integers(0, classes, rows)
    scores = rng.normal(size=(rows, classes))
    scores[np.arange(rows), actual] += skill
    weights = np.exp(scores)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    return ClassOutcomes(tuple(range(classes)), classes, actual, probabilities.argmax(axis=1), probabilities)


def a_regression(rng, rows, noise=1.0):
    actual = rng.normal(scale=3.0, size=rows)
    return NumberOutcomes(actual, actual + rng.normal(scale=noise, size=rows))


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (7, 10), (81, 263), (1, 1)])
def test_wilson_agrees_with_scipy(hits, rows):
    expected = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    assert wilson(hits, rows) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_without_trials_a_proportion_is_anywhere():
    assert wilson(0, 0) == (0.0, 1.0)


def test_f1_range_holds_the_value():
    low, high = f1_range(40, 50, 60)
    assert low < 2 * 40 / 110 < high
    assert f1_range(20, 20, 20)[1] == 1.0
    assert 0.8 < f1_range(20, 20, 20)[0] < 0.95


@pytest.mark.parametrize("rows", [6, 7, 8, 10, 15, 20, 33, 100, 401])
def test_median_range_covers_as_promised(rows):
    found = median_range(np.arange(1.0, rows + 1))
    below = found.low  # the values are their own ranks
    assert stats.binom.cdf(rows - below, rows, 0.5) - stats.binom.cdf(below - 1, rows, 0.5) >= 0.945


def test_a_median_of_five_values_has_no_range():
    assert median_range(np.arange(5.0)) is None


def covered(make, metric, truth, rounds):
    hits = 0
    for seed in range(rounds):
        outcomes = make(np.random.default_rng(seed))
        found = measure(metric, outcomes, Resamples(len(outcomes), seed)).range
        hits += found.low <= truth <= found.high
    return hits / rounds


# Of 100 intervals at 95 %, fewer than 87 % would cover by chance once in a thousand runs; and the seeds are fixed.
@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss", "brier"])
def test_intervals_of_a_classifier_cover_the_truth(name):
    truth = measure(CLASS[name], a_classifier(np.random.default_rng(999), 400_000), Resamples(400_000)).value
    assert covered(lambda rng: a_classifier(rng, 150), CLASS[name], truth, 100) >= 0.87


def test_the_interval_of_average_precision_covers_the_truth():
    big = a_classifier(np.random.default_rng(999), 400_000, classes=2)
    truth = measure(CLASS["average_precision"], big, Resamples(len(big))).value
    assert covered(lambda rng: a_classifier(rng, 150, classes=2), CLASS["average_precision"], truth, 100) >= 0.87


@pytest.mark.parametrize(
    ("name", "truth"), [("mse", 1.0), ("rmse", 1.0), ("mae", np.sqrt(2 / np.pi)), ("median_absolute_error", 0.6744898)]
)
def test_intervals_of_a_regression_cover_the_truth(name, truth):
    assert covered(lambda rng: a_regression(rng, 150), NUMBER[name], truth, 100) >= 0.87


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "log_loss"])
def test_random_groups_give_the_interval_of_single_rows(name, monkeypatch):
    outcomes = a_classifier(np.random.default_rng(5), 12_000)
    grouped = measure(CLASS[name], outcomes, Resamples(len(outcomes))).range
    monkeypatch.setattr("tholos.evaluation.intervals.MOST_GROUPS", 12_000)
    single = measure(CLASS[name], outcomes, Resamples(len(outcomes))).range
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(1.0, abs=0.15)


def test_a_model_without_errors_is_not_certain():
    actual = np.repeat(np.arange(3), 20)
    sure = np.full((60, 3), 0.05) + 0.85 * np.eye(3)[actual]
    outcomes = ClassOutcomes(("a", "b", "c"), 3, actual, actual.copy(), sure)
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "f1_weighted", "roc_auc"):
        found = measure(CLASS[name], outcomes, Resamples(60))
        assert found.value == 1.0, name
        assert found.range.high == 1.0, name
        assert 0.8 < found.range.low < 0.96, name


def test_a_model_that_is_always_wrong_is_not_certain():
    actual = np.repeat([0, 1], 15)
    wrong = np.full((30, 2), 0.1) + 0.8 * np.eye(2)[1 - actual]
    outcomes = ClassOutcomes((False, True), 2, actual, 1 - actual, wrong)
    for name in ("accuracy", "f1", "roc_auc"):
        found = measure(CLASS[name], outcomes, Resamples(30))
        assert (found.value, found.range.low) == (0.0, 0.0), name
        assert 0.05 < found.range.high < 0.4, name


def test_one_row_has_no_bootstrap_interval():
    found = measure(NUMBER["mae"], NumberOutcomes(np.array([1.0]), np.array([2.0])), Resamples(1))
    assert (found.value, found.range) == (1.0, None)
    assert "too few rows" in found.reason


def test_the_same_seed_gives_the_same_interval():
    outcomes = a_classifier(np.random.default_rng(3), 300)
    assert measure(CLASS["f1"], outcomes, Resamples(300)) == measure(CLASS["f1"], outcomes, Resamples(300))
    assert Resamples(300).counts.shape == (RESAMPLES, 300)
    assert (Resamples(300).counts.sum(axis=1) == 300).all()


def test_a_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(0)
    a = a_regression(rng, 500)
    b = NumberOutcomes(a.actual, a.predicted + rng.normal(scale=0.1, size=500))
    resamples = Resamples(500)
    apart = measure(NUMBER["rmse"], a, resamples).range
    paired = difference(NUMBER["rmse"], a, b, resamples)
    assert paired.range.high - paired.range.low < (apart.high - apart.low) / 2


def test_a_clear_difference_is_significant_and_none_is_not():
    rng = np.random.default_rng(1)
    good = a_classifier(rng, 600, classes=2, skill=2.5)
    blurred = 0.5 + (good.probabilities - 0.5) * 0.2 + rng.normal(scale=0.15, size=(600, 1)) * np.array([1, -1])
    blurred = np.clip(blurred, 0.01, 0.99)
    poor = ClassOutcomes(good.labels, 2, good.actual, blurred.argmax(axis=1), blurred)
    resamples = Resamples(600)
    for name in ("accuracy", "f1", "roc_auc", "log_loss", "average_precision"):
        metric = CLASS[name]
        found = difference(metric, good, poor, resamples)
        assert found.significant, name
        assert (found.value < 0) == (metric.better == "higher"), name
        assert found.range.low <= found.value <= found.range.high, name
        same = difference(metric, good, good, resamples)
        assert (same.value, same.significant) == (0.0, False), name


@pytest.mark.parametrize("name", ["rmse", "median_absolute_error"])
def test_false_alarms_of_equal_models_are_rare(name):
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a = a_regression(rng, 120)
        b = NumberOutcomes(a.actual, a.actual + rng.normal(size=120))
        alarms += difference(NUMBER[name], a, b, Resamples(120)).significant
    assert alarms <= 6


def test_subsampling_of_many_rows_keeps_its_width():
    rng = np.random.default_rng(2)
    a = a_regression(rng, 20_000)
    b = NumberOutcomes(a.actual, a.actual + rng.normal(size=20_000))
    found = difference(NUMBER["median_absolute_error"], a, b, Resamples(20_000)).range
    density = 2 * stats.norm.pdf(0.6744898)
    expected = 2 * 1.96 * np.sqrt(2) * 0.5 / density / np.sqrt(20_000)
    assert (found.high - found.low) / expected == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 80)])
def test_mcnemar_agrees_with_the_binomial(only_a, only_b):
    right_a = np.array([True] * only_a + [False] * only_b + [True] * 10)
    right_b = np.array([False] * only_a + [True] * only_b + [True] * 10)
    fewer, of = min(only_a, only_b), only_a + only_b
    expected = 2 * stats.binom.cdf(fewer, of, 0.5) - stats.binom.pmf(fewer, of, 0.5) if of else 1.0
    assert mcnemar(right_a, right_b) == pytest.approx(min(1.0, expected))


def test_mcnemar_of_many_rows_joins_the_exact_value():
    def p(only_a, only_b):
        return mcnemar(np.repeat([True, False], [only_a, only_b]), np.repeat([False, True], [only_a, only_b]))

    assert p(950, 1050) == pytest.approx(p(951, 1051), rel=0.02)
