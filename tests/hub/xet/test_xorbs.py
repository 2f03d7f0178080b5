from __future__ import annotations

import tracemalloc
from contextlib import suppress

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xet_bodies import Xorb, chunk, header, some_xorb

from tholos.hub.xet.errors import InvalidXorb, XorbTooLarge
from tholos.hub.xet.xorbs import MAX_CHUNKS, XorbReader
from tholos.kit.blobs import XorbIndex
from tholos.kit.blobs.chunks import InvalidChunk, decode_run
from tholos.kit.errors import TholosError


def read(body: bytes, name: str, piece: int = 10_000) -> tuple[XorbIndex, bytes]:
    reader = XorbReader()
    kept = b"".join(b"".join(reader.feed(body[start : start + piece])) for start in range(0, len(body), piece))
    return reader.finish(name), kept


@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 20])
def test_a_xorb_is_read_in_pieces_of_any_size(piece: int):
    xorb = some_xorb(chunks=6)
    index, kept = read(xorb.body, xorb.hash, piece)
    assert (kept, index.size, index.chunks) == (xorb.body, len(xorb.body), 6)
    assert decode_run(memoryview(kept), index.raw_bytes) == b"".join(xorb.chunks)


def test_the_footer_of_older_clients_is_left_out():
    xorb = some_xorb()
    index, kept = read(xorb.body + b"XETBLOB\x01" + bytes(5000), xorb.hash)
    assert (kept, index.size) == (xorb.body, len(xorb.body))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 4099])
def test_grouped_bytes_of_any_length(size: int):
    data = bytes(number % 251 for number in range(size))
    assert decode_run(memoryview(chunk(data, 2)), size) == data


ONE = b"x" * 5000
FRAME = lz4.frame.compress(ONE)
LIES = {
    "another version": header(5, 0, 5, version=1) + b"12345",
    "an unknown scheme": header(5, 3, 5) + b"12345",
    "no bytes": header(0, 0, 0),
    "a chunk over the limit": chunk(bytes((128 << 10) + 1), 1),
    "two lengths for what is stored": header(5, 0, 6) + b"12345",
    "no LZ4 frame": header(5, 1, 5) + b"12345",
    "more than was said": header(len(FRAME), 1, 4999) + FRAME,
    "less than was said": header(len(FRAME), 1, 5001) + FRAME,
    "bytes behind the frame": header(len(FRAME) + 3, 1, 5000) + FRAME + b"abc",
    "half a frame": header(len(FRAME) - 8, 1, 5000) + FRAME[:-8],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_chunk_that_lies_is_refused(lie: str):
    with pytest.raises(InvalidXorb):
        read(LIES[lie], "0" * 64)


def test_a_bomb_is_not_unpacked():
    bomb = lz4.frame.compress(bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(InvalidXorb):
        read(header(min(len(bomb), 262_144), 1, 65_536) + bomb, "0" * 64, 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_another_hash_a_cut_body_and_nothing_are_refused():
    xorb = some_xorb()
    for body, name in ((xorb.body, some_xorb(1).hash), (xorb.body[:-1], xorb.hash), (b"", "0" * 64)):
        with pytest.raises(InvalidXorb):
            read(body, name)


def test_too_many_chunks_are_refused():
    with pytest.raises(XorbTooLarge):
        read(chunk(b"1") * (MAX_CHUNKS + 1), "0" * 64, 1 << 20)


def test_reordered_chunks_have_another_hash():
    xorb = Xorb([b"one", b"two", b"three"])
    with pytest.raises(InvalidXorb):
        read(Xorb([b"two", b"one", b"three"]).body, xorb.hash)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 20_000))
def test_no_bytes_break_the_reader(noise: bytes, position: int):
    body = some_xorb(chunks=3).body
    position %= len(body)
    with suppress(TholosError):
        read(body[:position] + noise + body[position + len(noise) :], some_xorb(chunks=3).hash)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_unpacking(noise: bytes):
    with suppress(InvalidChunk):
        assert len(decode_run(memoryview(noise), 10)) == 10
