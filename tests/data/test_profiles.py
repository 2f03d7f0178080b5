from __future__ import annotations

import io
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tholos.data.figures import histogram
from tholos.data.profiles import columns_of, profile


@pytest.fixture
def profiled(tmp_path):
    def compute(**columns):
        path = tmp_path / "view.parquet"
        pq.write_table(pa.table(columns), path)
        result = profile(path)
        json.dumps(result, allow_nan=False)  # plain JSON, nothing infinite
        return result

    return compute


def column(result, name):
    return next(each for each in result["columns"] if each["name"] == name)


def codes(result):
    return {(warning["code"], warning["column"]) for warning in result["warnings"]}


def test_numbers_against_numpy(profiled):
    values = np.random.default_rng(7).gamma(2.0, 3.0, 5000)
    given = [None if index % 10 == 0 else float(value) for index, value in enumerate(values)]
    present = np.array([value for value in given if value is not None])
    found = column(profiled(x=given), "x")
    assert (found["type"], found["missing"], found["distinct"]) == ("number", 500, 4500)
    assert found["minimum"] == present.min()
    assert found["maximum"] == present.max()
    assert found["mean"] == pytest.approx(present.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(present.std(ddof=1), rel=1e-12)
    for name, q in {"p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}.items():
        assert found["quantiles"][name] == pytest.approx(np.quantile(present, q), rel=1e-12)
    counts, edges = np.histogram(present, 30)
    assert found["histogram"]["counts"] == counts.tolist()
    assert found["histogram"]["edges"] == pytest.approx(edges.tolist())


def test_integers_with_few_values_are_counted_and_binned_one_by_one(profiled):
    found = column(profiled(x=[1, 2, 2, 5, None]), "x")
    assert found["top"] == [{"value": 2, "count": 2}, {"value": 1, "count": 1}, {"value": 5, "count": 1}]
    assert found["histogram"] == {"edges": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], "counts": [1, 2, 0, 0, 1]}
    assert (found["minimum"], found["maximum"], found["zeros"]) == (1, 5, 0)


def test_integers_keep_every_digit(profiled):
    found = column(profiled(x=[2**63 - 1, 2**63 - 2]), "x")
    assert (found["minimum"], found["maximum"]) == (2**63 - 2, 2**63 - 1)


def test_infinities_are_counted_and_left_out(profiled):
    result = profiled(x=[1.0, math.inf, -math.inf, 3.0, 0.0])
    found = column(result, "x")
    assert (found["infinite"], found["mean"], found["zeros"]) == (2, pytest.approx(4 / 3), 1)
    assert (found["minimum"], found["maximum"]) == (None, None)
    assert ("infinite", "x") in codes(result)


def test_numbers_at_the_edge_of_float64(profiled):
    found = column(profiled(x=[1.7e308, 1.7e308, -1.7e308], y=[1e16, 1e16 + 2, 1e16]), "x")
    assert found["histogram"] is None
    assert found["std"] is None


def test_strings(profiled):
    found = column(profiled(x=["b", "a", "b", "c", None, "a", "x" * 500]), "x")
    assert found["type"] == "string"
    assert found["distinct"] == 4
    assert found["top"][:3] == [{"value": "a", "count": 2}, {"value": "b", "count": 2}, {"value": "c", "count": 1}]
    assert found["top"][3]["value"] == "x" * 200 + "…"
    assert found["other"] == 0


def test_many_strings_leave_the_rest_in_other(profiled):
    found = column(profiled(x=[f"v{n % 40}" for n in range(400)]), "x")
    assert (len(found["top"]), found["other"]) == (20, 200)


def test_booleans(profiled):
    found = column(profiled(x=[True, False, True, None]), "x")
    assert found["top"] == [{"value": True, "count": 2}, {"value": False, "count": 1}]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([f"this is review number {n} of a good product" for n in range(50)], "text"),
        ([f"这是第{n}条关于商品质量的评论" for n in range(50)], "text"),
        (["Cumings, Mrs. John Bradley (Florence)", "Heikkinen, Miss. Laina"] * 20, "string"),
        ([f"https://example.org/a/very/long/address/{n}" for n in range(50)], "string"),
        (["one of the few long category names"] * 50, "string"),
        (["北京", "上海"] * 20, "string"),
    ],
)
def test_text_is_told_from_short_strings(profiled, values, kind):
    assert column(profiled(x=values), "x")["type"] == kind


