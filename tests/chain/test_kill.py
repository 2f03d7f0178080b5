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


def kill(platform: Platform, victim: str) -> None:
    """SIGKILL; the agent heals what it owns, and is itself started again."""
    if victim == "agent":
        platform.kill()
        platform.start()
        return
    module = {"gateway": "tholos.server", "child": "tholos.jobs.child", "replica": "tholos.serving.replica_process"}
    before = processes(platform, module[victim])
    assert before, f"no process of {module[victim]}"
    for process in before:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(before, timeout=20)
    if victim == "gateway":
        with connected(platform) as client:
            eventually(lambda: reachable(client), "a new gateway")


def reachable(client: tholos.Client) -> bool:
    with suppress(TholosError):
        return bool(client.whoami())
    return False


def test_kill_while_files_are_uploaded_and_committed(own_platform: Platform, tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    for victim in ("gateway", "gateway", "agent"):
        over = threading.Event()
        soon = len(acknowledged) + 3

        def push_on(over: threading.Event = over) -> None:
            with connected(own_platform) as client:
                while not over.is_set():
                    path = tmp_path / f"{time.monotonic_ns()}.bin"
                    path.write_bytes(os.urandom(2_000_000))
                    with suppress(TholosError, OSError):  # killed in mid-push: not acknowledged
                        revision = client.dataset("admin/pushed").push(path)
                        acknowledged[revision.id] = path.name

        pusher = threading.Thread(target=push_on)
        pusher.start()
        eventually(lambda soon=soon: len(acknowledged) >= soon, "three pushes")
        kill(own_platform, victim)
        over.set()
        pusher.join(timeout=120)
        assert not pusher.is_alive()
    with connected(own_platform) as client:
        dataset = client.dataset("admin/pushed")
        history = {revision.id for revision in dataset.revisions(limit=1000)}
        assert set(acknowledged) <= history
        for entry in dataset.files():
            content = dataset.read(entry.path)
            assert hashlib.sha256(content).hexdigest() == entry.sha256
        names = {entry.path for entry in dataset.files()}
        assert set(acknowledged.values()) <= names


@pytest.mark.parametrize(
    "victim",
    [
        "child",
        pytest.param("gateway", marks=pytest.mark.long),
        pytest.param("agent", marks=pytest.mark.long),  # `make test` kills one in test_postgres.py
    ],
)
def test_kill_during_a_training(own_platform: Platform, tmp_path: Path, victim: str) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        job = client.train(data, "admin/trained", target="label", algorithm="auto", budget_s=6)
        eventually(lambda: job.refresh().progress.fraction > 0, "the training to begin")
        kill(own_platform, victim)
    with connected(own_platform) as client:
        again = client.jobs.get(job.id)
        result = again.result(timeout=180)
        assert (again.refresh().attempt >= 2) == (victim != "gateway")
        revisions = client.model("admin/trained").revisions()
        assert [revision.id for revision in revisions if revision.job_id == job.id] == [result["revision"]]


@pytest.mark.long
def test_kill_during_a_deployment(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        client.train(data, target="label", algorithm="decision_tree").result(timeout=180)
        client.model(data).deploy(home="process")
        expected = client.model(data).predict({"x": 1, "y": 12}).output
    for victim in ("replica", "gateway", "agent"):
        with connected(own_platform) as client:
            name = f"admin/{victim}"
            before = {process.pid for process in processes(own_platform, "tholos.serving.replica_process")}
            client.model(data).deploy(name, home="process", wait=False)
            eventually(
                lambda before=before: bool(
                    {process.pid for process in processes(own_platform, "tholos.serving.replica_process")} - before
                ),
                "a replica that loads",
            )
            kill(own_platform, victim)
        with connected(own_platform) as client:
            client.deployments.wait_ready(name, 120)
            assert client.deployments.predict(name, {"x": 1, "y": 12}).output == expected


@pytest.mark.long
def test_kill_while_predictions_are_answered(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
        client.train(data, target="label", algorithm="decision_tree").result(timeout=180)
        client.model(data).compile().result(timeout=180)
        client.model(data).deploy()
        client.model(data).deploy("admin/apart", home="process")
        rows = [{"x": i, "y": i * 7 % 13} for i in range(40)]
        expected = client.model(data).predict(rows).output
    for victim in ("gateway", "replica", "agent"):
        wrong: list[int] = []
        answered = threading.Event()
        over = threading.Event()

        def ask_on(
            over: threading.Event = over, wrong: list[int] = wrong, answered: threading.Event = answered
        ) -> None:
            while not over.is_set():  # a platform that was started anew listens at another address
                with suppress(TholosError, OSError), connected(own_platform) as client:
                    for i, row in enumerate(rows):
                        served = (data, "admin/apart")[i % 2]
                        if client.deployments.predict(served, row).output != expected[i]:
                            wrong.append(i)
                        answered.set()

        asker = threading.Thread(target=ask_on)
        asker.start()
        eventually(answered.is_set, "an answer")
        kill(own_platform, victim)
        for name in (data, "admin/apart"):
            with connected(own_platform) as client:
                eventually(lambda client=client, name=name: answers(client, name), f"{name} after the {victim}'s end")
        over.set()
        asker.join(timeout=60)
        assert not asker.is_alive()
        assert not wrong


def answers(client: tholos.Client, name: str) -> bool:
    with suppress(TholosError, OSError):
        client.deployments.predict(name, {"x": 1, "y": 12})
        return True
    return False


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


@pytest.mark.long
def test_a_stopped_server_leaves_cleanly_and_comes_back(own_platform: Platform, tmp_path: Path) -> None:
    with connected(own_platform) as client:
        data = push_table(client, tmp_path)
    assert own_platform.stop() == 0
    own_platform.start()
    with connected(own_platform) as client:
        assert client.dataset(data).read("table.csv").decode() == CSV
