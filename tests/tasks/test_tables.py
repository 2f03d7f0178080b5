from __future__ import annotations

import io
import math

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tholos.tasks import errors
from tholos.tasks.signature import Field, Output, Signature
from tholos.tasks.tables import batch_of, labels_of, numbers_of


def signature(*fields: Field) -> Signature:
    return Signature(
        task="tabular-regression", inputs=fields, output=Output(name="y", kind="number"), example={"x": 1.0}
    )


def test_a_table_makes_the_batch_that_its_rows_make():
    fields = (
        Field(name="a", dtype="number", missing=True),
        Field(name="s", dtype="string", missing=True),
        Field(name="b", dtype="boolean", missing=True),
        Field(name="i", dtype="integer", missing=True),
    )
    rows = [
        {"a": 1.5, "s": "x", "b": True, "i": 3},
        {"a": None, "s": None, "b": None, "i": None},
        {"a": -2.0, "s": "ß", "b": False, "i": -7},
    ]
    table = pa.Table.from_pylist([{**row, "other": "ignored"} for row in rows])
    told = signature(*fields)
    batch, encoded = batch_of(told, table), told.encode(rows)
    assert batch.keys() == encoded.keys()
    np.testing.assert_array_equal(batch["numeric"], encoded["numeric"])
    assert batch["categorical"].tolist() == encoded["categorical"].tolist()


def test_infinite_and_huge_numbers_count_as_missing():
    batch = batch_of(signature(Field(name="a", dtype="number")), pa.table({"a": [1.0, math.inf, -math.inf, 1e300]}))
    assert np.isnan(batch["numeric"][:, 0]).tolist() == [False, True, True, True]


def test_columns_of_several_arrow_types_are_read():
    table = pa.table(
        {
            "a": pa.array([1, 2], pa.int8()),
            "s": pa.array(["u", None], pa.dictionary(pa.int32(), pa.large_string())),
            "n": pa.nulls(2),
        }
    )
    told = signature(Field(name="a", dtype="number"), Field(name="n", dtype="number"), Field(name="s", dtype="string"))
    batch = batch_of(told, table)
    np.testing.assert_array_equal(batch["numeric"], [[1.0, math.nan], [2.0, math.nan]])
    assert batch["categorical"].tolist() == [["u"], [""]]


@pytest.mark.parametrize(
    ("dtype", "values"), [("number", ["1"]), ("boolean", [1]), ("string", [1]), ("integer", [True]), ("number", [b"x"])]
)
def test_a_column_of_another_type_is_refused_by_name(dtype, values):
    with pytest.raises(errors.WrongType) as caught:
        batch_of(signature(Field(name="a", dtype=dtype)), pa.table({"a": values}))
    assert caught.value.details["field"] == "a"


def test_a_missing_column_is_named():
    with pytest.raises(errors.MissingColumn, match="'a'"):
        batch_of(signature(Field(name="a", dtype="number")), pa.table({"b": [1]}))
    with pytest.raises(errors.MissingColumn, match="'y'"):
        labels_of(Output(name="y", kind="class", labels=("a",)), pa.table({"b": [1]}))


def test_images_that_cannot_be_read_are_listed_by_row():
    buffer = io.BytesIO()
    Image.new("L", (2, 2), 9).save(buffer, format="PNG")
    good = buffer.getvalue()
    told = Signature(
        task="image-classification",
        inputs=(Field(name="image", dtype="image", shape=(2, 2, 1)),),
        output=Output(name="y", kind="class", labels=("a", "b")),
        example="",
    )
    assert batch_of(told, pa.table({"image": [good, good]}))["image"].shape == (2, 2, 2, 1)
    with pytest.raises(errors.BrokenImage) as caught:
        batch_of(told, pa.table({"image": [good, b"no image", None, good[:30]]}))
    assert list(caught.value.details["rows"]) == ["1", "2", "3"]


def test_targets_keep_their_types():
    output = Output(name="y", kind="class", labels=("a", "b"))
    assert labels_of(output, pa.table({"y": [1.0, None, 2.5]})) == [1, None, 2.5]
    assert labels_of(output, pa.table({"y": [True, False]})) == [True, False]
    assert labels_of(output, pa.table({"y": ["a", None]})) == ["a", None]
    np.testing.assert_array_equal(
        numbers_of(Output(name="y", kind="number"), pa.table({"y": [1, None]})), [1.0, math.nan]
    )
