from __future__ import annotations

import base64
import io
import json
import math
import subprocess
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tholos.kit.errors import InvalidInput
from tholos.tasks import errors
from tholos.tasks.signature import Field, Limits, Output, Signature, decode

FIELDS = (
    Field(name="age", dtype="integer", minimum=0, maximum=99),
    Field(name="city", dtype="string", categories=("Oslo", "Rome"), missing=True),
    Field(name="income", dtype="number", missing=True),
    Field(name="member", dtype="boolean"),
)
TABLE = Signature(
    task="tabular-classification",
    inputs=FIELDS,
    output=Output(name="label", kind="class", labels=("no", "yes")),
    example={"age": 30, "city": "Oslo", "income": 1.5, "member": True},
)
NUMBER = Signature(
    task="tabular-regression",
    inputs=(Field(name="x", dtype="number"),),
    output=Output(name="y", kind="number"),
    example={"x": 1.0},
)
TEXT = Signature(
    task="text-classification",
    inputs=(Field(name="text", dtype="text"),),
    output=Output(name="label", kind="class", labels=(False, True)),
    example="Hello, world!",
)
IMAGE = Signature(
    task="image-classification",
    inputs=(Field(name="image", dtype="image", shape=(4, 6, 3)),),
    output=Output(name="digit", kind="class", labels=(0, 1, 2)),
    example="",
)
ROW = {"age": 30, "city": "Oslo", "income": 1.5, "member": True}
SIGNATURES = (TABLE, NUMBER, TEXT, IMAGE)


def png(size: tuple[int, int] = (6, 4), mode: str = "RGB", colour: Any = (10, 20, 30), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, format=kind)
    return buffer.getvalue()


def base64_png(**options: Any) -> str:
    return base64.b64encode(png(**options)).decode()


def noise() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


NOISE = noise()


@pytest.mark.parametrize("value", [ROW, [ROW], [[30, "Oslo", 1.5, True]], [dict(reversed(ROW.items()))]])
def test_rows_in_every_form_make_the_same_batch(value):
    batch = TABLE.encode(value)
    assert set(batch) == {"numeric", "categorical"}
    assert batch["numeric"].dtype == np.float64
    assert batch["numeric"].tolist() == [[30.0, 1.5, 1.0]]
    assert batch["categorical"].tolist() == [["Oslo"]]


def test_missing_values_and_unseen_categories_are_taken():
    batch = TABLE.encode([{**ROW, "city": None, "income": None}, {**ROW, "city": "Utopia"}])
    assert math.isnan(batch["numeric"][0, 1])
    assert batch["categorical"].tolist() == [[""], ["Utopia"]]


@pytest.mark.parametrize("value", ["Hello", ["Hello"], {"text": "Hello"}, [{"text": "Hello"}], [["Hello"]]])
def test_text_in_every_form(value):
    assert TEXT.encode(value)["text"].tolist() == ["Hello"]


def test_an_image_in_every_form():
    data = png()
    pixels = np.tile([10, 20, 30], (4, 6, 1)).tolist()
    text = base64.b64encode(data).decode()
    forms = (
        text,
        f"data:image/png;base64,{text}",
        data,
        [text],
        [[text]],
        {"image": text},
        {"image": pixels},
        [pixels],
    )
    for value in forms:
        batch = IMAGE.encode(value)["image"]
        assert batch.shape == (1, 4, 6, 3)
        assert batch.dtype == np.float32
        assert batch[0, 0, 0].tolist() == [10, 20, 30]


def test_images_are_turned_to_the_signatures_shape():
    for options in (
        {"size": (12, 8)},
        {"mode": "L", "colour": 200},
        {"mode": "RGBA", "colour": (1, 2, 3, 4)},
        {"mode": "P", "colour": 3},
        {"mode": "CMYK", "colour": (0, 0, 0, 9), "kind": "JPEG"},
        {"mode": "I;16", "colour": 514},
        {"mode": "1", "colour": 1},
    ):
        assert IMAGE.encode(base64_png(**options))["image"].shape == (1, 4, 6, 3)
    assert IMAGE.encode(base64_png(mode="I;16", colour=514))["image"][0, 0, 0].tolist() == [2, 2, 2]
    assert IMAGE.encode(base64_png(mode="RGBA", colour=(0, 0, 0, 0)))["image"][0, 0, 0].tolist() == [255, 255, 255]


