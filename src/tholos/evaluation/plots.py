"""The pictures of an evaluation: what each shows of a model's answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tholos.evaluation.charts import BLUE, INK, ORANGE, PALETTE, SHADES, SOFT, TEAL, Spec, chart, guide, short, tooltip
from tholos.evaluation.intervals import f1_range, wilson
from tholos.tasks.fields import label_key
from tholos.tasks.metrics import class_counts, class_f1, class_precision, class_recall, split_counts
from tholos.tasks.outcomes import ClassOutcomes, Floats, Groups, Ints, NumberOutcomes, Outcomes
from tholos.tasks.ranking import (
    Curve,
    area_under_roc,
    average_precision_of,
    calibration_bins,
    precision_recall_curve,
    ranked_classes,
    roc_curve,
)

_MOST_LABELS = 25
_MOST_NUMBERED = 14
_MOST_CURVES = 10
_MOST_POINTS = 250
_MOST_DOTS = 1_000


def plots(outcomes: Outcomes, target: str) -> dict[str, Spec]:
    """Draw every picture that these answers allow, by name, in the order in which they are shown.

    *target* is the name of the predicted column. Pictures of probabilities are left out for a model that gives none,
    and curves where no label has rows both in and out of it.
    """
    if len(outcomes) == 0:
        return {}
    if isinstance(outcomes, NumberOutcomes):
        return {
            "predicted_vs_actual": predicted_vs_actual(outcomes, target),
            "residuals": residual_histogram(outcomes, target),
        }
    pictures = {"confusion_matrix": confusion_matrix(outcomes, target), "per_class": per_class(outcomes)}
    if outcomes.probabilities is not None:
        if ranked_classes(outcomes):
            pictures["roc"] = roc(outcomes, outcomes.probabilities)
            pictures["precision_recall"] = precision_recall(outcomes, outcomes.probabilities)
        pictures["calibration"] = calibration(outcomes)
    return pictures


def confusion_matrix(outcomes: ClassOutcomes, target: str) -> Spec:
    """Rows by actual and predicted label; the shade is the share of the actual label's rows."""
    hits, totals, predicted = split_counts(class_counts(outcomes, Groups.one(len(outcomes)))[0])
    width = len(outcomes.labels)
    shown = _most(totals + predicted, _MOST_LABELS)
    columns = [place for place in shown if place < outcomes.known]
    names = _names(outcomes)
    pairs, counts = np.unique(outcomes.actual * width + outcomes.predicted, return_counts=True)
    cells = dict(zip(pairs.tolist(), counts.tolist(), strict=True))
    values = [
        {
            "actual": names[row],
            "predicted": names[column],
            "rows": (rows := cells.get(row * width + column, 0)),
            "share": short(rows / totals[row]) if rows else 0.0,
        }
        for row in shown
        for column in columns
    ]
    order = [names[place] for place in shown]
    label = f"{int(hits.sum()):,} of {len(outcomes):,} rows on the diagonal are right"
    if len(shown) < width:
        label += f" · the {len(shown)} most frequent of {width} labels"
    axes = {
        "x": {"field": "predicted", "type": "nominal", "sort": order, "title": f"predicted {target}"}
        | {
            "axis": {
                "orient": "bottom",
                "labelAngle": _angle([names[place] for place in columns]),
                "domain": False,
                "ticks": False,
            }
        },
        "y": {"field": "actual", "type": "nominal", "sort": order, "title": f"actual {target}"}
        | {"axis": {"domain": False, "ticks": False}},
    }
    shade = {"field": "share", "type": "quantitative", "title": "share of actual"}
    tiles: Spec = {
        "mark": {"type": "rect", "stroke": "#ffffff", "strokeWidth": 2, "cornerRadius": 3},
        "encoding": {
            "color": {
                **shade,
                "scale": {"type": "sqrt", "domain": [0, 1], "range": SHADES},  # a single error shows
                "legend": {"format": ".0%", "gradientLength": 120, "gradientThickness": 10, "tickCount": 3},
            },
            "tooltip": tooltip(("actual", ""), ("predicted", ""), ("rows", ","), ("share", ".1%")),
        },
    }
    numbers: Spec = {
        "transform": [{"filter": "datum.rows > 0"}],
        "mark": {"type": "text", "fontSize": 13 if len(shown) <= 6 else 11},
        "encoding": {
            "text": {"field": "rows", "type": "quantitative", "format": ","},
            "color": {"condition": {"test": "datum.share > 0.3", "value": "#ffffff"}, "value": INK},
        },
    }
    return chart(
        "Confusion matrix", label, values, height=min(560, max(150, 36 * len(shown))),
        encoding=axes, layer=[tiles, numbers] if len(shown) <= _MOST_NUMBERED else [tiles],
    )  # fmt: skip


