from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xet_bodies import File, Part, shard, some_xorb

from tholos.hub.xet.errors import InvalidShard
from tholos.hub.xet.shards import parse_shard

XORB = some_xorb()
FILE = File([Part(XORB, 0, 5), Part(XORB, 2, 4)])
WHOLE = shard(FILE, xorbs=[XORB])


def test_a_shard_is_read():
    read = parse_shard(WHOLE)
    assert (read.files[0].xet_hash, read.files[0].sha256, read.xorbs) == (FILE.hash, FILE.oid, (XORB.hash,))
    assert [(term.xorb, term.start, term.end) for term in read.files[0].terms] == [(XORB.hash, 0, 5), (XORB.hash, 2, 4)]
    assert parse_shard(shard(FILE, footer=200) + bytes(200)) == parse_shard(shard(FILE))


def test_a_shard_cut_anywhere_is_refused():
    for end in range(0, len(WHOLE), 16):
        with pytest.raises(InvalidShard):
            parse_shard(WHOLE[:end])


LIES = {
    "another tag": b"x" + WHOLE[1:],
    "another version": WHOLE[:32] + b"\x03" + WHOLE[33:],
    "a footer of unknown size": shard(FILE, footer=201),
    "more behind the end": WHOLE + b"x",
    "more terms than there are": shard(File(FILE.parts, count=2**32 - 1)),
    "fewer terms than there are": shard(File(FILE.parts, count=1)),
    "no proofs": shard(File(FILE.parts, flags=1 << 30)),
    "no SHA-256": shard(File(FILE.parts, flags=1 << 31)),
    "an unknown flag": shard(File(FILE.parts, flags=7 << 29)),
    "sections the other way round": WHOLE[:48] + shard(xorbs=[XORB])[96:] + FILE.encode() + WHOLE[-48:],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_shard_that_lies_about_itself_is_refused(lie: str):
    with pytest.raises(InvalidShard):
        parse_shard(LIES[lie])


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, len(WHOLE)))
def test_no_bytes_break_the_parser(noise: bytes, position: int):
    with suppress(InvalidShard):
        parse_shard(WHOLE[:position] + noise + WHOLE[position + len(noise) :])
