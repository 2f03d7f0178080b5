"""95 % confidence intervals of figures: the range that rows of the same kind would give, had others been drawn.

One method per figure, each with its source:

- **wilson**: score interval of a proportion (Wilson 1927; recommended by Brown, Cai and DasGupta 2001).
- **bootstrap**: percentiles over 1,000 resamples (Efron and Tibshirani 1993, chapter 13). A resample is a vector of
  counts, so that all of them are one matrix product with the rows' sums. Beyond 2,000 rows it is random groups of rows
  that are resampled (Wolter 2007, chapter 2), which bounds the time whatever the size of the data.
- **delong**: the nonparametric variance of the area under the ROC curve (DeLong and others 1988) on the logit scale
  (Pepe 2003, page 107), of several labels with their covariance. Where it vanishes, as when every row is ranked
  rightly, the score-like interval of Newcombe (2006, method 5).
- **logit**: of average precision, on the logit scale with the positives as its sample (Boyd, Eng and Page 2013).
- **ranks**: of a median, between two order statistics (Conover 1999, section 3.2): no assumption but independence.

Where no resample differs (a model without a single error), percentiles would claim certainty; the bound is then the
figure at every label's Wilson bound at once, which errs on the wide side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tholos.tasks.metrics import Metric, Score, Sums, area_influences, class_counts, score, split_counts
from tholos.tasks.outcomes import ClassOutcomes, Floats, Groups, NumberOutcomes, Outcomes
from tholos.tasks.ranking import ranked_classes

Z = 1.959963984540054
"""The standard normal's quantile at 0.975."""
RESAMPLES = 1_000
MOST_GROUPS = 2_000


@dataclass(frozen=True)
class Range:
    """A 95 % confidence interval and how it was made."""

    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Measured:
    """A figure on some rows. Without a value (or a range) the reason says why."""

    metric: Metric
    value: float | None
    range: Range | None
    reason: str | None = None


class Resamples:
    """Bootstrap resamples of *rows* rows, the same for every figure so that figures and models compare."""

    def __init__(self, rows: int, seed: int = 0) -> None:
        self.rows = rows
        self._seed = seed

    @cached_property
    def groups(self) -> Groups:
        """What is drawn: each row by itself or, of many rows, random groups of them."""
        return Groups.random(self.rows, MOST_GROUPS, np.random.default_rng((self._seed, 0)))

    @cached_property
    def counts(self) -> Floats:
        """How often each resample draws each group (``float64 [RESAMPLES, groups]``)."""
        size = self.groups.count
        drawn = np.random.default_rng((self._seed, 1)).integers(0, size, (RESAMPLES, size))
        drawn += np.arange(RESAMPLES)[:, None] * size
        return np.bincount(drawn.ravel(), minlength=RESAMPLES * size).reshape(RESAMPLES, size).astype(np.float64)

    def draws(self, sums: Sums, outcomes: Outcomes) -> Floats:
        """The figure on each resample (``float64 [RESAMPLES]``), NaN where a resample leaves it undefined."""
        return sums.formula(self.counts @ sums.of_rows(outcomes, self.groups))


def measure(metric: Metric, outcomes: Outcomes, resamples: Resamples) -> Measured:
    """Compute a figure with its interval on *outcomes*, whose rows *resamples* was made for."""
    result: Score = score(metric, outcomes)
    if result.value is None:
        return Measured(metric, None, None, result.reason)
    found = _range(metric, result.value, outcomes, resamples)
    return Measured(metric, result.value, found, None if found else "too few rows for an interval")


def wilson(hits: float, of: float) -> tuple[float, float]:
    """Bound the proportion behind *hits* of *of* trials (Wilson 1927); without trials it is anywhere from 0 to 1."""
    if of <= 0:
        return 0.0, 1.0
    share, spread = hits / of, Z * Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return (0.0 if hits <= 0 else max(0.0, middle - half)), (1.0 if hits >= of else min(1.0, middle + half))


