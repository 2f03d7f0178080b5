import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tholos.evaluation.charts import SCHEMA, render
from tholos.evaluation.plots import plots
from tholos.tasks.outcomes import NumberOutcomes, class_outcomes

_SVG = "{http://www.w3.org/2000/svg}"


def classified(labels, rows, *, unseen=0, probabilities=True):
    rng = np.random.default_rng(0)
    actual = rng.integers(0, len(labels), rows)
    scores = rng.normal(size=(rows, len(labels)))
    scores[np.arange(rows), actual] += 2.0
    stated = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = ["martian" if row < unseen else labels[place] for row, place in enumerate(actual)]
    return class_outcomes(labels, truth, stated.argmax(axis=1), stated if probabilities else None)


def numbers(rows):
    rng = np.random.default_rng(0)
    actual = rng.gamma(2.0, 1000.0, rows)
    return NumberOutcomes(actual, actual * rng.normal(1.0, 0.1, rows))


def texts(svg):
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{_SVG}text")]


def test_every_picture_is_vega_lite_that_renders():
    drawn = {}
    for outcomes in (classified(["<b>ä & 猫</b>", "b", "c"], 120, unseen=2), numbers(300)):
        for name, spec in plots(outcomes, "the target").items():
            assert spec["$schema"] == SCHEMA
            assert spec["width"] == "container"
            assert "http" not in json.dumps({key: value for key, value in spec.items() if key != "$schema"})
            json.dumps(spec, allow_nan=False)
            drawn[name] = texts(render(spec))
            assert spec["title"]["text"] in drawn[name]
            assert len(drawn[name]) > 8, name
    assert set(drawn) == {
        *("confusion_matrix", "per_class", "roc", "precision_recall", "calibration"),
        *("predicted_vs_actual", "residuals"),
    }
    assert "<b>ä & 猫</b>" in drawn["confusion_matrix"]
    assert "martian (never seen)" in drawn["confusion_matrix"]
    assert "predicted minus actual the target" in drawn["residuals"]


def test_the_confusion_matrix_shows_the_counts():
    outcomes = classified(["no", "yes"], 50)
    shown = texts(render(plots(outcomes, "answer")["confusion_matrix"]))
    counts = {
        str(np.count_nonzero((outcomes.actual == actual) & (outcomes.predicted == predicted)))
        for actual in (0, 1)
        for predicted in (0, 1)
    }
    assert counts <= set(shown)


def test_bars_of_a_histogram_add_up_to_the_rows():
    spec = plots(numbers(100), "price")["residuals"]
    assert sum(value["rows"] for value in spec["data"]["values"]) == 100
    bars = [
        node.get("d") or "" for node in ET.fromstring(render(spec)).iter(f"{_SVG}path") if node.get("fill") == "#3465c2"
    ]
    assert len(bars) == len(spec["data"]["values"])


@pytest.mark.parametrize(
    ("outcomes", "names"),
    [
        (classified(["a", "b"], 20, probabilities=False), ["confusion_matrix", "per_class"]),
        (
            class_outcomes(["a", "b"], ["a"], np.array([0]), np.array([[0.5, 0.5]])),
            ["confusion_matrix", "per_class", "calibration"],
        ),
        (class_outcomes(["a", "b"], [], np.array([], dtype=int)), []),
    ],
)
def test_pictures_that_the_answers_do_not_allow_are_left_out(outcomes, names):
    assert list(plots(outcomes, "kind")) == names


def test_many_labels_and_rows_are_thinned_out():
    labels = [f"label {number}" for number in range(80)]
    drawn = plots(classified(labels, 20_000), "kind")
    assert "the 25 most frequent of 80 labels" in drawn["confusion_matrix"]["title"]["subtitle"]
    assert len(drawn["confusion_matrix"]["data"]["values"]) == 25 * 25
    assert len({value["label"] for value in drawn["roc"]["data"]["values"]}) == 10
    assert "the 10 lowest of 80" in drawn["roc"]["title"]["subtitle"]
    assert len(plots(numbers(50_000), "price")["predicted_vs_actual"]["data"]["values"]) == 1000
    for spec in drawn.values():
        assert len(json.dumps(spec)) < 400_000


def test_a_thinned_curve_keeps_its_ends_and_its_area():
    outcomes = classified(["no", "yes"], 30_000)
    points = plots(outcomes, "answer")["roc"]["data"]["values"]
    x, y = ([point[axis] for point in points] for axis in ("x", "y"))
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert len(points) <= 251
    assert points[0]["label"] == f"yes · {np.trapezoid(y, x):.3f}"
