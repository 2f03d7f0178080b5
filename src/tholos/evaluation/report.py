"""The measured part of an evaluation as plain JSON: figures with intervals, and the details behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tholos.evaluation.intervals import Measured, Resamples, f1_range, measure, wilson
from tholos.tasks.fields import label_key
from tholos.tasks.metrics import class_counts, class_f1, class_precision, class_recall, metrics_for, split_counts
from tholos.tasks.outcomes import ClassOutcomes, Groups, NumberOutcomes, Outcomes
from tholos.tasks.ranking import calibration_bins

Json = dict[str, Any]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MOST_CELLS = 250_000


def figures(outcomes: Outcomes) -> dict[str, Json]:
    """Every metric that applies, by name, in the order in which they are shown."""
    resamples = Resamples(len(outcomes))
    return {metric.name: figure(measure(metric, outcomes, resamples)) for metric in metrics_for(outcomes)}


def figure(measured: Measured) -> Json:
    """One metric on the wire; a value that does not exist is null with the reason."""
    metric, bounds = measured.metric, measured.range
    return {
        "title": metric.title,
        "unit": metric.unit,
        "better": metric.better,
        "value": measured.value,
        "low": bounds.low if bounds else None,
        "high": bounds.high if bounds else None,
        "method": bounds.method if bounds else None,
        "reason": measured.reason,
    }


def details(outcomes: Outcomes) -> Json:
    """What lies behind the figures: of classes their own figures and confusion, of numbers the residuals."""
    return _class_details(outcomes) if isinstance(outcomes, ClassOutcomes) else _number_details(outcomes)


def _class_details(outcomes: ClassOutcomes) -> Json:
    counts = class_counts(outcomes, Groups.one(len(outcomes)))[0]
    hits, actual, predicted = split_counts(counts)
    width = len(outcomes.labels)
    shares = zip(class_precision(counts), class_recall(counts), class_f1(counts), strict=True)
    classes = [
        {
            "label": label,
            "seen_in_training": place < outcomes.known,
            "rows": int(actual[place]),
            "predicted": int(predicted[place]),
            "precision": _bounded(precision, wilson(hits[place], predicted[place])),
            "recall": _bounded(recall, wilson(hits[place], actual[place])),
            "f1": _bounded(f1, f1_range(hits[place], actual[place], predicted[place])),
        }
        for place, (label, (precision, recall, f1)) in enumerate(zip(outcomes.labels, shares, strict=True))
    ]
    matrix = None
    if width * width <= _MOST_CELLS:
        cells = np.bincount(outcomes.actual * width + outcomes.predicted, minlength=width * width)
        matrix = cells.reshape(width, width).tolist()
    calibration = [
        {"lower": each.lower, "upper": each.upper, "rows": each.rows, "confidence": each.confidence}
        | {"observed": each.hits / each.rows}
        for each in calibration_bins(outcomes)
    ]
    return {
        "labels": [label_key(label) for label in outcomes.labels],
        "classes": classes,
        "confusion_matrix": matrix,
        "calibration": calibration,
    }


def _number_details(outcomes: NumberOutcomes) -> Json:
    residuals = outcomes.residuals
    return {
        "residuals": {
            "mean": float(residuals.mean()),
            "quantiles": {str(share): float(np.quantile(residuals, share)) for share in QUANTILES},
        }
    }


def _bounded(value: float, bounds: tuple[float, float]) -> Json:
    return {"value": float(value), "low": float(bounds[0]), "high": float(bounds[1])}
