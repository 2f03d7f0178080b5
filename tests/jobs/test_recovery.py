"""What survives when runners and their children are killed or stall: nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import work_samples as samples
from jobs_harness import Queue, RunningRunner, alive, until
from sqlalchemy import make_url
from structlog.testing import CapturingLogger

from tholos.jobs import runner
from tholos.jobs.models import Job, JobState

StartRunner = Callable[..., RunningRunner]
RunnerProcess = Callable[..., "subprocess.Popen[bytes]"]


async def test_the_jobs_of_a_killed_runner_are_taken_up_by_the_next_of_its_name(
    queue: Queue, runner_process: RunnerProcess, start_runner: StartRunner, tmp_path: Path
):
    pid_file, go_on, grandchild = tmp_path / "pid", tmp_path / "go_on", tmp_path / "grandchild"
    job_id = queue.enqueue(
        samples.SPAWN, hang=True, pid_file=str(pid_file), go_on=str(go_on), grandchild_file=str(grandchild)
    )
    killed = runner_process(job_lease_s=600.0)
    pid = await queue.until_working(job_id, pid_file)
    first_grandchild = int(grandchild.read_text())
    killed.kill()
    killed.wait()
    await until(lambda: not alive(pid))  # the child dies with its owner; what it started does not
    assert alive(first_grandchild)
    assert queue.get(job_id).state is JobState.RUNNING

    go_on.touch()
    start_runner()
    job = await queue.until_ended(job_id)
    assert (job.state, job.attempt, queue.effects(job_id)) == (JobState.SUCCEEDED, 2, 1)
    assert not alive(first_grandchild)


async def test_another_runner_takes_over_when_the_lease_runs_out(
    queue: Queue, runner_process: RunnerProcess, start_runner: StartRunner, tmp_path: Path
):
    pid_file, go_on = tmp_path / "pid", tmp_path / "go_on"
    job_id = queue.enqueue(samples.HANG, pid_file=str(pid_file), go_on=str(go_on))
    killed = runner_process("first", job_lease_s=3.0)
    await queue.until_working(job_id, pid_file)
    killed.kill()
    go_on.touch()
    start_runner("second", job_lease_s=3.0)  # it looks for the lost three times in a lease
    job = await queue.until_ended(job_id)
    assert (job.state, job.attempt > 1, queue.effects(job_id)) == (JobState.SUCCEEDED, True, 1)


async def test_a_child_of_a_stalled_runner_is_fenced(
    queue: Queue, runner_process: RunnerProcess, start_runner: StartRunner, tmp_path: Path
):
    pid_file, go_on = tmp_path / "pid", tmp_path / "go_on"
    job_id = queue.enqueue(samples.HANG, pid_file=str(pid_file), go_on=str(go_on))
    stalled = runner_process("stalled")
    zombie = await queue.until_working(job_id, pid_file)
    leased = queue.get(job_id).lease_until
    await queue.until(job_id, lambda job: job.lease_until != leased)  # just renewed: it holds no lock for now
    os.kill(zombie, signal.SIGSTOP)
    os.kill(stalled.pid, signal.SIGSTOP)  # it renews nothing, and its child does not know
    queue.let_lease_run_out(job_id)

    start_runner("second")
    await queue.until(job_id, lambda job: job.runner == "second")
    go_on.touch()
    job = await queue.until_ended(job_id)
    assert (job.state, job.result, queue.effects(job_id)) == (JobState.SUCCEEDED, {"attempt": 2}, 1)

    os.kill(zombie, signal.SIGCONT)  # now it completes its work, and is refused
    os.kill(stalled.pid, signal.SIGCONT)
    await until(lambda: not alive(zombie))
    assert "no longer the current one; nothing of it was kept." in queue.log(job_id)
    job = queue.get(job_id)
    assert (job.state, job.result, queue.effects(job_id)) == (JobState.SUCCEEDED, {"attempt": 2}, 1)
    assert queue.announced_ends() == [(job_id, "succeeded")]
    assert stalled.poll() is None  # its runner takes it calmly


async def test_two_runners_never_run_a_job_twice(queue: Queue, runner_process: RunnerProcess):
    job_ids = [queue.enqueue(samples.EFFECT) for _ in range(4)]
    runner_process("one")
    runner_process("two")
    for job_id in job_ids:
        job = await queue.until_ended(job_id)
        assert (job.state, job.fence, queue.effects(job_id)) == (JobState.SUCCEEDED, 1, 1)


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_job_lives_through_a_database_that_goes_away(
    queue: Queue, start_runner: StartRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    logged = CapturingLogger()
    monkeypatch.setattr(runner, "log", logged)
    pid_file, go_on = tmp_path / "pid", tmp_path / "go_on"
    job_id = queue.enqueue(samples.HANG, pid_file=str(pid_file), go_on=str(go_on))
    start_runner(job_lease_s=60.0)
    await queue.until_working(job_id, pid_file)
    url = make_url(queue.settings.database_url)
    with psycopg.connect(host=str(url.query["host"]), user="postgres", autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database])
        await until(lambda: any("cannot reach the database" in call.args[0] for call in logged.calls))
        admin.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true".encode())
    go_on.touch()
    job = await queue.until_ended(job_id)
    assert (job.state, job.attempt, queue.effects(job_id)) == (JobState.SUCCEEDED, 1, 1)


@pytest.mark.long
async def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(queue: Queue, runner_process: RunnerProcess):
    job_ids = [queue.enqueue(samples.EFFECT, seconds=0.3) for _ in range(12)]
    with queue.database.write() as write:  # many deaths are to be survived here
        for job_id in job_ids:
            job = write.get(Job, job_id)
            assert job is not None
            job.max_attempts = 100
    for round_number in range(4):
        runner = runner_process(f"node {round_number % 2}", job_lease_s=1.0)
        ended = queue.ended()
        await until(lambda ended=ended: queue.ended() > ended)
        runner.kill()
        runner.wait()
    runner_process("node 0", job_lease_s=1.0)
    for job_id in job_ids:
        job = await queue.until_ended(job_id)
        assert (job.state, queue.effects(job_id)) == (JobState.SUCCEEDED, 1)
