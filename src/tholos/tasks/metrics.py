"""The figures by which predictions are judged: pure NumPy, so that any process may compute them.

Most figures are smooth functions of sums over rows (how many rows, how many hits of each class, the sum of squared
errors, …). Such a figure is written as `Sums`: what a row adds, and the formula of the sums. From that one definition
come the figure itself, its bootstrap interval and the paired difference of two models.

A figure that has no value on the data at hand (the area under a ROC curve of one class, R² of a constant) raises
`Undefined` with the reason; `score` reports it as null, never as NaN.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tholos.tasks.outcomes import ClassOutcomes, Flags, Floats, Groups, NumberOutcomes, Outcomes
from tholos.tasks.ranking import area_influence, average_precision_of, ranked_classes

Kind = Literal["class", "number"]
"""What a model answers with: `class` for the classification tasks, `number` for regression."""

Interval = Literal["wilson", "bootstrap", "delong", "logit", "ranks"]
"""How a figure's confidence interval is made: see `tholos.evaluation.intervals`."""


class Undefined(ValueError):
    """The figure has no value on these rows; the text says why, as the end of a sentence."""


@dataclass(frozen=True)
class Sums:
    """A figure that is a function of sums over rows.

    ``of_rows(outcomes, groups)`` returns ``float64 [groups, terms]``; ``formula`` takes ``[..., terms]`` to ``[...]``
    and answers NaN where the figure has no value.
    """

    of_rows: Callable[[Outcomes, Groups], Floats]
    formula: Callable[[Floats], Floats]

    def __call__(self, outcomes: Outcomes) -> float:
        return float(self.formula(self.of_rows(outcomes, Groups.one(len(outcomes)))[0]))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure by which predictions are judged."""

    name: str
    title: str
    better: Literal["higher", "lower"]
    kind: Kind
    compute: Sums | Callable[[Outcomes], float]
    interval: Interval
    unit: str = ""
    """Empty for a ratio; otherwise what the figure is measured in."""
    two_labels: bool = False
    """Whether it applies only to models that tell two labels apart."""

    @property
    def definition(self) -> str:
        """The figure's formula and its source, in words."""
        formula = self.compute.formula if isinstance(self.compute, Sums) else self.compute
        return " ".join((inspect.getdoc(formula) or "").split())


@dataclass(frozen=True)
class Score:
    """The value of a figure, or None and the reason why there is none."""

    value: float | None
    reason: str | None = None


def score(metric: Metric, outcomes: Outcomes) -> Score:
    """Compute a figure; one that these rows leave undefined has no value but a reason."""
    if len(outcomes) == 0:
        return Score(None, "there are no rows")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            value = metric.compute(outcomes)
    except Undefined as reason:
        return Score(None, str(reason))
    return Score(value) if math.isfinite(value) else Score(None, "the result is not a finite number")


# -- classification: counts by class -----------------------------------------------------------------------------------


def class_counts(outcomes: Outcomes, groups: Groups) -> Floats:
    """For each label the rows predicted rightly, of that label, and predicted as it (``[groups, 3 · labels]``)."""
    answers = _classes(outcomes)
    width = len(answers.labels)
    return np.concatenate(
        [
            groups.tally(answers.actual, width, where=answers.actual == answers.predicted),
            groups.tally(answers.actual, width),
            groups.tally(answers.predicted, width),
        ],
        axis=1,
    )


