"""Mutated files: whatever they are, each gets a verdict in time, and the process that looks at them outlives all."""

from __future__ import annotations

import io
import os
import random

import pytest
from bad_files import BAD

from tholos.scanning.sandbox import Content, Sandbox, ScanLimits
from tholos.scanning.scanner import lens_of, scan

ROUNDS = int(os.environ.get("THOLOS_TEST_FUZZ_ROUNDS", "1"))
STATUSES = {"safe", "suspicious", "unsafe", "error"}


def mutated(random_: random.Random, data: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(random_.randint(1, 8)):
        at = random_.randrange(len(changed) + 1)
        match random_.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] = random_.randrange(256)
            case 1:
                changed[at : at + random_.randint(1, 64)] = b""
            case 2:
                changed[at:at] = random_.randbytes(random_.randint(1, 32))
            case 3:
                changed[at : at + 8] = random_.choice(
                    [b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7, b"\0" * 7 + b"\x80"]
                )
            case 4:
                other = random_.choice(others)
                start = random_.randrange(len(other))
                changed[at:at] = other[start : start + random_.randint(1, 200)]
            case _:
                changed = changed[: max(1, at)]
    return bytes(changed)


def corpus(seed: int, count: int) -> dict[str, tuple[str, bytes]]:
    random_ = random.Random(seed)
    others = list(BAD.values())
    made = {}
    for number in range(count):
        name, data = random_.choice(list(BAD.items()))
        if random_.random() < 0.2:
            name = random_.choice(list(BAD))  # under another name than its own
        made[f"{number}"] = (name, mutated(random_, data, others))
    return made


def check(seed: int, count: int) -> None:
    made = corpus(seed, count)
    contents = [Content(key, lens_of("dataset", name), len(data)) for key, (name, data) in made.items()]
    sandbox = Sandbox(lambda key: io.BytesIO(made[key][1]), ScanLimits(30.0, 1024), scan)
    reports = dict(sandbox.reports(contents))
    assert len(reports) == count
    for content, report in reports.items():
        assert report.status in STATUSES
        # a check that raises, a fork that dies or hangs: each is a fault of ours, with the seed that shows it
        assert not report.error, (seed, made[content.sha256], report.error)


def test_mutated_files_get_a_verdict():
    check(seed=0, count=300)


@pytest.mark.long
def test_many_mutated_files_get_a_verdict():
    for seed in range(1, 5 * ROUNDS + 1):
        check(seed, 500)