def per_class(outcomes: ClassOutcomes) -> Spec:
    """Precision, recall and F1 of each label as bars, with their 95 % intervals."""
    counts = class_counts(outcomes, Groups.one(len(outcomes)))[0]
    hits, actual, predicted = split_counts(counts)
    figures = (
        ("precision", class_precision(counts), [wilson(h, p) for h, p in zip(hits, predicted, strict=True)], predicted),
        ("recall", class_recall(counts), [wilson(h, a) for h, a in zip(hits, actual, strict=True)], actual),
        ("F1", class_f1(counts), [f1_range(*each) for each in zip(hits, actual, predicted, strict=True)], actual),
    )
    involved = np.flatnonzero(actual + predicted)
    shown = involved[_most(-figures[2][1][involved], _MOST_LABELS)]
    names = _names(outcomes)
    values = [
        {
            "label": names[place],
            "figure": title,
            "value": short(by_label[place]),
            "low": short(ranges[place][0]) if of[place] else None,
            "high": short(ranges[place][1]) if of[place] else None,
            "rows": int(actual[place]),
        }
        for place in shown
        for title, by_label, ranges, of in figures
    ]
    note = "With 95 % intervals"
    if len(shown) < len(involved):
        note += f" · the {len(shown)} labels of lowest F1 of {len(involved)}"
    titles = [title for title, *_ in figures]
    bars: Spec = {
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "color": {"field": "figure", "type": "nominal", "title": None, "sort": titles}
            | {"scale": {"domain": titles, "range": [BLUE, TEAL, ORANGE]}}
            | {"legend": {"orient": "top", "direction": "horizontal", "offset": 4, "symbolType": "square"}},
        },
    }
    whiskers: Spec = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "color": INK, "strokeWidth": 1.2, "opacity": 0.75},
        "encoding": {
            "x": {"field": "low", "type": "quantitative"},
            "x2": {"field": "high"},
            "yOffset": {"field": "figure", "sort": titles, "bandPosition": 0.5},
        },
    }
    return chart(
        "By label", note, values, height=min(900, max(120, 46 * len(shown))),
        encoding={
            "y": {"field": "label", "type": "nominal", "sort": [names[place] for place in shown], "title": None}
            | {"axis": {"domain": False, "ticks": False}, "scale": {"paddingInner": 0.25}},
            "yOffset": {"field": "figure", "sort": titles, "scale": {"paddingInner": 0.15}},
            "x": {"field": "value", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": None}
            | {"axis": {"format": ".0%", "tickCount": 5}},
            "tooltip": tooltip(
                ("label", ""), ("figure", ""), ("value", ".3f"), ("low", ".3f"), ("high", ".3f"), ("rows", ",")
            ),
        },
        layer=[bars, whiskers],
    )  # fmt: skip


def roc(outcomes: ClassOutcomes, probabilities: Floats) -> Spec:
    """True against false positive rate, a curve for each label that can be ranked."""
    flags = {place: outcomes.actual == place for place in ranked_classes(outcomes)}
    areas = {place: area_under_roc(probabilities[:, place], positive) for place, positive in flags.items()}
    shown = sorted(sorted(areas, key=lambda place: areas[place])[:_MOST_CURVES])
    curves = {place: roc_curve(probabilities[:, place], flags[place]) for place in shown}
    chance = {"data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]}, **guide()}
    return _curves(
        "ROC curve", _ranked_note("area", areas, shown), _named_curves(outcomes, curves, areas), "step-after",
        x="false positive rate", y="true positive rate", guide=chance,
    )  # fmt: skip


def precision_recall(outcomes: ClassOutcomes, probabilities: Floats) -> Spec:
    """Precision against recall, a curve for each label that can be ranked."""
    flags = {place: outcomes.actual == place for place in ranked_classes(outcomes)}
    means = {place: average_precision_of(probabilities[:, place], positive) for place, positive in flags.items()}
    shown = sorted(sorted(means, key=lambda place: means[place])[:_MOST_CURVES])
    curves = {place: precision_recall_curve(probabilities[:, place], flags[place]) for place in shown}
    return _curves(
        "Precision and recall", _ranked_note("average precision", means, shown),
        _named_curves(outcomes, curves, means), "linear", x="recall", y="precision",
    )  # fmt: skip


def calibration(outcomes: ClassOutcomes) -> Spec:
    """How often the predictions of a stated probability come true, with Wilson intervals."""
    values = []
    for each in calibration_bins(outcomes):
        low, high = wilson(each.hits, each.rows)
        values.append(
            {"stated": short(each.confidence), "observed": short(each.hits / each.rows)}
            | {"low": short(low), "high": short(high), "rows": each.rows}
        )
    said = f"\u201c{label_key(outcomes.labels[1])}\u201d" if outcomes.is_binary else "the predicted label"
    dots: Spec = {
        "mark": {"type": "point", "filled": True, "opacity": 1, "color": BLUE},
        "encoding": {
            "size": {"field": "rows", "type": "quantitative", "scale": {"range": [40, 320]}, "legend": None},
            "tooltip": tooltip(("stated", ".3f"), ("observed", ".3f"), ("low", ".3f"), ("high", ".3f"), ("rows", ",")),
        },
    }
    whiskers: Spec = {
        "mark": {"type": "rule", "color": BLUE, "strokeWidth": 1.5, "opacity": 0.45},
        "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    ideal = {"data": {"values": [{"stated": 0, "observed": 0}, {"stated": 1, "observed": 1}]}, **guide()}
    return chart(
        "Calibration", f"How often {said} comes true · on the dashed line as often as stated",
        values, height=300,
        encoding={
            channel: {"field": name, "type": "quantitative", "title": title, "scale": {"domain": [0, 1]}}
            | {"axis": {"format": ".0%", "tickCount": 5}}
            for channel, name, title in (
                ("x", "stated", "stated probability"), ("y", "observed", "observed frequency"),
            )
        },
        layer=[ideal, whiskers, dots],
    )  # fmt: skip


def predicted_vs_actual(outcomes: NumberOutcomes, target: str) -> Spec:
    """Every row as a dot; of many rows a random part."""
    chosen = _sample(len(outcomes), _MOST_DOTS)
    values = [
        {"actual": short(actual), "predicted": short(predicted)}
        for actual, predicted in zip(outcomes.actual[chosen], outcomes.predicted[chosen], strict=True)
    ]
    both = np.concatenate([outcomes.actual[chosen], outcomes.predicted[chosen]])
    low, high = short(both.min()), short(both.max())
    note = f"{len(outcomes):,} rows" if len(values) == len(outcomes) else f"{len(values):,} of {len(outcomes):,} rows"
    dots: Spec = {
        "mark": {"type": "point", "filled": True, "color": BLUE, "size": 26}
        | {"opacity": 0.65 if len(values) < 400 else 0.35},
        "encoding": {"tooltip": tooltip(("actual", ",.4~g"), ("predicted", ",.4~g"))},
    }
    ends = [{"actual": low, "predicted": low}, {"actual": high, "predicted": high}]
    return chart(
        "Predicted against actual", f"{note} · on the dashed line the prediction is right", values, height=340,
        encoding={
            channel: {"field": name, "type": "quantitative", "title": f"{name} {target}", "scale": {"zero": False}}
            for channel, name in (("x", "actual"), ("y", "predicted"))
        },
        layer=[{"data": {"values": ends}, **guide()}, dots],
    )  # fmt: skip


def residual_histogram(outcomes: NumberOutcomes, target: str) -> Spec:
    """How far predictions are off, in bins of equal width; of 200 rows and more without the wildest hundredth."""
    residuals = outcomes.residuals
    edge = 0.5 if len(residuals) >= 200 else 0.0
    low, high = np.percentile(residuals, [edge, 100.0 - edge])
    inside = residuals[(residuals >= low) & (residuals <= high)]
    counts, edges = np.histogram(inside, bins=min(40, max(8, int(np.sqrt(len(inside))))))
    values = [
        {"from": short(left), "to": short(right), "rows": int(rows)}
        for rows, left, right in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
    bars: Spec = {
        "mark": {"type": "rect", "color": BLUE, "stroke": "#ffffff", "strokeWidth": 1},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "scale": {"zero": False}}
            | {"title": f"predicted minus actual {target}"},
            "x2": {"field": "to"},
            "y": {"field": "rows", "type": "quantitative", "title": "rows"},
            "y2": {"datum": 0},
            "tooltip": tooltip(("from", ",.4~g"), ("to", ",.4~g"), ("rows", ",")),
        },
    }
    zero = {"data": {"values": [{"at": 0}]}, "mark": {"type": "rule", "color": SOFT, "strokeDash": [5, 4]}}
    zero["encoding"] = {"x": {"field": "at", "type": "quantitative"}}
    note = f"Median {short(np.median(residuals)):,.4g} · right of zero the model answers too much"
    return chart("Residuals", note, values, height=240, encoding={}, layer=[bars, zero])


# -- parts -------------------------------------------------------------------------------------------------------------


def _curves(
    title: str, subtitle: str, values: list[Spec], interpolate: str, *, x: str, y: str, guide: Spec | None = None
) -> Spec:
    order = list(dict.fromkeys(value["label"] for value in values))
    lines: Spec = {
        "mark": {"type": "line", "interpolate": interpolate, "strokeWidth": 2.2, "clip": True},
        "encoding": {
            "color": {"field": "label", "type": "nominal", "title": None, "sort": order}
            | ({"legend": {"orient": "bottom", "columns": 2, "offset": 8, "symbolType": "stroke"}})
            | {"scale": {"domain": order, "range": PALETTE}},
            "order": {"field": "step", "type": "quantitative"},
        },
    }
    return chart(
        title, subtitle, values, height=300,
        encoding={
            channel: {"field": channel, "type": "quantitative", "title": name, "scale": {"domain": [0, 1]}}
            | {"axis": {"format": ".0%", "tickCount": 5}}
            for channel, name in (("x", x), ("y", y))
        },
        layer=[guide, lines] if guide else [lines],
    )  # fmt: skip


def _named_curves(outcomes: ClassOutcomes, curves: dict[int, Curve], figures: dict[int, float]) -> list[Spec]:
    names = _names(outcomes)
    return [
        {"x": short(curve.x[at]), "y": short(curve.y[at]), "step": step, "label": f"{names[place]} · {figure:.3f}"}
        for place, curve in curves.items()
        for figure in (figures[place],)
        for step, at in enumerate(_thinned(curve))
    ]


def _ranked_note(what: str, figures: dict[int, float], shown: Sequence[int]) -> str:
    if len(figures) == 1:
        return f"The legend gives the positive label and its {what}"
    note = f"Each label against the rest, with its {what} · mean {np.mean(list(figures.values())):.3f}"
    return note if len(shown) == len(figures) else f"{note} · the {len(shown)} lowest of {len(figures)}"


def _thinned(curve: Curve) -> Ints:
    """Choose at most `_MOST_POINTS` of a curve's points, evenly along its length in the plane, ends included."""
    if len(curve.x) <= _MOST_POINTS:
        return np.arange(len(curve.x))
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y)))])
    wanted = np.searchsorted(along, np.linspace(0.0, along[-1], _MOST_POINTS))
    return np.unique(np.append(wanted, len(along) - 1))


def _sample(rows: int, at_most: int) -> Ints:
    if rows <= at_most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, at_most, replace=False))


def _most(weights: Floats, at_most: int) -> Ints:
    """The places of the *at_most* largest weights, in their own order."""
    return np.sort(np.argsort(-weights, kind="stable")[:at_most])


def _names(outcomes: ClassOutcomes) -> list[str]:
    return [
        label_key(label) if place < outcomes.known else f"{label_key(label)} (never seen)"
        for place, label in enumerate(outcomes.labels)
    ]


def _angle(names: Sequence[str]) -> int:
    """Turn the names of a confusion matrix's columns when one is wider than a column (7 of 300 pixels a letter)."""
    if len(names) > _MOST_NUMBERED:
        return -90
    return -40 if max(map(len, names)) * len(names) * 7 > 300 else 0
