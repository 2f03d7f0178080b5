"""The life of a job, from the queue through a real child process to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import work_samples as samples
from jobs_harness import Queue, RunningRunner, alive, until

from tholos.jobs import repository
from tholos.jobs.models import JobState

StartRunner = Callable[..., RunningRunner]
sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"])


async def test_a_job_runs_as_its_owner_and_keeps_its_result(queue: Queue, start_runner: StartRunner):
    first = queue.enqueue(samples.DOUBLE, value=21)
    start_runner()
    job = await queue.until_ended(first)
    assert (job.state, job.error, job.fraction) == (JobState.SUCCEEDED, None, 1.0)
    assert job.result == {"value": 42, "actor": "ada", "attempt": 1}
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at < job.finished_at
    assert job.cpu_seconds > 0
    assert job.peak_memory_bytes > 10 << 20
    assert (job.runner, job.lease_until, job.process) == (None, None, None)
    assert queue.announced_ends() == [(first, "succeeded")]

    second = queue.enqueue(samples.DOUBLE, value=1)  # an idle runner hears of it
    assert (await queue.until_ended(second)).result == {"value": 2, "actor": "ada", "attempt": 1}
    await until(lambda: not queue.scratch(second))


async def test_progress_series_and_log_are_there_while_it_runs(queue: Queue, start_runner: StartRunner, tmp_path: Path):
    go_on = tmp_path / "go_on"
    job_id = queue.enqueue(samples.REPORT, go_on=str(go_on))
    start_runner()

    running = await queue.until(job_id, lambda job: job.step == "step 4")
    assert (running.state, running.fraction) == (JobState.RUNNING, 0.5)
    with queue.database.read() as read:
        assert len(repository.metrics(read, job_id)) == 7
    assert "printed ✓\n" in queue.log(job_id)

    go_on.touch()
    ended = await queue.until_ended(job_id)
    assert (ended.fraction, ended.step) == (1.0, "nearly there")
    with queue.database.read() as read:
        points = [(point.name, point.step, point.value) for point in repository.metrics(read, job_id)]
    losses = [("loss", step, 1 / (step + 1)) for step in range(5)]
    assert points == [("accuracy", 0, 0.75), *losses, ("loss", 5, None)]
    log = queue.log(job_id)
    assert log.startswith("--- sample.report · attempt 1 of 3 · ")
    assert "INFO sample logged\n" in log


@sqlite_only
async def test_every_point_of_a_flood_is_kept_in_order(queue: Queue, start_runner: StartRunner):
    job_id = queue.enqueue(samples.FLOOD)
    start_runner()
    assert (await queue.until_ended(job_id)).state is JobState.SUCCEEDED
    with queue.database.read() as read:  # at once: the end of a job waits for what it reported
        points = [(point.step, point.value) for point in repository.metrics(read, job_id)]
    assert points == [(step, float(step)) for step in range(5000)]


@sqlite_only
async def test_a_failure_is_told_as_a_typed_error_and_not_retried(queue: Queue, start_runner: StartRunner):
    refused, crashed, missing = (
        queue.enqueue(kind, zero=0) for kind in (samples.REFUSE, samples.CRASH, samples.MISSING)
    )
    no_json, no_publish = queue.enqueue(samples.NO_JSON), queue.enqueue(samples.NO_PUBLISH)
    start_runner()

    job = await queue.until_ended(refused)
    assert job.error == {
        "code": "too_few_rows",
        "message": "There are 3 rows; training needs 10.",
        "next": "Add rows.",
    }
    see_the_log = f"See the log: tholos logs {crashed}"
    job = await queue.until_ended(crashed)
    assert job.error == {
        "code": "job_crashed",
        "message": "ZeroDivisionError: integer division or modulo by zero",
        "next": see_the_log,
    }
    assert 'return _result({"value": 1 // int(ctx.payload["zero"])})' in queue.log(crashed)
    assert "not_there" in ((await queue.until_ended(missing)).error or {})["message"]
    assert ((await queue.until_ended(no_json)).error or {})["code"] == "job_payload_invalid"
    assert "must return a function that publishes" in ((await queue.until_ended(no_publish)).error or {})["message"]
    for job_id in (refused, crashed, missing, no_json, no_publish):
        job = queue.get(job_id)
        assert (job.state, job.attempt, job.result) == (JobState.FAILED, 1, None)
    assert {state for _, state in queue.announced_ends()} == {"failed"}


@sqlite_only
async def test_work_that_dies_is_tried_again_up_to_its_limit(queue: Queue, start_runner: StartRunner):
    killed = queue.enqueue(samples.DIE, deaths=1, signal="SIGKILL")
    doomed = queue.enqueue(samples.DOOMED, deaths=99, signal="SIGTERM")
    segfault = queue.enqueue(samples.SEGFAULT)
    left = queue.enqueue(samples.LEAVE)
    busy = queue.enqueue(samples.UNAVAILABLE_ONCE)
    start_runner()

    job = await queue.until_ended(killed)
    assert (job.state, job.result, job.error) == (JobState.SUCCEEDED, {"attempt": 2}, None)
    assert "attempt 1 of 3" in queue.log(killed)
    assert "attempt 2 of 3" in queue.log(killed)
    assert (await queue.until_ended(busy)).result == {"attempt": 2}
    for job_id, attempts, told in ((doomed, 2, "left no result"), (segfault, 1, "SIGSEGV"), (left, 1, "exit code 0")):
        job = await queue.until_ended(job_id)
        assert (job.state, job.attempt) == (JobState.FAILED, attempts)
        assert job.error is not None
        assert (job.error["code"], told in job.error["message"]) == ("job_crashed", True)
    assert "Segmentation fault" in queue.log(segfault)


async def test_publishing_happens_wholly_or_not_at_all(queue: Queue, start_runner: StartRunner):
    killed, failed = queue.enqueue(samples.HALF_EFFECT, how="SIGKILL"), queue.enqueue(samples.HALF_EFFECT, how="raise")
    start_runner()
    job = await queue.until_ended(killed)
    assert (job.state, job.attempt, queue.effects(killed)) == (JobState.SUCCEEDED, 2, 1)
    job = await queue.until_ended(failed)
    assert (job.state, job.attempt, queue.effects(failed)) == (JobState.FAILED, 1, 0)


async def test_a_child_that_stalls_while_it_publishes_does_not_stall_the_platform(
    queue: Queue, start_runner: StartRunner
):
    job_id = queue.enqueue(samples.HALF_EFFECT, how="SIGSTOP")  # and so keeps the writer lock, or its row's
    start_runner(job_lease_s=2.0)
    job = await queue.until_ended(job_id)
    assert (job.state, job.attempt > 1, queue.effects(job_id)) == (JobState.SUCCEEDED, True, 1)


async def test_a_running_job_is_cancelled(queue: Queue, start_runner: StartRunner, tmp_path: Path):
    willing = queue.enqueue(samples.HANG, pid_file=str(tmp_path / "willing"))
    stubborn = queue.enqueue(samples.IGNORE_SIGTERM, pid_file=str(tmp_path / "stubborn"))
    start_runner()
    for job_id, name in ((willing, "willing"), (stubborn, "stubborn")):
        pid = await queue.until_working(job_id, tmp_path / name)
        assert queue.cancel(job_id).state is JobState.RUNNING
        job = await queue.until_ended(job_id)
        assert (job.state, job.error, job.attempt) == (JobState.CANCELLED, None, 1)
        assert not alive(pid)
        await until(lambda job_id=job_id: not queue.scratch(job_id))
    assert "--- stopped: the runner told it to end" in queue.log(willing)
    assert sorted(queue.announced_ends()) == sorted([(willing, "cancelled"), (stubborn, "cancelled")])


@sqlite_only
async def test_limits_of_time_and_memory(queue: Queue, start_runner: StartRunner, tmp_path: Path):
    slow, hoard = queue.enqueue(samples.SLOW, pid_file=str(tmp_path / "pid")), queue.enqueue(samples.HOARD)
    start_runner()
    job = await queue.until_ended(slow)
    assert (job.state, job.attempt, job.error) == (
        JobState.FAILED,
        1,
        {
            "code": "job_timed_out",
            "message": "The job ran longer than its limit of 0.5 seconds.",
            "next": "Give it less to do, or have the operator raise the limit (THOLOS_JOB_TIME_S).",
        },
    )
    job = await queue.until_ended(hoard)
    assert job.error is not None
    assert (job.state, job.attempt, job.error["code"]) == (JobState.FAILED, 1, "job_out_of_memory")
    assert job.error["message"].endswith("of memory; its limit is 300 MiB.")
    assert job.peak_memory_bytes > 300 << 20


@sqlite_only
async def test_nothing_that_the_work_started_outlives_it(queue: Queue, start_runner: StartRunner, tmp_path: Path):
    left, hanging = tmp_path / "left", tmp_path / "hanging"
    done = queue.enqueue(samples.SPAWN, grandchild_file=str(left), hang=False)
    stopped = queue.enqueue(samples.SPAWN, grandchild_file=str(hanging), hang=True, pid_file=str(tmp_path / "pid"))
    start_runner()
    assert (await queue.until_ended(done)).state is JobState.SUCCEEDED
    await until(lambda: not alive(int(left.read_text())))
    await queue.until_working(stopped, tmp_path / "pid")
    assert alive(int(hanging.read_text()))
    queue.cancel(stopped)
    assert (await queue.until_ended(stopped)).state is JobState.CANCELLED
    assert not alive(int(hanging.read_text()))


async def test_a_stopped_runner_gives_its_jobs_back(queue: Queue, start_runner: StartRunner, tmp_path: Path):
    pid_file, go_on = tmp_path / "pid", tmp_path / "go_on"
    job_id = queue.enqueue(samples.HANG, pid_file=str(pid_file), go_on=str(go_on))
    runner = start_runner()
    pid = await queue.until_working(job_id, pid_file)
    await runner.stop()
    assert not alive(pid)
    job = queue.get(job_id)
    assert (job.state, job.attempt, job.error) == (JobState.QUEUED, 0, None)
    assert not queue.scratch(job_id)

    go_on.touch()
    start_runner()
    job = await queue.until_ended(job_id)
    assert (job.state, job.attempt, queue.effects(job_id)) == (JobState.SUCCEEDED, 1, 1)


@sqlite_only
async def test_a_log_that_grows_too_long_keeps_its_beginning_and_its_end(queue: Queue, start_runner: StartRunner):
    job_id = queue.enqueue(samples.CHATTER, kilobytes=3000)
    start_runner(job_log_max_bytes=1 << 20)
    assert (await queue.until_ended(job_id)).error is not None
    await until(lambda: "the log reached its limit of 1,048,576 bytes" in queue.log(job_id))
    log = queue.log(job_id)
    assert len(log) < (1 << 20) + (65 << 10)
    assert log.startswith("--- sample.chatter")
    assert log.endswith("RuntimeError: said too much\n")


@sqlite_only
async def test_a_job_that_cannot_be_started_fails_and_the_runner_goes_on(
    queue: Queue, start_runner: StartRunner, tmp_path: Path
):
    blocked = queue.enqueue(samples.DOUBLE, value=1)
    queue.settings.jobs_dir.mkdir()
    (queue.settings.jobs_dir / blocked).write_text("a file where the job's folder should be")
    start_runner()
    job = await queue.until_ended(blocked)
    assert job.error is not None
    assert job.error["message"].startswith("The job's process could not be started: ")
    assert (await queue.until_ended(queue.enqueue(samples.DOUBLE, value=1))).state is JobState.SUCCEEDED
