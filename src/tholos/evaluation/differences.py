"""The difference of two models on the same rows: how large, how certain, and whether more than chance.

Both models met the same rows, so what they share cancels: the paired interval is far narrower than two separate ones
suggest. Methods: paired bootstrap (Efron and Tibshirani 1993; the same resamples for both), DeLong's covariance for the
area under the ROC curve (DeLong and others 1988), subsampling for the rest (Politis, Romano and Wolf 1999), and for the
accuracy McNemar's mid-p test (Fagerland, Lydersen and Laake 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tholos.evaluation.intervals import MOST_GROUPS, Range, Resamples, Z
from tholos.tasks.metrics import Metric, Sums, area_influences, score
from tholos.tasks.outcomes import ClassOutcomes, Flags, Floats, Outcomes

_EXACT_UP_TO = 2_000
_SUBSAMPLES = 400


@dataclass(frozen=True)
class Difference:
    """A figure of model B minus that of model A. ``significant`` is None where there is no interval to tell by."""

    value: float
    range: Range | None
    significant: bool | None
    p_value: float | None = None


def difference(metric: Metric, a: Outcomes, b: Outcomes, resamples: Resamples) -> Difference | None:
    """Compare a figure of *a* and *b*, answers to the same rows in the same order; None where either has no value.

    A difference is significant when its 95 % interval excludes zero; that of the accuracy when McNemar's mid-p value
    is below 0.05.
    """
    of_a, of_b = score(metric, a).value, score(metric, b).value
    if of_a is None or of_b is None:
        return None
    value = of_b - of_a
    found = _range(metric, value, a, b, resamples)
    if metric.name == "accuracy" and isinstance(a, ClassOutcomes) and isinstance(b, ClassOutcomes):
        p_value = mcnemar(a.actual == a.predicted, b.actual == b.predicted)
        return Difference(value, found, p_value < 0.05, p_value)
    return Difference(value, found, None if found is None else not found.low <= 0.0 <= found.high)


def mcnemar(right_a: Flags, right_b: Flags) -> float:
    """The mid-p value of McNemar's test: could the rows that only one of two models gets right be split by chance?"""
    only_a = int(np.count_nonzero(right_a & ~right_b))
    only_b = int(np.count_nonzero(~right_a & right_b))
    discordant, fewer = only_a + only_b, min(only_a, only_b)
    if discordant == 0:
        return 1.0
    if discordant > _EXACT_UP_TO:
        return math.erfc(abs(only_a - only_b) / math.sqrt(2.0 * discordant))
    ways = [math.comb(discordant, count) for count in range(fewer + 1)]
    all_ways: int = 2**discordant
    return (2 * sum(ways) - ways[-1]) / all_ways


def _range(metric: Metric, value: float, a: Outcomes, b: Outcomes, resamples: Resamples) -> Range | None:
    if len(a) < 2:
        return None
    if isinstance(metric.compute, Sums):
        draws = resamples.draws(metric.compute, b) - resamples.draws(metric.compute, a)
        return _percentiles(draws, "paired bootstrap")
    if metric.interval == "delong":
        influence = area_influences(b)[1] - area_influences(a)[1]
        error = math.sqrt(influence.var(ddof=1) / len(a))
        return Range(max(-1.0, value - Z * error), min(1.0, value + Z * error), "paired delong")
    return _percentiles(_subsampled(metric, value, a, b), "subsampling")


def _subsampled(metric: Metric, value: float, a: Outcomes, b: Outcomes) -> Floats:
    """Differences on random rows drawn with replacement; of fewer rows than there are, drawn in to the full size."""
    size = min(len(a), MOST_GROUPS)
    rng = np.random.default_rng(0)
    draws = np.full(_SUBSAMPLES, np.nan)
    for place in range(_SUBSAMPLES):
        rows = rng.integers(0, len(a), size)
        of_a, of_b = score(metric, a.take(rows)).value, score(metric, b.take(rows)).value
        if of_a is not None and of_b is not None:
            draws[place] = of_b - of_a
    # The error of a root-n figure on m of n rows is sqrt(n / m) times too wide.
    return value + (draws - value) * math.sqrt(size / len(a))


def _percentiles(draws: Floats, method: str) -> Range | None:
    finite = draws[np.isfinite(draws)]
    if len(finite) < len(draws) / 2:
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return Range(float(low), float(high), method)
