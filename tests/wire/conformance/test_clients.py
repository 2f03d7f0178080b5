"""The conformance matrix: every pinned client, unmodified, against a server in processes of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

OLDEST, NEWEST = "0.34.6", "2.4.0"
BETWEEN = ("0.36.2", "1.5.0", "1.19.0", "1.20.1", "1.33.0")
# What a version does with Xet switched on differs only where it decides to use it.
MATRIX = [
    pytest.param(OLDEST, False, id=f"{OLDEST}-http"),
    pytest.param(NEWEST, False, id=f"{NEWEST}-http"),
    pytest.param(NEWEST, True, id=f"{NEWEST}-xet"),
    *(
        pytest.param(version, xet, id=f"{version}-{'xet' if xet else 'http'}", marks=pytest.mark.long)
        for version in BETWEEN
        for xet in (False, True)
    ),
    pytest.param(OLDEST, True, id=f"{OLDEST}-xet", marks=pytest.mark.long),
]
SEGMENTED = [
    pytest.param(NEWEST, True, id=f"{NEWEST}-xet"),
    *(
        pytest.param(version, xet, id=f"{version}-{'xet' if xet else 'http'}", marks=pytest.mark.long)
        for version in (OLDEST, *BETWEEN, NEWEST)
        for xet in (False, True)
        if (version, xet) != (NEWEST, True)
    ),
]
CHECKS = 19


@pytest.mark.parametrize(("version", "xet"), MATRIX)
def test_a_client_does_all_it_is_asked_to(
    version: str, xet: bool, run_suite: Callable[..., list[dict[str, Any]]]
) -> None:
    results = run_suite(version, xet=xet)
    assert {result["version"] for result in results} == {version}
    all_well(results, CHECKS)


@pytest.mark.parametrize(("version", "xet"), SEGMENTED)
def test_a_file_comes_in_several_segments(
    version: str, xet: bool, run_suite: Callable[..., list[dict[str, Any]]]
) -> None:
    all_well(run_suite(version, "segmented_file", xet=xet), 1)


@pytest.mark.skipif("THOLOS_TEST_NEWEST_CLIENT" not in os.environ, reason="only `make newest-client` asks for it")
@pytest.mark.parametrize("xet", [False, True], ids=["http", "xet"])
def test_the_newest_release_of_today(xet: bool, run_suite: Callable[..., list[dict[str, Any]]]) -> None:
    results = run_suite("newest", xet=xet)
    print("huggingface_hub", results[0]["version"])  # noqa: T201 - the reader wants to know which that was
    all_well(results, CHECKS)
    all_well(run_suite("newest", "segmented_file", xet=xet), 1)


@pytest.mark.long
def test_transformers_and_datasets(run_libraries: Callable[[], list[dict[str, Any]]]) -> None:
    all_well(run_libraries(), 4)


def all_well(results: list[dict[str, Any]], expected: int) -> None:
    failed = [f"{result['check']}\n{result['error']}" for result in results if not result["ok"]]
    assert not failed, "\n\n".join(failed)
    assert len(results) == expected, "the suite did not run to its end"
