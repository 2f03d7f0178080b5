from __future__ import annotations

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tholos.gateway import decoding
from tholos.gateway.decoding import MAX_BATCH_BYTES, decode_input, encode_batch
from tholos.gateway.errors import TooDeep
from tholos.kit.errors import InvalidInput
from tholos.tasks.errors import TooManyRows
from tholos.tasks.signature import Field, Output, Signature

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_any_shallow_input_comes_through_as_it_is(value):
    assert decode_input(orjson.dumps({"input": value}), "application/json") == value


@given(st.binary(max_size=300), st.sampled_from(["application/json", "", "image/png", "text/html", "\0"]))
def test_any_bytes_give_an_input_or_a_refusal(body, content_type):
    with suppress(InvalidInput):
        decode_input(body, content_type)


@given(st.floats() | st.just(float("inf")))
def test_what_python_alone_calls_json_is_refused(value):
    body = json.dumps({"input": [value]}).encode()
    if value in (float("inf"), float("-inf")) or value != value:  # noqa: PLR0124 - NaN
        with pytest.raises(InvalidInput) as refused:
            decode_input(body, "application/json")
        assert refused.value.code == "input_not_finite"
    else:
        assert decode_input(body, "application/json") == [value]


def test_depth_is_bounded_exactly():
    def nested(levels):
        return b'{"input": ' + b"[" * levels + b"]" * levels + b"}"

    assert decode_input(nested(decoding.MAX_DEPTH - 1), "application/json") is not None
    with pytest.raises(TooDeep):
        decode_input(nested(decoding.MAX_DEPTH), "application/json")


def test_a_body_of_blanks_costs_no_more_than_reading_it():
    blanks = b" " * 4_000_000
    with pytest.raises(InvalidInput):
        decode_input(b'{"input": NaN' + blanks, "application/json")
    with pytest.raises(InvalidInput):
        decode_input(blanks, "application/json")


def test_rows_are_bounded_by_the_memory_that_they_would_become():
    side = 1024
    images = Signature(
        task="image-classification",
        inputs=(Field(name="image", dtype="image", shape=(side, side, 3)),),
        output=Output(name="label", kind="class", labels=("a", "b")),
        example="",
    )
    fits = MAX_BATCH_BYTES // (side * side * 3 * 4)
    with pytest.raises(TooManyRows) as refused:
        encode_batch(images, ["x"] * 100, 10_000)
    assert refused.value.details["limit"] == fits
