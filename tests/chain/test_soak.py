"""Minutes of random SIGKILLs under mixed work: everything that was acknowledged is whole in the end."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import tholos
from tholos.sdk.errors import TholosError

if TYPE_CHECKING:
    from conftest import Platform

SECONDS = float(os.environ.get("THOLOS_TEST_SOAK_S", "120"))


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 900)
def test_nothing_acknowledged_is_lost_in_a_storm_of_kills(own_platform: Platform, tmp_path: Path) -> None:
    dice = random.Random(7)
    acknowledged: dict[str, str] = {}
    jobs: list[str] = []
    over = threading.Event()

    def work(number: int) -> None:
        name = f"admin/soak-{number}"
        turn = 0
        while not over.is_set():
            with suppress(TholosError, OSError), tholos.Client(own_platform.url, own_platform.token) as client:
                client.dataset(name).create()
                while not over.is_set():
                    turn += 1
                    path = tmp_path / f"{number}-{turn}.csv"
                    rows = (f"{i % 40},{i * turn % 13},{'ab'[i % 2]}" for i in range(60))
                    path.write_text("x,y,label\n" + "\n".join(rows) + "\n")
                    revision = client.dataset(name).push(path, into="")
                    acknowledged[revision.id] = name
                    if turn % 5 == 0:
                        jobs.append(client.dataset(name).split(seed=turn).id)
                    over.wait(1)  # each push is read by a job of its own, which takes longer

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        time.sleep(dice.uniform(0.5, 4))
        assert own_platform.process is not None
        if dice.random() < 0.25:
            own_platform.kill()
            own_platform.start()
            continue
        with suppress(psutil.NoSuchProcess):
            if children := psutil.Process(own_platform.process.pid).children(recursive=True):
                dice.choice(children).kill()
    over.set()
    for worker in workers:
        worker.join(timeout=120)
    assert len(acknowledged) > 4  # a busy machine takes few
    own_platform.kill()  # whatever the last blow left: what starts is asked only when it says that it is ready
    own_platform.start()
    with tholos.Client(own_platform.url, own_platform.token) as client:
        for name in set(acknowledged.values()):
            history = {revision.id for revision in client.dataset(name).revisions(limit=1000)}
            assert {revision for revision, repo in acknowledged.items() if repo == name} <= history
            for entry in client.dataset(name).files():
                assert hashlib.sha256(client.dataset(name).read(entry.path)).hexdigest() == entry.sha256
        for job_id in jobs:
            record = client.jobs.get(job_id).wait(timeout=600)
            assert record.state in {"succeeded", "failed"}
            if record.state == "failed":
                assert record.error is not None
                assert record.error.code in {"commit_race", "job_lost", "split_needs_head", "job_crashed"}, record.error
