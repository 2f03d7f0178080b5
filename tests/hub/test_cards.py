from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tholos.hub.cards import MAX_CARD_BYTES, read_card

FULL = b"""---
license: apache-2.0
language: [en, no]
tags:
- penguins
- tabular
pipeline_tag: tabular-classification
library_name: sklearn
datasets: ada/penguins
base_model:
- ada/base
model-index:
- name: x
  results: [{task: {type: t}, metrics: [{type: accuracy, value: 0.97}]}]
date: 2026-01-02
ratio: 1:30
id: 007
---
# Title
"""


def test_metadata_body_and_tags_are_taken_apart():
    card = read_card(FULL)
    assert card.body == "# Title\n"
    assert card.warnings == ()
    assert card.metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.97
    assert (card.metadata["date"], card.metadata["ratio"], card.metadata["id"]) == ("2026-01-02", "1:30", "007")
    assert card.tags == [
        "base_model:ada/base",
        "dataset:ada/penguins",
        "en",
        "license:apache-2.0",
        "no",
        "penguins",
        "sklearn",
        "tabular",
        "tabular-classification",
    ]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"# No metadata", "# No metadata"),
        (b"", ""),
        (b"---\nnot closed: 1\n", "---\nnot closed: 1\n"),
        (b"---\n---\nempty", "empty"),
        (b"\xef\xbb\xbf---\nlicense: mit\n---\nbom", "bom"),
        (b"---\r\nlicense: mit\r\n---\r\ncrlf", "crlf"),
    ],
)
def test_cards_without_metadata_or_with_odd_line_ends(data: bytes, body: str):
    card = read_card(data)
    assert (card.body, card.warnings) == (body, ())


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n".encode() for n in range(20)
)
MERGE_BOMB = b"a: &a {k: v}\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{','.join(['*' + chr(97 + n)] * 9)}]}}\n".encode() for n in range(12)
)


@pytest.mark.parametrize(
    "metadata",
    [
        BOMB,
        MERGE_BOMB,
        b"a: [\n",
        b"- a list\n",
        b"just text\n",
        b"a: !!python/object/apply:os.system [id]\n",
        b"a: !!timestamp nonsense\n",
        b"a: !custom x\n",
        b"? [1, 2]\n: 3\n",
        b"a: " + b"9" * 9999 + b"\n",
        b"[" * 100_000 + b"\n",
        b"- " * 50_000 + b"\n",
        b"x: 1\n" * 60_000,
        b"a: b\x00\n",
        b"a: 1\n...\nb: 2\n",
        b"k: '" + b"x" * 300_000 + b"'\n",
    ],
    ids=lambda metadata: ascii(metadata[:24]),
)
def test_hostile_metadata_becomes_a_warning(metadata: bytes):
    card = read_card(b"---\n" + metadata + b"---\nbody")
    assert card.metadata == {}
    assert any("metadata" in warning for warning in card.warnings)
    assert card.body == "body"


def test_a_very_long_card_is_cut():
    card = read_card(b"x" * (MAX_CARD_BYTES + 10))
    assert len(card.body) == MAX_CARD_BYTES
    assert card.warnings


def test_values_become_plain_json():
    card = read_card(
        b"---\na: .nan\nb: .inf\nc: 99999999999999999999\n2: x\ntrue: y\nnull: z\nd: {e: [1, 2.5, null, false]}\n---\n"
    )
    assert card.metadata == {
        "a": "nan",
        "b": "inf",
        "c": "99999999999999999999",
        "2": "x",
        "true": "y",
        "null": "z",
        "d": {"e": [1, 2.5, None, False]},
    }


def test_tags_that_a_list_cannot_hold_are_left_out():
    card = read_card(b"---\ntags: [ok, '', " + b"x" * 300 + b", {a: 1}, true, 5]\n---\n")
    assert card.tags == ["5", "ok"]


@given(st.binary(max_size=300))
def test_no_bytes_break_a_card(noise: bytes):
    card = read_card(b"---\n" + noise + b"\n---\nbody")
    json.dumps(dict(card.metadata), allow_nan=False).encode()


@given(st.text(max_size=200))
def test_no_text_breaks_a_card(text: str):
    card = read_card(f"---\n{text}\n---\nbody".encode("utf-8", "replace"))
    json.dumps(dict(card.metadata), allow_nan=False).encode()