def test_text_lengths(profiled):
    found = column(profiled(x=["one two three four five", "一二三四五六七八九十", "a b c d e f g"]), "x")
    assert found["type"] == "text"
    assert found["characters"] == {"minimum": 10, "mean": pytest.approx(46 / 3), "maximum": 23}
    assert found["words"] == {"minimum": 5, "mean": pytest.approx(17 / 3), "maximum": 7}
    assert len(found["examples"]) == 3


def test_days_and_moments(profiled):
    days = pa.array(range(100), pa.int32()).cast(pa.date32())
    moments = pa.array([n * 3_600_000_000 for n in range(100)], pa.int64()).cast(pa.timestamp("us", "UTC"))
    result = profiled(day=days, at=moments)
    assert column(result, "day")["minimum"] == "1970-01-01"
    assert column(result, "day")["maximum"] == "1970-04-10"
    assert column(result, "at")["maximum"] == "1970-01-05T03:00:00Z"
    for name in ("day", "at"):
        found = column(result, name)
        assert found["type"] == "datetime"
        assert sum(found["histogram"]["counts"]) == 100
        assert found["histogram"]["edges"] == sorted(found["histogram"]["edges"])


def test_images(profiled):
    def png(width, height, mode):
        buffer = io.BytesIO()
        Image.new(mode, (width, height)).save(buffer, "PNG")
        return buffer.getvalue()

    images = [png(8, 8, "L"), png(8, 8, "L"), png(4, 6, "RGB")]
    result = profiled(image=pa.array(images, pa.binary()), label=["a", "a", "b"], path=["1", "2", "3"])
    found = column(result, "image")
    assert found["type"] == "image"
    assert found["width"] == {"minimum": 4, "mean": pytest.approx(20 / 3), "maximum": 8}
    assert found["height"]["minimum"] == 6
    assert found["modes"] == {"L": 2, "RGB": 1}
    assert found["formats"] == {"PNG": 3}
    assert result["duplicate_rows"] == 1


def test_an_empty_column(profiled):
    result = profiled(x=pa.nulls(3, pa.float64()), s=pa.nulls(3, pa.string()), d=pa.nulls(3, pa.date32()))
    assert {("all_missing", name) for name in "xsd"} <= codes(result)
    assert column(result, "x")["mean"] is None
    assert column(result, "x")["histogram"] is None
    assert column(result, "s")["top"] == []
    assert column(result, "d")["minimum"] is None


def test_warnings(profiled):
    rows = 100
    result = profiled(
        constant=["x"] * rows,
        name=[f"n{n}" for n in range(rows)],
        number=list(range(5, rows + 5)),
        sparse=[None] * 60 + [1.5] * 20 + [2.5] * 20,
        skewed=["yes"] * 95 + ["no"] * 5,
    )
    assert codes(result) == {
        ("constant", "constant"),
        ("id_like", "name"),
        ("id_like", "number"),
        ("mostly_missing", "sparse"),
        ("imbalance", "skewed"),
    }


def test_duplicate_rows_count_repeats_with_missing_values(profiled):
    result = profiled(a=[1, 1, None, None, 2], b=["x", "x", "y", "y", None])
    assert result["duplicate_rows"] == 2
    assert ("duplicate_rows", None) in codes(result)


def test_columns_carry_the_types_found(profiled):
    columns = columns_of(profiled(a=[1], b=["the quick brown fox jumps over"], **{"c.d": [True]}))
    assert [(each.name, each.type.value, each.arrow) for each in columns] == [
        ("a", "integer", "int64"),
        ("b", "text", "string"),
        ("c.d", "boolean", "bool"),
    ]


@pytest.mark.parametrize(
    ("values", "whole", "expected"),
    [
        ([], False, None),
        ([2.0, 2.0], False, {"edges": [2.0, 2.0], "counts": [2]}),
        ([3.0], True, {"edges": [2.5, 3.5], "counts": [1]}),
    ],
)
def test_histograms_of_little(values, whole, expected):
    assert histogram(np.array(values, np.float64), whole=whole) == expected
