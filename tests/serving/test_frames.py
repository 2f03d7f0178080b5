from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tholos.serving.frames import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    PREFIX,
    Failure,
    Frame,
    FrameError,
    Hello,
    Infer,
    Result,
    decode,
    encode,
    read_frame,
    read_prefix,
)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = st.sampled_from(["<f4", "<f8", "<i4", "<i8", "|u1", "|b1"]).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), SHAPES)
)
TEXTS = SHAPES.flatmap(lambda shape: hnp.arrays(object, shape, elements=st.text(max_size=20)))
TENSORS = st.dictionaries(st.text(max_size=10), NUMBERS | TEXTS, max_size=4)
IDS = st.integers(0, 2**63 - 1)
MESSAGES = st.one_of(
    st.builds(Infer, IDS),
    st.builds(Result, IDS),
    st.builds(Failure, IDS, st.text(max_size=20), st.text(max_size=50)),
    st.builds(Hello, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.floats(0, 9)),
)


def wire(frame: Frame) -> bytes:
    return b"".join(encode(frame))


def parse(data: bytes) -> Frame:
    header_length, payload_length = read_prefix(data[: PREFIX.size])
    header = data[PREFIX.size : PREFIX.size + header_length]
    payload = data[PREFIX.size + header_length :]
    if len(payload) != payload_length:
        raise FrameError("length")
    return decode(header, payload)


def framed(header: Any, payload: bytes = b"") -> bytes:
    head = msgspec.msgpack.encode(header)
    return PREFIX.pack(len(head), len(payload)) + head + payload


async def read_all(data: bytes) -> list[Frame]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while (frame := await read_frame(reader)) is not None:
        frames.append(frame)
    return frames


@given(MESSAGES, TENSORS)
def test_a_frame_comes_back_as_it_was_sent(message, tensors):
    back = parse(wire(Frame(message, tensors)))
    assert back.message == message
    assert list(back.tensors) == list(tensors)
    for name, array in tensors.items():
        assert back.tensors[name].dtype == array.dtype
        assert back.tensors[name].shape == array.shape
        np.testing.assert_array_equal(back.tensors[name], array)


def test_big_endian_and_strided_arrays_arrive_by_value():
    sent = np.arange(12, dtype=">f8").reshape(3, 4)[:, ::2]
    back = parse(wire(Frame(Infer(1), {"x": sent}))).tensors["x"]
    np.testing.assert_array_equal(back, sent)
    assert back.dtype.str == "<f8"


# Arrays of text are slow to make on a machine that is busy; how slow says nothing of frames.
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(MESSAGES, TENSORS), max_size=3))
async def test_a_stream_gives_every_frame_then_its_end(sent):
    frames = await read_all(b"".join(wire(Frame(message, tensors)) for message, tensors in sent))
    assert [frame.message for frame in frames] == [message for message, _ in sent]


@given(MESSAGES, TENSORS, st.data())
async def test_a_truncated_frame_is_refused_wherever_it_is_cut(message, tensors, data):
    whole = wire(Frame(message, tensors))
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(FrameError, match="within a frame"):
        await read_all(whole[:cut])


@pytest.mark.parametrize("lengths", [(MAX_HEADER_BYTES + 1, 0), (10, MAX_PAYLOAD_BYTES + 1), (2**32 - 1, 2**64 - 1)])
async def test_oversized_lengths_are_refused_before_anything_is_read(lengths):
    with pytest.raises(FrameError, match="cap"):
        await read_all(PREFIX.pack(*lengths))


@settings(max_examples=300)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_garbage_is_refused_and_never_anything_worse(header, payload):
    try:
        decode(header, payload)
    except FrameError:
        return
    assert parse(PREFIX.pack(len(header), len(payload)) + header + payload)


@given(MESSAGES, TENSORS, st.integers(0, 2**32))
def test_a_flipped_byte_gives_a_frame_or_a_refusal(message, tensors, seed):
    data = bytearray(wire(Frame(message, tensors)))
    dice = random.Random(seed)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    try:
        back = parse(bytes(data))
    except FrameError:
        return
    assert isinstance(back, Frame)


@pytest.mark.parametrize(
    ("header", "payload", "reason"),
    [
        ([["infer", 1], [["x", "<f8", [2], 8]]], b"\0" * 8, "2 values"),
        ([["infer", 1], [["x", "<f8", [-1], 0]]], b"", "impossible shape"),
        ([["infer", 1], [["x", "<f8", [1] * 9, 8]]], b"\0" * 8, "impossible shape"),
        ([["infer", 1], [["x", "|O", [1], 8]]], b"\0" * 8, "do not carry"),
        ([["infer", 1], [["x", "<f8", [1], 8]] * 2], b"\0" * 16, "twice"),
        ([["infer", 1], [["x", "<f8", [2], 16]]], b"\0" * 8, "fill"),
        ([["infer", 1], []], b"\0" * 8, "fill"),
        ([["infer", 1], [["x", "<f8", [0], -8], ["y", "<f8", [1], 8]]], b"", "negative"),
        ([["infer", 1], [["x", "text", [2], 3]]], b"\x91\xa1a" + b"\0" * 5, "1 strings"),
        ([["infer", 1], [["x", "text", [1], 3]]], b"\x91\xa1\xff" + b"\0" * 5, "UTF-8"),
        ([["infer", 1], [["x", "text", [1], 2]]], b"\x91\x07" + b"\0" * 6, "UTF-8"),
        ([["pickle", 1], []], b"", "header"),
        ([["infer", "one"], []], b"", "header"),
    ],
)
def test_frames_that_contradict_themselves_are_refused(header, payload, reason):
    with pytest.raises(FrameError, match=reason):
        parse(framed(header, payload))


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}], dtype=object),
        np.array(["\ud800"], dtype=object),
        np.zeros(2, dtype=np.complex128),
        np.array(["fixed"]),
        np.zeros(2, dtype="M8[s]"),
    ],
    ids=["objects", "lone surrogate", "complex", "fixed-width text", "dates"],
)
def test_what_frames_do_not_carry_is_not_sent(array):
    with pytest.raises(FrameError):
        encode(Frame(Infer(1), {"x": array}))