def test_an_image_is_turned_upright():
    picture = Image.new("L", (6, 4))
    picture.putpixel((0, 0), 255)
    exif = picture.getexif()
    exif[0x0112] = 3  # upside down
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", exif=exif)
    upright = IMAGE.encode(buffer.getvalue())["image"][0]
    assert upright[3, 5, 0] == 255
    assert upright[0, 0, 0] == 0


@pytest.mark.parametrize(
    ("value", "error", "details"),
    [
        ({**ROW, "age": "30"}, errors.WrongType, {"row": 0, "field": "age"}),
        ({**ROW, "age": 3.5}, errors.WrongType, {"field": "age"}),
        ({**ROW, "age": True}, errors.WrongType, {"field": "age"}),
        ({**ROW, "member": 1}, errors.WrongType, {"field": "member"}),
        ({**ROW, "city": 7}, errors.WrongType, {"field": "city"}),
        ({**ROW, "city": "\ud800"}, errors.WrongType, {"field": "city"}),
        ({**ROW, "income": [1]}, errors.WrongType, {"field": "income"}),
        ([ROW, {**ROW, "income": math.nan}], errors.NotFinite, {"row": 1, "field": "income"}),
        ({**ROW, "income": math.inf}, errors.NotFinite, {"field": "income"}),
        ({**ROW, "income": 1e39}, errors.NotFinite, {"field": "income"}),
        ({**ROW, "age": 10**400}, errors.NotFinite, {"field": "age"}),
        ({**ROW, "age": None}, errors.MissingValue, {"row": 0, "field": "age"}),
        ({"age": 1}, errors.MissingColumn, {"missing": ["city", "income", "member"]}),
        ({**ROW, "extra": 1}, errors.ExtraColumn, {"extra": ["extra"]}),
        ({**ROW, "label": "yes"}, errors.ExtraColumn, {"extra": ["label"]}),
        ({**ROW, "\ud800": 1}, errors.ExtraColumn, {"extra": ["?"]}),
        ({"Age": 1, "city": "", "income": 1, "member": True}, errors.MissingColumn, {"field": "age"}),
        ([], errors.EmptyBatch, {}),
        ([[30, "Oslo", 1.5]], errors.WrongWidth, {"row": 0, "expected": 4, "got": 3}),
        ([[30, "Oslo", 1.5, True, 5]], errors.WrongWidth, {"got": 5}),
        ([30, "Oslo", 1.5, True], errors.WrongType, {"row": 0}),
        ("Oslo", errors.WrongType, {"row": 0}),
        (None, errors.WrongType, {"row": 0}),
        ([ROW] * 11, errors.TooManyRows, {"rows": 11, "limit": 10}),
        ({**ROW, "city": "x" * 51}, errors.InputTooLarge, {"field": "city"}),
    ],
)
def test_bad_rows_are_refused_with_field_and_row(value, error, details):
    with pytest.raises(error) as caught:
        TABLE.encode(value, Limits(max_rows=10, max_text_chars=50))
    assert caught.value.message
    assert caught.value.next
    assert caught.value.status == 400
    assert details.items() <= caught.value.details.items()
    json.dumps(caught.value.to_dict(), ensure_ascii=False).encode()


def test_the_error_says_that_the_target_is_not_an_input():
    with pytest.raises(errors.ExtraColumn) as caught:
        TABLE.encode({**ROW, "label": "yes"})
    assert "predicts" in caught.value.next


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("not base64!", errors.BrokenImage),
        (base64.b64encode(b"hello").decode(), errors.BrokenImage),
        (png()[:40], errors.BrokenImage),
        (NOISE[: len(NOISE) // 2], errors.BrokenImage),
        (b"", errors.BrokenImage),
        ([], errors.EmptyBatch),
        (7, errors.WrongType),
        ([7], errors.WrongType),
        ([[[1, 2], [3]]], errors.WrongType),
        ([[["1", "2"]]], errors.WrongType),
        ([np.full((4, 6, 3), 256).tolist()], errors.WrongType),
        ([np.full((4, 6, 3), math.nan).tolist()], errors.WrongType),
        (None, errors.WrongType),
        (base64_png(size=(101, 100)), errors.InputTooLarge),
        ("A" * 200_000, errors.InputTooLarge),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n", errors.BrokenImage),
    ],
)
def test_bad_images_are_refused(value, error):
    with pytest.raises(error) as caught:
        IMAGE.encode(value, Limits(max_image_pixels=10_000, max_image_bytes=100_000))
    assert caught.value.next


