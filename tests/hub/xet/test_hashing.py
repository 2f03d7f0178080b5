from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from tholos.hub.xet.errors import InvalidXetHash
from tholos.hub.xet.hashing import file_hash, from_hex, root_hash, to_hex

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())  # from xet-core's own tests


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(len(vector["chunks"])))
def test_the_trees_of_hashes_are_those_of_the_client(vector: dict):
    nodes = [(from_hex(text), length) for text, length in vector["chunks"]]
    assert to_hex(root_hash(nodes)) == vector["root"]
    assert to_hex(file_hash(nodes)) == vector["file"]


def test_text_turns_each_group_of_eight_bytes_round():
    raw = bytes.fromhex("16af3a84044b83d6be998a42e20399f2cc5650eaf9995063 9f50418aece7954e".replace(" ", ""))
    text = "d6834b04843aaf16f29903e2428a99be635099f9ea5056cc4e95e7ec8a41509f"
    assert (to_hex(raw), from_hex(text)) == (text, raw)


@pytest.mark.parametrize("text", ["", "0" * 63, "A" * 64, "../" + "0" * 61, "0" * 65])
def test_what_is_no_hash_is_refused(text: str):
    with pytest.raises(InvalidXetHash):
        from_hex(text)


def test_a_tree_over_many_chunks_takes_little_memory():
    tracemalloc.start()
    file_hash((number.to_bytes(32, "big"), 1) for number in range(20_000))
    assert tracemalloc.get_traced_memory()[1] < 100_000  # in a list they take 3 MB
    tracemalloc.stop()
