"""Fixtures of the job tests: the queue, a runner on the test's event loop, and one in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tholos.accounts.authorization import Actor
from tholos.jobs.runner import JobRunner
from tholos.kit.database import Database
from tholos.kit.settings import Settings

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the tests import the samples under the name by which the children do

import work_samples  # noqa: E402
from jobs_harness import Queue, RunningRunner  # noqa: E402

StartRunner = Callable[..., RunningRunner]
RunnerProcess = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def _importable_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short delays, so that recovery need not be waited for."""
    return settings.model_copy(update={"job_retry_delay_s": 0.05, "job_kill_grace_s": 0.5})


@pytest.fixture
def queue(settings: Settings, database: Database, ada: Actor) -> Queue:
    return Queue(settings, database, ada)


@pytest.fixture
async def start_runner(settings: Settings, database: Database) -> AsyncIterator[StartRunner]:
    """Starts a runner of all the samples; it is stopped at the end of the test."""
    async with contextlib.AsyncExitStack() as stack:

        def start(owner: str = "node", slots: int = 3, **changes: Any) -> RunningRunner:
            chosen = settings.model_copy(update=changes)
            running = RunningRunner(JobRunner(chosen, database, work_samples.KINDS, owner=owner, slots=slots))
            stack.push_async_callback(running.stop)
            return running

        yield start


@pytest.fixture
def runner_process(settings: Settings) -> Iterator[RunnerProcess]:
    """Starts a runner of all the samples in a process of its own, to be killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(owner: str = "node", **changes: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **settings.model_copy(update=changes).environment()}
        process = subprocess.Popen([sys.executable, str(HERE / "runner_process.py"), owner], env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
