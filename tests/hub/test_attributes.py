from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tholos.hub.attributes import Attributes, default_attributes, is_binary
from tholos.hub.errors import InvalidAttributes

PATTERNS = [
    "*.bin",
    "*",
    "a*",
    "?.x",
    "[ab].bin",
    "*tfevents*",
    "/top.bin",
    "d/*",
    "d/**",
    "d/**/*",
    "**/e.bin",
    "d/**/e.bin",
    "*.b*n",
    "d/e/",
    "e.bin",
]
PATHS = [
    "e.bin",
    "a.bin",
    "top.bin",
    "d/top.bin",
    "d/e.bin",
    "d/f/e.bin",
    "d/f/g/e.bin",
    "c.x",
    "x",
    "d",
    "run.tfevents.1",
    "d/e/f",
    "q/d/e.bin",
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attributes")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(PATTERNS), st.sampled_from(["filter=lfs", "-filter", "!filter", "-text"])), max_size=5
    )
)
def test_rules_match_as_in_git(checkout: Path, rules: list[tuple[str, str]]):
    text = "".join(f"{pattern} {setting}\n" for pattern, setting in rules)
    (checkout / ".gitattributes").write_text(text)
    answer = subprocess.run(
        ["git", "check-attr", "-z", "--stdin", "filter"],
        cwd=checkout,
        input="\0".join(PATHS) + "\0",
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), "GIT_CONFIG_NOSYSTEM": "1"},
    ).stdout.split("\0")
    theirs = {path: value == "lfs" for path, _, value in zip(*[iter(answer)] * 3, strict=False)}
    parsed = Attributes.parse(text.encode())
    assert {path: parsed.wants_lfs(path) for path in PATHS} == theirs


def test_the_default_rules_cover_the_usual_formats():
    model = Attributes.parse(default_attributes(media=False))
    data = Attributes.parse(default_attributes(media=True))
    assert all(
        model.wants_lfs(name) for name in ("model.safetensors", "a/b.onnx", "data.parquet", "m.skops", "x.tar.gz")
    )
    assert not any(model.wants_lfs(name) for name in ("README.md", "config.json", "cat.png", "train.csv"))
    assert data.wants_lfs("cats/1.png")
    assert data.wants_lfs("speech.wav")


def test_comments_macros_and_negations_are_not_rules():
    text = b"# *.a filter=lfs\n[attr]big filter=lfs\n!*.b filter=lfs\n\n   \n*.c text\n"
    assert Attributes.parse(text).rules == ()


def test_a_pattern_of_many_stars_ends_in_time():
    rules = Attributes.parse(b"*a*a*a*a*a*a*a*a*a*a*a*b filter=lfs\n" + b"/".join([b"**"] * 60) + b"/z filter=lfs\n")
    assert not rules.wants_lfs("/".join(["a" * 200] * 5))


@pytest.mark.parametrize("data", [b"\0", b"\xff", b"a" * 2048, b"# c\n" * 30_000])
def test_what_git_could_not_read_is_refused(data: bytes):
    with pytest.raises(InvalidAttributes) as caught:
        Attributes.parse(data)
    assert caught.value.next


@pytest.mark.parametrize(
    ("sample", "complete", "expected"),
    [
        (b"", True, False),
        (b"plain", True, False),
        ("é".encode(), True, False),
        ("é".encode()[:1], True, True),
        (b"a" + "é".encode()[:1], False, False),
        (b"a" + "😀".encode()[:3], False, False),
        (b"\xff" + b"a" * 10, False, True),
        (b"a\0b", False, True),
    ],
)
def test_binary_is_nul_or_broken_utf8(sample: bytes, complete: bool, expected: bool):
    assert is_binary(sample, complete=complete) is expected
