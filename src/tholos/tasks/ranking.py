"""How well scores put the rows of one class before the others: ROC, precision-recall, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tholos.tasks.outcomes import ClassOutcomes, Flags, Floats


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve in the unit square; ``threshold[i]`` is the lowest score that point ``i`` calls positive.

    All three are ``float64 [points]``. The first threshold of a ROC curve is infinite: nothing is called positive.
    """

    x: Floats
    y: Floats
    threshold: Floats


@dataclass(frozen=True, eq=False)
class Bin:
    """One bin of a calibration diagram: *rows* predictions of mean *confidence*, of which *hits* came true."""

    lower: float
    upper: float
    rows: int
    confidence: float
    hits: int


def midranks(values: Floats) -> Floats:
    """Rank *values* from 1, ties sharing the mean of their places (``float64 [n]``)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]


def placements(scores: Floats, positive: Flags) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives below it, and for each negative the share of positives above it.

    Ties count one half. The mean of either is the area under the ROC curve; their variances give DeLong's (DeLong,
    DeLong and Clarke-Pearson 1988, computed by ranks after Sun and Xu 2014). Both classes must be present.
    """
    ranks = midranks(scores)
    of_positives = (ranks[positive] - midranks(scores[positive])) / np.count_nonzero(~positive)
    of_negatives = 1.0 - (ranks[~positive] - midranks(scores[~positive])) / np.count_nonzero(positive)
    return of_positives, of_negatives


def area_under_roc(scores: Floats, positive: Flags) -> float:
    """The chance that a random positive scores above a random negative, ties one half (Hanley and McNeil 1982)."""
    return float(placements(scores, positive)[0].mean())


def area_influence(scores: Floats, positive: Flags) -> tuple[float, Floats]:
    """Return the area under the ROC curve and each row's influence on it (``float64 [n]``, mean zero).

    The sample variance of the influence over ``n`` is DeLong's variance but for terms of order ``1/n²``; influences of
    several classes or models on the same rows add and subtract, which keeps their covariance.
    """
    of_positives, of_negatives = placements(scores, positive)
    area = float(of_positives.mean())
    influence = np.empty(len(scores))
    influence[positive] = (of_positives - area) * (len(scores) / len(of_positives))
    influence[~positive] = (of_negatives - area) * (len(scores) / len(of_negatives))
    return area, influence


def ranked_classes(outcomes: ClassOutcomes) -> list[int]:
    """Return the classes whose ROC curve exists: known to the model, with rows both in and out of the class.

    Of two classes only the positive one is listed, since the other's curve is its mirror image.
    """
    candidates = [1] if outcomes.is_binary else range(outcomes.known)
    rows = np.bincount(outcomes.actual, minlength=len(outcomes.labels))
    return [place for place in candidates if 0 < rows[place] < len(outcomes)]


def roc_curve(scores: Floats, positive: Flags) -> Curve:
    """Points (false positive rate, true positive rate) at every distinct score, from (0, 0) to (1, 1)."""
    threshold, hits, misses = _above(scores, positive)
    return Curve(
        x=np.concatenate([[0.0], misses / misses[-1]]),
        y=np.concatenate([[0.0], hits / hits[-1]]),
        threshold=np.concatenate([[np.inf], threshold]),
    )


def precision_recall_curve(scores: Floats, positive: Flags) -> Curve:
    """Points (recall, precision) at every distinct score, by rising recall. At least one row must be positive."""
    threshold, hits, misses = _above(scores, positive)
    return Curve(x=hits / hits[-1], y=hits / (hits + misses), threshold=threshold)


def average_precision_of(scores: Floats, positive: Flags) -> float:
    """Mean precision weighted by the gain in recall, without interpolation (Zhu 2004; as scikit-learn's)."""
    curve = precision_recall_curve(scores, positive)
    return float(np.sum(np.diff(curve.x, prepend=0.0) * curve.y))


def calibration_bins(outcomes: ClassOutcomes, bins: int = 10) -> list[Bin]:
    """Compare stated probability with observed frequency in *bins* of equal width; empty bins are left out.

    Of two classes the probability is the positive one's; of more it is that of the predicted label (Guo and others
    2017). A prediction of exactly 1 belongs to the last bin.
    """
    if outcomes.probabilities is None:
        return []
    if outcomes.is_binary:
        confidence, hit = outcomes.probabilities[:, 1], outcomes.actual == 1
    else:
        confidence = outcomes.probabilities[np.arange(len(outcomes)), outcomes.predicted]
        hit = outcomes.actual == outcomes.predicted
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    stated = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=hit, minlength=bins)
    return [
        Bin(at / bins, (at + 1) / bins, int(rows[at]), float(stated[at] / rows[at]), int(hits[at]))
        for at in np.flatnonzero(rows)
    ]


def _above(scores: Floats, positive: Flags) -> tuple[Floats, Floats, Floats]:
    """Return each distinct score from high to low with the numbers of positives and negatives at or above it."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive[order], dtype=np.float64)[last_of_tie]
    return ranked[last_of_tie], hits, (last_of_tie + 1.0) - hits
