"""What ``predict`` takes, and the JSON that it becomes."""

from __future__ import annotations

import base64
import datetime as dt
import io
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tholos.sdk.errors import InvalidInput
from tholos.sdk.inputs import encode_input


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Hello", "Hello"),
        (["Hello", "World"], ["Hello", "World"]),
        ({"a": 1, "b": None}, {"a": 1, "b": None}),
        ([{"a": 1.5}, {"a": math.nan}], [{"a": 1.5}, {"a": None}]),
        ([[1, 2.5], [3, math.nan]], [[1, 2.5], [3, None]]),
        (({"a": True},), [{"a": True}]),
        (b"\x00\xff", "AP8="),
        ([b"a", b"b"], ["YQ==", "Yg=="]),
        (np.array([[1.0, np.nan], [2.0, 3.0]]), [[1.0, None], [2.0, 3.0]]),
        (np.array([[1, 2]]), [[1, 2]]),
        ({"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)}, {"a": 0.5, "b": 3, "c": True}),
        ({"day": dt.date(2026, 1, 2)}, {"day": "2026-01-02"}),
        ({"at": pd.NaT, "n": pd.NA}, {"at": None, "n": None}),
    ],
)
def test_python_becomes_json(value, expected):
    assert encode_input(value) == expected


def test_a_frame_becomes_rows_with_missing_values_as_null():
    frame = pd.DataFrame(
        {
            "number": [1.5, None],
            "word": ["a", None],
            "count": pd.array([1, None], dtype="Int64"),
            "flag": [True, False],
            "at": pd.to_datetime(["2026-01-02", None]),
        }
    )
    assert encode_input(frame) == [
        {"number": 1.5, "word": "a", "count": 1, "flag": True, "at": "2026-01-02T00:00:00"},
        {"number": None, "word": None, "count": None, "flag": False, "at": None},
    ]
    assert encode_input(frame.iloc[0])["word"] == "a"


def test_pictures_become_base64(tmp_path):
    image = Image.new("RGB", (4, 3), (250, 0, 0))
    image.save(tmp_path / "red.png")
    assert encode_input(tmp_path / "red.png") == base64.b64encode((tmp_path / "red.png").read_bytes()).decode()
    pixels = np.zeros((2, 8, 8, 1), dtype="uint8")
    for encoded, size in [(encode_input(image), (4, 3)), *((one, (8, 8)) for one in encode_input(pixels))]:
        assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == size


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{"a": math.inf}], "infinite"),
        (np.array([[np.inf]]), "infinite"),
        (np.zeros((2, 2, 3)), "must be of uint8"),
        (object(), "type object cannot be an input"),
        ({"a": {1, 2}}, "type set cannot be an input"),
    ],
)
def test_what_cannot_be_an_input_is_told(value, message):
    with pytest.raises(InvalidInput, match=message):
        encode_input(value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"missing\.png"):
        encode_input(tmp_path / "missing.png")