def test_a_decompression_bomb_is_refused_before_it_unpacks():
    header = png(size=(1, 1), mode="L", colour=0)
    # The same file, its header claiming 60,000 by 60,000 pixels (the checksum of the header renewed).
    import struct
    import zlib

    chunk = b"IHDR" + struct.pack(">II", 60_000, 60_000) + header[24:29]
    bomb = header[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + header[33:]
    with pytest.raises(errors.InputTooLarge):
        IMAGE.encode(bomb)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["age", "city", base64_png()]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5) | st.sampled_from(list(ROW)), inner)
    ),
    max_leaves=20,
)
rows = st.fixed_dictionaries(dict.fromkeys(ROW, json_values))


@settings(max_examples=100, deadline=None)
@given(
    signature=st.sampled_from(SIGNATURES),
    value=json_values | rows | st.lists(rows, max_size=3) | st.binary(max_size=64),
)
def test_whatever_comes_in_is_a_batch_or_an_error_of_ours(signature, value):
    try:
        batch = signature.encode(value, Limits(max_rows=5))
    except InvalidInput as error:
        told = error.to_dict()
        json.dumps(told, ensure_ascii=False).encode()
    else:
        told = {"next": "none needed"}
        count = 1 if signature.is_single(value) else len(value)
        assert {len(tensor) for tensor in batch.values()} == {count}
    assert told["next"]


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 80))
def test_damaged_image_files_never_raise_anything_else(data, cut):
    for value in (data, png()[:cut] + data, png(kind="JPEG")[:cut] + data, png(kind="GIF")[:cut] + data):
        with suppress(errors.BrokenImage, errors.InputTooLarge):
            assert IMAGE.encode(value, Limits(max_image_pixels=100_000))["image"].shape == (1, 4, 6, 3)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_survives_its_json(signature):
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


@pytest.mark.parametrize(
    "change",
    [
        {"task": "juggling"},
        {"inputs": []},
        {"inputs": [{"name": "a", "dtype": "number"}, {"name": "a", "dtype": "number"}]},
        {"inputs": [{"name": "a", "dtype": "complex"}]},
        {"inputs": [{"name": "a", "dtype": "text"}]},
        {"inputs": [{"name": 7, "dtype": "number"}]},
        {"output": {"name": "y", "kind": "number"}},
        {"output": {"name": "y", "kind": "class", "labels": []}},
        {"output": {"name": "y", "kind": "class", "labels": [1, "1"]}},
        {"output": None},
        {"task": "image-classification", "inputs": [{"name": "i", "dtype": "image", "shape": [0, 4, 3]}]},
        {"task": "image-classification", "inputs": [{"name": "i", "dtype": "image", "shape": [4, 4, 2]}]},
        {"task": "image-classification", "inputs": [{"name": "i", "dtype": "image", "shape": [9**9, 9**9, 3]}]},
    ],
)
def test_a_broken_signature_is_refused(change):
    with pytest.raises(errors.BrokenSignature) as caught:
        Signature.from_json({**TABLE.to_json(), **change})
    assert caught.value.next


def test_labels_keep_their_types():
    outputs = {"label_index": np.array([1, 0]), "probabilities": np.array([[0.25, 0.75], [1.0, 0.0]])}
    assert decode(TEXT, outputs) == [
        {"output": True, "probabilities": {"false": 0.25, "true": 0.75}},
        {"output": False, "probabilities": {"false": 1.0, "true": 0.0}},
    ]
    assert decode(IMAGE, {"label_index": np.array([2])}) == [{"output": 2}]
    assert decode(NUMBER, {"value": np.array([1.5])}) == [{"output": 1.5}]
    assert type(decode(TEXT, outputs)[0]["output"]) is bool


def test_an_answer_that_is_not_finite_is_an_error_that_names_the_row():
    with pytest.raises(errors.OutputNotFinite) as caught:
        decode(NUMBER, {"value": np.array([1.0, math.inf])})
    assert caught.value.details["row"] == 1
    with pytest.raises(errors.OutputNotFinite):
        decode(TABLE, {"label_index": np.array([0]), "probabilities": np.array([[math.nan, 1.0]])})


def test_importing_signatures_is_light():
    code = (
        "import sys, tholos.tasks.tables, tholos.tasks.task, tholos.training.catalogue as c, tholos.runtimes; "
        "c.catalogue(); print([m for m in ('pandas', 'sklearn', 'pyarrow', 'PIL', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
