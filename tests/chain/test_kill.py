"""SIGKILL of every process, in every step: what was acknowledged is there afterwards, and nothing is half there."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import tholos
from tholos.sdk.errors import TholosError

if TYPE_CHECKING:
    from conftest import Platform

CSV = "x,y,label\n" + "\n".join(f"{i % 50},{i * 7 % 13},{'ab'[(i * 7 % 13) > 6]}" for i in range(300)) + "\n"


def eventually(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def processes(platform: Platform, module: str) -> list[psutil.Process]:
    assert platform.process is not None
    found = []
    for child in psutil.Process(platform.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if module in child.cmdline():
                found.append(child)
    return found


@contextmanager
def connected(platform: Platform) -> Iterator[tholos.Client]:
    with tholos.Client(platform.url, platform.token) as client:
        yield client


def push_table(client: tholos.Client, folder: Path) -> str:
    path = folder / "table.csv"
    path.write_text(CSV)
    client.dataset("admin/table").push(path)
    return "admin/table"


def test_kill_everything_while_files_are_pushed(own_platform: Platform, tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    with connected(own_platform) as client:
        client.dataset("admin/pushed").create()

        def push_on() -> None:
            with suppress(TholosError):
                for turn in range(1000):
                    path = tmp_path / f"{turn}.bin"
                    path.write_bytes(os.urandom(2_000_000))
                    revision = client.dataset("admin/pushed").push(path)
                    acknowledged[revision.id] = path.name

        pusher = threading.Thread(target=push_on)
        pusher.start()
        eventually(lambda: len(acknowledged) >= 3, "three pushes")
        own_platform.kill()
        pusher.join(timeout=120)
        assert not pusher.is_alive()
    own_platform.start()
    with connected(own_platform) as client:
        dataset = client.dataset("admin/pushed")
        history = {revision.id for revision in dataset.revisions(limit=1000)}
        assert set(acknowledged) <= history
        for entry in dataset.files():
            content = dataset.read(entry.path)
            assert hashlib.sha256(content).hexdigest() == entry.sha256
        names = {entry.path for entry in dataset.files()}
        assert set(acknowledged.values()) <= names


@pytest.mark.parametrize("victim", ["the job's child", "the agent"])
def test_kill_during_a_training(own_platform: Platform, tmp_path: Path, victim: str) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        job = client.train(data, target="label", algorithm="auto", budget_s=6)
        eventually(lambda: job.refresh().progress.fraction > 0, "the training to begin")
        if victim == "the agent":
            own_platform.kill()
            own_platform.start()
        else:
            for child in processes(own_platform, "tholos.jobs.child"):
                child.send_signal(signal.SIGKILL)
    with connected(own_platform) as client:
        again = client.jobs.get(job.id)
        result = again.result(timeout=180)
        assert again.refresh().attempt >= 2
        revisions = client.model(data).revisions()
        assert [revision.id for revision in revisions if revision.job_id == job.id] == [result["revision"]]


def test_kill_during_and_after_a_deployment(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        client.train(data, target="label", algorithm="decision_tree").result(timeout=180)
        client.model(data).deploy(wait=False)
        own_platform.kill()
    own_platform.start()
    with connected(own_platform) as client:
        client.deployments.wait_ready(data, 120)
        row = {"x": 1, "y": 12}
        expected = client.model(data).predict(row).output

        def answers() -> bool:
            with suppress(TholosError):
                assert client.model(data).predict(row).output == expected
                return True
            return False

        for module in ("tholos.serving.replica_process", "tholos.server"):
            before = {child.pid for child in processes(own_platform, module)}
            assert before, f"no process of {module}"
            for child in processes(own_platform, module):
                child.send_signal(signal.SIGKILL)
            eventually(
                lambda module=module, before=before: bool(
                    {child.pid for child in processes(own_platform, module)} - before
                ),
                f"{module} to come back",
            )
            eventually(answers, f"an answer after {module} was killed")


def test_kill_while_predictions_are_answered(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        client.train(data, target="label", algorithm="decision_tree").result(timeout=180)
        client.model(data).compile().result(timeout=180)
        client.model(data).deploy()
        rows = [{"x": i, "y": i * 7 % 13} for i in range(40)]
        expected = client.model(data).predict(rows).output
        wrong: list[int] = []
        answered = threading.Event()
        stop = threading.Event()

        def ask_on() -> None:
            while not stop.is_set():
                for i, row in enumerate(rows):
                    with suppress(TholosError):
                        if client.model(data).predict(row).output != expected[i]:
                            wrong.append(i)
                        answered.set()

        asker = threading.Thread(target=ask_on)
        asker.start()
        for _ in range(3):
            eventually(answered.is_set, "an answer")
            before = {child.pid for child in processes(own_platform, "tholos.server")}
            for child in processes(own_platform, "tholos.server"):
                child.send_signal(signal.SIGKILL)
            eventually(
                lambda before=before: bool({c.pid for c in processes(own_platform, "tholos.server")} - before),
                "a new gateway",
            )
            answered.clear()
        eventually(answered.is_set, "an answer from the new gateway")
        stop.set()
        asker.join(timeout=60)
        assert not wrong


def test_no_process_outlives_a_killed_agent(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        client.train(data, target="label", algorithm="decision_tree").result(timeout=180)
        client.model(data).deploy(home="process")
    assert own_platform.process is not None
    children = psutil.Process(own_platform.process.pid).children(recursive=True)
    assert children
    own_platform.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_a_stopped_server_leaves_cleanly_and_comes_back(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
    assert own_platform.stop() == 0
    own_platform.start()
    with connected(own_platform) as client:
        assert client.dataset(data).read("table.csv").decode() == CSV