def split_counts(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Split `class_counts` into hits, actual and predicted rows by label (each ``[..., labels]``)."""
    hits, actual, predicted = np.split(counts, 3, axis=-1)
    return hits, actual, predicted


def accuracy(counts: Floats) -> Floats:
    """The share of rows predicted rightly; a label the model never saw counts as wrong (Sokolova and
    Lapalme 2009; scikit-learn's `accuracy_score`).
    """
    hits, actual, _ = split_counts(counts)
    return ratio(hits.sum(-1), actual.sum(-1))


def balanced_accuracy(counts: Floats) -> Floats:
    """The mean recall of the labels that occur in the data (Brodersen and others 2010, "The balanced accuracy and its
    posterior distribution").
    """
    hits, actual, _ = split_counts(counts)
    return _mean(ratio(hits, actual), actual > 0)


def class_precision(counts: Floats) -> Floats:
    """Of the rows predicted as a label, the share that is of it; 0 where nothing is predicted as it (``[..., labels]``,
    van Rijsbergen 1979, "Information Retrieval", chapter 7).
    """
    hits, _, predicted = split_counts(counts)
    return ratio(hits, predicted, empty=0.0)


def class_recall(counts: Floats) -> Floats:
    """Of the rows of a label, the share predicted as it; 0 where there is none (``[..., labels]``, van Rijsbergen
    1979).
    """
    hits, actual, _ = split_counts(counts)
    return ratio(hits, actual, empty=0.0)


def class_f1(counts: Floats) -> Floats:
    """2 · hits / (actual + predicted): the harmonic mean of precision and recall (``[..., labels]``, van Rijsbergen
    1979; Dice 1945).
    """
    hits, actual, predicted = split_counts(counts)
    return ratio(2.0 * hits, actual + predicted, empty=0.0)


def precision_macro(counts: Floats) -> Floats:
    """The mean of the labels' precisions (hits / predicted), each label alike; labels that neither occur nor are
    predicted are left out (Sokolova and Lapalme 2009; scikit-learn's `average="macro"`).
    """
    return _mean(class_precision(counts), _involved(counts))


def recall_macro(counts: Floats) -> Floats:
    """The mean of the labels' recalls (hits / actual), each label alike; labels that neither occur nor are predicted
    are left out (Sokolova and Lapalme 2009; scikit-learn's `average="macro"`).
    """
    return _mean(class_recall(counts), _involved(counts))


def f1_macro(counts: Floats) -> Floats:
    """The mean of the labels' F1 (2 · hits / (actual + predicted)), each label alike; labels that neither occur nor are
    predicted are left out (Opitz and Burst 2019, "Macro F1 and macro F1"; scikit-learn's `average="macro"`).
    """
    return _mean(class_f1(counts), _involved(counts))


def precision_weighted(counts: Floats) -> Floats:
    """The mean of the labels' precisions weighted by how often each label occurs (scikit-learn's
    `average="weighted"`).
    """
    return _weighted(class_precision(counts), counts)


def recall_weighted(counts: Floats) -> Floats:
    """The mean of the labels' recalls weighted by how often each label occurs, which equals the accuracy
    (scikit-learn's `average="weighted"`).
    """
    return _weighted(class_recall(counts), counts)


def f1_weighted(counts: Floats) -> Floats:
    """The mean of the labels' F1 weighted by how often each label occurs (scikit-learn's `average="weighted"`)."""
    return _weighted(class_f1(counts), counts)


# -- classification: probabilities -------------------------------------------------------------------------------------


def log_losses(outcomes: Outcomes, groups: Groups) -> Floats:
    """Rows and the sum of their ``-ln p(actual)``, probabilities held above the float64 epsilon (``[groups, 2]``)."""
    answers = _classes(outcomes)
    probabilities = _probabilities(answers)
    if count := int(np.count_nonzero(answers.unseen)):
        raise Undefined(f"the model gives no probability to labels it never saw ({count} rows)")
    stated = probabilities[np.arange(len(answers)), answers.actual]
    return _counted(groups, -np.log(np.clip(stated, np.finfo(np.float64).eps, 1.0)))


def brier_scores(outcomes: Outcomes, groups: Groups) -> Floats:
    """Rows and the sum of their squared distances between probabilities and truth (``[groups, 2]``)."""
    answers = _classes(outcomes)
    probabilities = _probabilities(answers)
    rows = np.arange(len(answers))
    seen = ~answers.unseen
    stated = np.where(seen, probabilities[rows, np.where(seen, answers.actual, 0)], 0.0)
    distance = (probabilities**2).sum(axis=1) - 2.0 * stated + 1.0
    return _counted(groups, distance / 2.0 if answers.is_binary else distance)


def log_loss(sums: Floats) -> Floats:
    """The mean of -ln(probability given to the actual label), in nats (Good 1952; Bishop 2006, equation 4.108)."""
    return ratio(sums[..., 1], sums[..., 0])


def brier(sums: Floats) -> Floats:
    """The mean squared distance between the probabilities and the truth, halved for two labels so that it runs from 0
    to 1 (Brier 1950; scikit-learn's `scale_by_half="auto"`).
    """
    return ratio(sums[..., 1], sums[..., 0])


def area_influences(outcomes: Outcomes) -> tuple[float, Floats]:
    """Return the mean area under the ranked classes' ROC curves and each row's influence on it (``float64 [n]``)."""
    answers = _classes(outcomes)
    probabilities = _probabilities(answers)
    ranked = ranked_classes(answers)
    if not ranked:
        raise Undefined("the data has no label with rows both in and out of it, so there is nothing to rank")
    areas = [area_influence(probabilities[:, place], answers.actual == place) for place in ranked]
    return float(np.mean([area for area, _ in areas])), np.mean([influence for _, influence in areas], axis=0)


def roc_auc(outcomes: Outcomes) -> float:
    """The chance that a row of a label is given a higher probability of it than a row of another label, ties one half
    (Hanley and McNeil 1982); of more than two labels the mean over each label against the rest, each label alike
    (Provost and Domingos 2000).
    """
    return area_influences(outcomes)[0]


def average_precision(outcomes: Outcomes) -> float:
    """The sum over ranks of (gain in recall) · precision for the positive (second) of two labels, without interpolation
    (Zhu 2004, "Recall, precision and average precision").
    """
    answers = _classes(outcomes)
    probabilities = _probabilities(answers)
    if not answers.is_binary:
        raise Undefined("it is defined for two labels")
    if not (answers.actual == 1).any():
        raise Undefined(f"no row is of the positive label, {answers.labels[1]!r}")
    return average_precision_of(probabilities[:, 1], answers.actual == 1)


# -- regression --------------------------------------------------------------------------------------------------------


def squared_errors(outcomes: Outcomes, groups: Groups) -> Floats:
    """Rows and the sum of their squared residuals (``[groups, 2]``)."""
    return _counted(groups, _numbers(outcomes).residuals ** 2)


def absolute_errors(outcomes: Outcomes, groups: Groups) -> Floats:
    """Rows and the sum of their absolute residuals (``[groups, 2]``)."""
    return _counted(groups, np.abs(_numbers(outcomes).residuals))


def explained(outcomes: Outcomes, groups: Groups) -> Floats:
    """Rows, squared residuals, and the actual values' first two moments about their mean (``[groups, 4]``)."""
    answers = _numbers(outcomes)
    centred = answers.actual - answers.actual.mean()
    if len(answers) < 2 or not np.ptp(answers.actual) > 0.0:
        raise Undefined("the actual values do not vary")
    return _counted(groups, answers.residuals**2, centred, centred**2)


def mse(sums: Floats) -> Floats:
    """The mean of (predicted - actual)² (Gauss 1823; Bishop 2006, equation 1.2 up to its factor)."""
    return ratio(sums[..., 1], sums[..., 0])


def rmse(sums: Floats) -> Floats:
    """The square root of the mean of (predicted - actual)², in the target's unit (Hyndman and Koehler 2006)."""
    return np.sqrt(ratio(sums[..., 1], sums[..., 0]))


def mae(sums: Floats) -> Floats:
    """The mean of |predicted - actual|, in the target's unit (Willmott and Matsuura 2005)."""
    return ratio(sums[..., 1], sums[..., 0])


def r2(sums: Floats) -> Floats:
    """1 - (sum of squared residuals) / (sum of squared distances of the actual values from their mean): 1 is perfect, 0
    is no better than the mean, and it may be negative (Kvålseth 1985, R²₁).
    """
    rows, squared, first, second = (sums[..., place] for place in range(4))
    return 1.0 - ratio(squared, second - ratio(first**2, rows))


def median_absolute_error(outcomes: Outcomes) -> float:
    """The median of |predicted - actual|, in the target's unit, which a few wild rows cannot move (Hampel 1974)."""
    return float(np.median(np.abs(_numbers(outcomes).residuals)))


# -- the catalogue -----------------------------------------------------------------------------------------------------

_Compute = Sums | Callable[[Outcomes], float]


def _of_class(name: str, title: str, compute: _Compute, interval: Interval = "bootstrap") -> Metric:
    return Metric(name=name, title=title, better="higher", kind="class", compute=compute, interval=interval)


def _error(
    name: str, title: str, kind: Kind, unit: str, compute: _Compute, *, interval: Interval = "bootstrap"
) -> Metric:
    return Metric(name=name, title=title, better="lower", kind=kind, unit=unit, compute=compute, interval=interval)


CLASSIFICATION_METRICS: tuple[Metric, ...] = (
    _of_class("accuracy", "Accuracy", Sums(class_counts, accuracy), "wilson"),
    _of_class("balanced_accuracy", "Balanced accuracy", Sums(class_counts, balanced_accuracy)),
    _of_class("precision", "Precision (macro)", Sums(class_counts, precision_macro)),
    _of_class("recall", "Recall (macro)", Sums(class_counts, recall_macro)),
    _of_class("f1", "F1 (macro)", Sums(class_counts, f1_macro)),
    _of_class("roc_auc", "ROC AUC (one against the rest, macro)", roc_auc, "delong"),
    _error("log_loss", "Log loss", "class", "nats", Sums(log_losses, log_loss)),
    _error("brier", "Brier score", "class", "", Sums(brier_scores, brier)),
    replace(_of_class("average_precision", "Average precision", average_precision, "logit"), two_labels=True),
    _of_class("precision_weighted", "Precision (weighted)", Sums(class_counts, precision_weighted)),
    _of_class("recall_weighted", "Recall (weighted)", Sums(class_counts, recall_weighted)),
    _of_class("f1_weighted", "F1 (weighted)", Sums(class_counts, f1_weighted)),
)
"""For every task that answers with a class, in the order in which they are shown; models are ranked by the first."""

REGRESSION_METRICS: tuple[Metric, ...] = (
    Metric(name="r2", title="R²", better="higher", kind="number", compute=Sums(explained, r2), interval="bootstrap"),
    _error("mse", "Mean squared error", "number", "target²", Sums(squared_errors, mse)),
    _error("rmse", "Root mean squared error", "number", "target", Sums(squared_errors, rmse)),
    _error("mae", "Mean absolute error", "number", "target", Sums(absolute_errors, mae)),
    _error(
        "median_absolute_error", "Median absolute error", "number", "target", median_absolute_error, interval="ranks"
    ),
)
"""For every task that answers with a number, in the order in which they are shown; models are ranked by the first."""


def metrics_for(outcomes: Outcomes) -> tuple[Metric, ...]:
    """Return the metrics that apply to these answers, in the order in which they are shown."""
    if isinstance(outcomes, NumberOutcomes):
        return REGRESSION_METRICS
    return tuple(metric for metric in CLASSIFICATION_METRICS if outcomes.is_binary or not metric.two_labels)


# -- parts -------------------------------------------------------------------------------------------------------------


def ratio(above: Floats, below: Floats, *, empty: float = math.nan) -> Floats:
    """Divide element by element; where *below* is 0 the result is *empty*."""
    quotient: Floats = np.divide(above, below, out=np.full(np.shape(above), empty), where=np.asarray(below) > 0)
    return quotient


def _involved(counts: Floats) -> Flags:
    _, actual, predicted = split_counts(counts)
    flags: Flags = actual + predicted > 0
    return flags


def _mean(values: Floats, where: Flags) -> Floats:
    return ratio(np.where(where, values, 0.0).sum(-1), where.sum(-1, dtype=np.float64))


def _weighted(values: Floats, counts: Floats) -> Floats:
    _, actual, _ = split_counts(counts)
    return ratio((values * actual).sum(-1), actual.sum(-1))


def _counted(groups: Groups, *values: Floats) -> Floats:
    """Sum each of *values* within the groups, the number of rows first."""
    rows = np.bincount(groups.index, minlength=groups.count).astype(np.float64)
    return np.column_stack([rows, *(groups.total(value) for value in values)])


def _classes(outcomes: Outcomes) -> ClassOutcomes:
    if isinstance(outcomes, NumberOutcomes):
        raise Undefined("the model answers with a number, not with a class")
    return outcomes


def _numbers(outcomes: Outcomes) -> NumberOutcomes:
    if isinstance(outcomes, ClassOutcomes):
        raise Undefined("the model answers with a class, not with a number")
    return outcomes


def _probabilities(answers: ClassOutcomes) -> Floats:
    if answers.probabilities is None:
        raise Undefined("the model gives no probabilities")
    return answers.probabilities
