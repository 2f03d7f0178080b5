from __future__ import annotations

import time

import pytest

from tholos.hub.ignores import MAX_RULES, IgnoreRules


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("*.log", ["a.log", "deep/er/b.log"], ["a.txt", "log"]),
        ("build/", ["build/x", "a/build/y/z"], ["build", "rebuild/x"]),
        ("/top", ["top", "top/x"], ["a/top"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["x/a/b"]),
        ("*.log\n!keep.log", ["a.log"], ["keep.log"]),
        ("data/\n!data/keep.txt", ["data/keep.txt"], []),
        ("# comment\n\n   \n", [], ["# comment", "x"]),
        ("\\#odd", ["#odd"], []),
        ("x[0-9].txt", ["x1.txt"], ["xa.txt"]),
    ],
)
def test_paths_are_left_out_as_git_does(rules: str, ignored: list[str], kept: list[str]) -> None:
    parsed = IgnoreRules.parse(rules)
    assert [path for path in (*ignored, *kept) if parsed.ignore(path)] == ignored


def test_hostile_rules_end_soon() -> None:
    rules = IgnoreRules.parse("\n".join(["*a" * 100 + "b"] * 10_000))
    assert len(rules.rules) == MAX_RULES
    began = time.monotonic()
    assert not rules.ignore("/".join(["a" * 250] * 4))
    assert time.monotonic() - began < 5