def f1_range(hits: float, actual: float, predicted: float) -> tuple[float, float]:
    """Bound a label's F1: it is ``2J / (1 + J)`` of the share J of rows that are hits among those of the label or
    predicted as it (Jaccard's index), a proportion that Wilson's interval bounds.
    """
    low, high = wilson(hits, actual + predicted - hits)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def median_range(values: Floats) -> Range | None:
    """Bound the median behind *values* by two of them; of fewer than six values no two reach 95 %."""
    rows = len(values)
    if rows < 6:
        return None
    rank = max(1, math.floor(rows / 2 - Z * math.sqrt(rows) / 2))
    ordered = np.sort(values)
    return Range(float(ordered[rank - 1]), float(ordered[rows - rank]), "ranks")


def _range(metric: Metric, value: float, outcomes: Outcomes, resamples: Resamples) -> Range | None:
    if metric.interval == "wilson":
        rows = len(outcomes)
        return Range(*wilson(value * rows, rows), "wilson")
    if metric.interval == "delong" and isinstance(outcomes, ClassOutcomes):
        return _area_range(outcomes)
    if metric.interval == "logit" and isinstance(outcomes, ClassOutcomes):
        return _average_precision_range(value, int(np.count_nonzero(outcomes.actual == 1)))
    if metric.interval == "ranks" and isinstance(outcomes, NumberOutcomes):
        return median_range(np.abs(outcomes.residuals))
    if isinstance(metric.compute, Sums):
        return _bootstrap_range(metric.compute, outcomes, resamples)
    return None


def _bootstrap_range(sums: Sums, outcomes: Outcomes, resamples: Resamples) -> Range | None:
    draws = resamples.draws(sums, outcomes)
    draws = draws[np.isfinite(draws)]
    if len(draws) < RESAMPLES / 2:
        return None
    low, high = np.percentile(draws, [2.5, 97.5])
    if low < high:
        return Range(float(low), float(high), "bootstrap")
    if sums.of_rows is class_counts:
        return _unanimous_range(sums, outcomes)
    return Range(float(low), float(high), "bootstrap") if len(outcomes) > 1 else None


def _unanimous_range(sums: Sums, outcomes: Outcomes) -> Range:
    """Bound a figure of class counts whose resamples all agree, by every label's Wilson bound at once."""
    hits, actual, predicted = split_counts(class_counts(outcomes, Groups.one(len(outcomes)))[0])
    bounds = np.array([wilson(right, rows) for right, rows in zip(hits, actual, strict=True)]).T * actual
    low, high = sums.formula(
        np.stack([np.concatenate([np.minimum(bound, predicted), actual, predicted]) for bound in bounds])
    )
    return Range(float(low), float(high), "wilson")


def _area_range(outcomes: ClassOutcomes) -> Range:
    area, influence = area_influences(outcomes)
    error = math.sqrt(influence.var(ddof=1) / len(outcomes))
    if error > 0.0 and 0.0 < area < 1.0:
        return Range(*_on_logit_scale(area, error / (area * (1.0 - area))), "delong")
    rows = np.bincount(outcomes.actual, minlength=len(outcomes.labels))
    bounds = [_newcombe(area, int(rows[place]), len(outcomes) - int(rows[place])) for place in ranked_classes(outcomes)]
    low, high = np.mean(bounds, axis=0)
    return Range(float(low), float(high), "newcombe")


def _newcombe(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """Solve ``|area - θ| = Z · sqrt(V(θ))`` for θ on either side of *area* (Newcombe 2006, part 2, method 5)."""
    size = (positives + negatives) / 2 - 1

    def excess(theta: float) -> float:
        pairs = 1 + size * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (area - theta) ** 2 - Z * Z * theta * (1 - theta) * pairs / (positives * negatives)

    def root(inside: float, outside: float) -> float:
        if excess(outside) <= 0.0:
            return outside
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if excess(middle) <= 0.0 else (inside, middle)
        return inside

    return root(area, 0.0) if area > 0.0 else 0.0, root(area, 1.0) if area < 1.0 else 1.0


def _average_precision_range(value: float, positives: int) -> Range:
    if 0.0 < value < 1.0:
        error = 1.0 / math.sqrt(positives * value * (1.0 - value))
        return Range(*_on_logit_scale(value, error), "logit")
    return Range(*wilson(value * positives, positives), "wilson")


def _on_logit_scale(value: float, error: float) -> tuple[float, float]:
    centre = math.log(value / (1.0 - value))
    low, high = (1.0 / (1.0 + math.exp(-min(max(centre + side * Z * error, -700.0), 700.0))) for side in (-1, 1))
    return low, high
