from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tholos.hub.errors import InvalidPath
from tholos.hub.paths import check_path, clean_path, collision_key

BAD = [
    "",
    "/etc/passwd",
    "../up",
    "a/../b",
    "a/..",
    "./a",
    "a/./b",
    "a//b",
    "a/",
    "/",
    "a\\b",
    "..\\x",
    "a\0b",
    "a\nb",
    "tab\there",
    "bell\x07",
    "del\x7f",
    "c1\x85",
    "\ud800",
    "line\u2028sep",
    "invoice\u202egpj.exe",
    "left\u200emark",
    "isolate\u2066x\u2069",
    "zero\u200bwidth",
    "bom\ufeff",
    ".git",
    ".git/config",
    "a/.git/hooks/post-checkout",
    ".GIT/config",
    ".gi\u200ct/config",
    ".git./config",
    ".git /config",
    ".git::$INDEX_ALLOCATION/config",
    "git~1/config",
    ".gitmodules",
    ".GitModules",
    "gitmod~1",
    ".gitattributes/x",
    ".GITATTRIBUTES",
    "gitatt~1",
    ".cache/huggingface/x",
    "a/.cache/x",
    "x" * 256,
    "é" * 128,
    "a/" * 64 + "b",
    "/".join(["x" * 200] * 6),
    "x" * 5000,
]
GOOD = [
    "a",
    "README.md",
    ".gitattributes",
    "sub/.gitattributes",
    ".gitignore",
    ".github/workflows/ci.yml",
    "data/train.csv",
    "a b/c d.txt",
    "数据/训练.csv",
    "می\u200cخواهم.txt",
    "👩\u200d🔬.png",
    "...",
    "a..b",
    "..a",
    "-rf",
    "x" * 255,
    "a/" * 63 + "b",
    ".cache",
    "con",
    "name with 'quotes' & %20.txt",
]


@pytest.mark.parametrize("path", BAD, ids=lambda path: ascii(path)[:40])
def test_dangerous_paths_are_refused(path: str):
    with pytest.raises(InvalidPath) as caught:
        clean_path(path)
    assert len(caught.value.message) < 300
    assert caught.value.next
    caught.value.message.encode()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: ascii(path)[:40])
def test_ordinary_paths_pass_unchanged(path: str):
    assert clean_path(path) == path


def test_decomposed_names_are_composed():
    decomposed = unicodedata.normalize("NFD", "café/é.txt")
    assert clean_path(decomposed) == "café/é.txt"
    with pytest.raises(InvalidPath):
        check_path(decomposed)


@given(st.text(max_size=60))
def test_a_clean_path_stays_inside_and_is_stable(path: str):
    try:
        cleaned = clean_path(path)
    except InvalidPath:
        return
    assert clean_path(cleaned) == cleaned
    assert not cleaned.startswith("/")
    assert ".." not in cleaned.split("/")
    assert "\\" not in cleaned
    assert unicodedata.is_normalized("NFC", cleaned)


@pytest.mark.parametrize(("one", "other"), [("README.md", "readme.MD"), ("Straße", "STRASSE"), ("É", "é")])
def test_names_that_differ_in_case_collide(one: str, other: str):
    assert collision_key(one) == collision_key(other)
