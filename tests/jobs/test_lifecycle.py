"""Claims, leases and fences: who may end a job, on both databases."""

from __future__ import annotations

import threading

import pytest
import work_samples as samples
from jobs_harness import Queue
from sqlalchemy import event, update

from tholos.jobs import lifecycle, repository
from tholos.jobs.errors import Superseded
from tholos.jobs.lifecycle import Retry
from tholos.jobs.models import Job, JobState
from tholos.jobs.repository import Claim, Pulse, Usage
from tholos.kit.database import Database, WriteSession
from tholos.kit.settings import Settings

LEASE_S = 30.0
RETRY = Retry(10.0)


def claim(queue: Queue, runner: str = "node") -> Claim | None:
    with queue.database.write() as write:
        job = repository.claim(write, runner, samples.KINDS.names, LEASE_S)
        return None if job is None else Claim(job.id, job.fence)


def claimed(queue: Queue) -> Claim:
    queue.enqueue(samples.DOUBLE, value=1)
    held = claim(queue)
    assert held is not None
    return held


def make_due(queue: Queue, held: Claim) -> None:
    with queue.database.write() as write:
        write.execute(update(Job).where(Job.id == held.job_id).values(available_at=repository.database_now()))


def beat(write: WriteSession, held: Claim) -> Pulse:
    return repository.heartbeat(write, held, LEASE_S, fraction=0.25, step="on it", peak_memory_bytes=7)


