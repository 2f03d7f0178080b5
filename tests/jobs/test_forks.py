"""The fork server: children as good as fresh processes, and what becomes of them when it dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import work_samples as samples
from jobs_harness import Queue, alive, until

from tholos.jobs.execution import EXIT_REFUSED
from tholos.jobs.forks import ForkServer
from tholos.jobs.models import JobState
from tholos.jobs.order import Order
from tholos.kit.settings import Settings

RunnerProcess = Callable[..., subprocess.Popen[bytes]]
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def forks(settings: Settings) -> Iterator[ForkServer]:
    server = ForkServer({**os.environ, **settings.environment()}, ["work_samples", "not_installed"])
    server.start()
    server.wait()
    yield server
    server.close()


def ended(forks: ForkServer, folder: Path, log: Path) -> int:
    """The exit code of a child whose job there is not."""
    order = Order("job_none", 1, "work_samples:hang", 30.0, str(folder))
    ours, theirs = socket.socketpair()
    with ours, theirs, log.open("ab") as file:
        child = forks.fork(order, theirs.fileno(), file.fileno())
    return forks.reap(child)[0]


def test_a_child_has_its_log_and_its_own_end(forks: ForkServer, tmp_path: Path):
    for _ in range(3):
        assert ended(forks, tmp_path, tmp_path / "log") == EXIT_REFUSED
    assert (tmp_path / "log").read_text().count("--- stopped: ") == 3


def test_a_child_without_its_folder_ends_and_says_why(forks: ForkServer, tmp_path: Path):
    assert ended(forks, tmp_path / "gone", tmp_path / "log") == 1
    assert "FileNotFoundError" in (tmp_path / "log").read_text()


def test_it_is_started_again_after_its_death(forks: ForkServer, tmp_path: Path):
    server = next(child for child in psutil.Process().children() if "tholos.jobs.child" in child.cmdline())
    server.send_signal(signal.SIGKILL)
    server.wait()
    with pytest.raises(OSError, match="Broken pipe"):
        ended(forks, tmp_path, tmp_path / "log")
    forks.start()
    forks.wait()
    assert forks.reap(os.getppid()) == (-signal.SIGKILL, 0.0)  # no child of this one
    assert ended(forks, tmp_path, tmp_path / "log") == EXIT_REFUSED


async def test_jobs_that_die_with_it_run_again(queue: Queue, runner_process: RunnerProcess, tmp_path: Path):
    pid_file, go_on = tmp_path / "pid", tmp_path / "go_on"
    job_id = queue.enqueue(samples.HANG, pid_file=str(pid_file), go_on=str(go_on))
    runner_process("node")
    child = psutil.Process(await queue.until_working(job_id, pid_file))
    child.parent().send_signal(signal.SIGKILL)
    await until(lambda: not alive(child.pid))
    go_on.touch()
    job = await queue.until_ended(job_id)
    assert (job.state, job.attempt, queue.effects(job_id)) == (JobState.SUCCEEDED, 2, 1)


async def test_libraries_are_loaded_once_for_all_who_come_later(queue: Queue, start_runner: Callable[..., object]):
    loaded = []
    for kind in (samples.LOADED, samples.LOADED_BEFORE, samples.LOADED):
        job_id = queue.enqueue(kind, module="mailbox")
        if not loaded:
            start_runner()
        loaded.append((await queue.until_ended(job_id)).result)
    assert loaded == [{"loaded": False}, {"loaded": True}, {"loaded": True}]