def test_jobs_are_claimed_once_each_and_in_order(queue: Queue, settings: Settings):
    job_ids = [queue.enqueue(samples.DOUBLE, value=number) for number in range(30)]
    taken: list[list[str]] = [[] for _ in range(4)]

    def take(number: int) -> None:
        database = Database(settings.resolved_database_url, pool_size=1)
        while True:
            with database.write() as write:
                job = repository.claim(write, f"node {number}", samples.KINDS.names, LEASE_S)
            if job is None:
                break
            taken[number].append(job.id)
        database.close()

    threads = [threading.Thread(target=take, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job_id for mine in taken for job_id in mine) == sorted(job_ids)
    in_order = sorted(job_ids, key=lambda job_id: (queue.get(job_id).available_at, job_id))
    for number, mine in enumerate(taken):
        assert mine == [job_id for job_id in in_order if job_id in mine]  # oldest first
        assert {queue.get(job_id).runner for job_id in mine} <= {f"node {number}"}
    assert all(queue.get(job_id).fence == 1 for job_id in job_ids)


def test_only_jobs_of_known_kinds_are_claimed(queue: Queue):
    queue.enqueue(samples.DOUBLE, value=1)
    with queue.database.write() as write:
        assert repository.next_due(write, ["other.kind"]) is None
        assert repository.claim(write, "node", ["other.kind"], LEASE_S) is None
        assert repository.next_due(write, ["other.kind", "sample.double"]) == "sample.double"


def test_an_expired_run_goes_back_to_the_queue_and_its_child_is_refused(queue: Queue):
    old = claimed(queue)
    with queue.database.read() as read:
        assert repository.expired(read) == []
    queue.let_lease_run_out(old.job_id)

    published: list[Claim] = []
    with pytest.raises(Superseded), queue.database.write() as write:  # even before anyone else has it
        lifecycle.complete(write, old, lambda _write: published.append(old) or {}, Usage(), LEASE_S)
    with queue.database.read() as read:
        assert repository.expired(read) == [old]
    assert lifecycle.take_over(queue.database, [old], RETRY) == 1
    assert lifecycle.take_over(queue.database, [old], RETRY) == 0  # another runner was first
    job = queue.get(old.job_id)
    assert (job.state, job.attempt, (job.error or {})["code"]) == (JobState.QUEUED, 1, "job_lost")
    assert claim(queue) is None  # it waits first
    make_due(queue, old)
    new = claim(queue, "other")
    assert new == Claim(old.job_id, old.fence + 1)

    with queue.database.write() as write:
        with pytest.raises(Superseded):
            lifecycle.begin(write, old, "a/1/1", LEASE_S)
        with pytest.raises(Superseded):
            lifecycle.complete(write, old, lambda _write: published.append(old) or {}, Usage(), LEASE_S)
        assert not lifecycle.fail(write, old, lifecycle.lost(), Usage())
        assert not lifecycle.end_cancelled(write, old, Usage())
        assert not lifecycle.retry_or_fail(write, old, lifecycle.lost(), Usage(), RETRY)
        assert not lifecycle.release(write, old, Usage())
        assert beat(write, old) is Pulse.LOST
        repository.record_metrics(write, old, {("loss", 1): 1.0})
    assert published == []
    with queue.database.read() as read:
        assert repository.metrics(read, old.job_id) == []
    assert (queue.get(old.job_id).runner, queue.get(old.job_id).state) == ("other", JobState.RUNNING)

    with queue.database.write() as write:
        assert beat(write, new) is Pulse.RENEWED
        lifecycle.complete(write, new, lambda _write: {"value": 1}, Usage(1.5, 5), LEASE_S)
        assert beat(write, new) is Pulse.ENDED
    job = queue.get(old.job_id)
    assert (job.state, job.result, job.error, job.step) == (JobState.SUCCEEDED, {"value": 1}, None, "on it")
    assert (job.cpu_seconds, job.peak_memory_bytes) == (1.5, 7)  # the beat had seen more


def test_attempts_end_with_growing_pauses_between_them(queue: Queue):
    held = claimed(queue)
    pauses = []
    while True:
        with queue.database.write() as write:
            lifecycle.retry_or_fail(write, held, lifecycle.lost(), Usage(1.0, 3), RETRY)
            now = queue.database.now(write)
        job = queue.get(held.job_id)
        if job.state.ended:
            break
        pauses.append((job.available_at - now).total_seconds())
        make_due(queue, held)
        again = claim(queue)
        assert again is not None
        held = again
    assert pauses == [pytest.approx(10.0, abs=2), pytest.approx(20.0, abs=2)]
    assert (job.state, job.attempt, (job.error or {})["code"]) == (JobState.FAILED, 3, "job_lost")
    assert job.cpu_seconds == 3.0
    assert queue.announced_ends() == [(held.job_id, "failed")]
    assert Retry(10.0).after(50) == 600.0


def test_a_released_job_keeps_its_attempts(queue: Queue):
    held = claimed(queue)
    with queue.database.write() as write:
        assert lifecycle.release(write, held, Usage())
    assert (queue.get(held.job_id).state, queue.get(held.job_id).attempt) == (JobState.QUEUED, 0)
    assert claim(queue) == Claim(held.job_id, held.fence + 1)


@pytest.mark.parametrize("leave", ["release", "retry_or_fail"])
def test_a_job_that_was_to_be_cancelled_is_not_queued_again(queue: Queue, leave: str):
    held = claimed(queue)
    assert queue.cancel(held.job_id).state is JobState.RUNNING
    with queue.database.write() as write:
        assert beat(write, held) is Pulse.CANCEL
        if leave == "release":
            lifecycle.release(write, held, Usage())
        else:
            lifecycle.retry_or_fail(write, held, lifecycle.lost(), Usage(), RETRY)
    assert queue.get(held.job_id).state is JobState.CANCELLED


def test_a_new_attempt_begins_its_series_anew(queue: Queue):
    held = claimed(queue)
    with queue.database.write() as write:
        repository.record_metrics(write, held, {("loss", 1): 1.0, ("loss", 2): None})
        repository.record_metrics(write, held, {("loss", 2): 0.5})
    with queue.database.read() as read:
        assert [(point.step, point.value) for point in repository.metrics(read, held.job_id)] == [(1, 1.0), (2, 0.5)]
    with queue.database.write() as write:
        lifecycle.release(write, held, Usage())
    assert claim(queue) is not None
    with queue.database.read() as read:
        assert repository.metrics(read, held.job_id) == []


def test_what_fails_while_publishing_leaves_nothing(queue: Queue):
    held = claimed(queue)

    def publish(write: WriteSession) -> dict[str, object]:
        write.execute(update(Job).values(title="changed"))
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError), queue.database.write() as write:
        lifecycle.complete(write, held, publish, Usage(), LEASE_S)
    job = queue.get(held.job_id)
    assert (job.state, job.title) == (JobState.RUNNING, "sample.double")


@pytest.mark.parametrize("database_kind", ["sqlite"])  # PostgreSQL plans an almost empty table without its indexes
def test_an_idle_look_at_the_queue_reads_only_due_jobs(queue: Queue):
    with queue.database.read() as read:
        connection = read.connection()
        asked: list[tuple[str, tuple[object, ...]]] = []
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        repository.next_due(read, ["a"])
        repository.expired(read)
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all() for sql, given in list(asked)]
    assert "USING INDEX ix_jobs_due" in str(plans[0])
    assert "USING INDEX ix_jobs_leased" in str(plans[1])
