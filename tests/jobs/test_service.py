"""What people and other rooms do with jobs, without running any."""

from __future__ import annotations

import pytest
import work_samples as samples
from jobs_harness import Queue

from tholos.accounts.authorization import Actor, Scope
from tholos.accounts.errors import AccountNotFound, MissingScope
from tholos.accounts.repository import audit_entries
from tholos.jobs import lifecycle, repository, service
from tholos.jobs.errors import JobEnded, JobNotFound, JobNotRetryable, PayloadInvalid
from tholos.jobs.lineage import Edge, Link, downstream, forget_links, record_link, upstream
from tholos.jobs.models import Job, JobState
from tholos.jobs.repository import Claim, Usage
from tholos.kit.database import Database
from tholos.kit.paging import BadCursor

DATA, OTHER_DATA, MODEL, COMPILED = (f"rev:repo_{name}@{name[0] * 40}" for name in ("data", "else", "fine", "base"))


def claim(queue: Queue, runner: str = "node") -> Claim:
    with queue.database.write() as write:
        job = repository.claim(write, runner, samples.KINDS.names, 30.0)
        assert job is not None
        return Claim(job.id, job.fence)


def test_a_new_job_is_queued_with_its_inputs(database: Database, ada: Actor):
    inputs = [Edge(DATA, "data", "dataset ada/iris@ddddddd"), Edge(OTHER_DATA, "validation")]
    with database.write() as write:
        made = service.enqueue(write, ada, samples.DOUBLE, {"value": 1}, title="Double 1", inputs=inputs)
    with database.read() as read:
        job = service.get(read, ada, made.id)
    for each in (made, job):
        assert (each.state, each.kind, each.title, each.attempt) == (JobState.QUEUED, "sample.double", "Double 1", 0)
        assert (each.owner.name, each.payload, each.result, each.error) == ("ada", {"value": 1}, None, None)
        assert [Edge(edge.urn, edge.role, edge.label) for edge in each.edges] == inputs


def test_a_job_exists_only_if_its_transaction_commits(queue: Queue, ada: Actor):
    with pytest.raises(RuntimeError, match="changed my mind"), queue.database.write() as write:
        job_id = service.enqueue(write, ada, samples.DOUBLE, {}, title="never").id
        raise RuntimeError("changed my mind")
    with pytest.raises(JobNotFound):
        queue.get(job_id)


@pytest.mark.parametrize("payload", [{"value": float("nan")}, {"value": {1, 2}}, ["a", "list"]])
def test_a_payload_must_be_plain_json(database: Database, ada: Actor, payload: object):
    with pytest.raises(PayloadInvalid), database.write() as write:
        service.enqueue(write, ada, samples.DOUBLE, payload, title="odd")  # type: ignore[arg-type]


def test_others_see_no_trace_of_a_job(queue: Queue, bob: Actor, admin: Actor):
    job_id = queue.enqueue(samples.DOUBLE, value=1)
    with queue.database.write() as write:
        for use in (service.get, service.metrics, service.cancel, service.retry):
            with pytest.raises(JobNotFound) as refused:
                use(write, bob, job_id)
            assert refused.value.message == f"There is no job {job_id}, or you may not see it."
        with pytest.raises(JobNotFound) as absent:
            service.get(write, bob, "job_absent")
        assert absent.value.message == "There is no job job_absent, or you may not see it."
        assert service.page(write, bob).items == []
        with pytest.raises(AccountNotFound):
            service.page(write, bob, owner="ada")
        assert service.get(write, admin, job_id).id == job_id


def test_a_token_that_may_only_read_cannot_cancel(queue: Queue, ada: Actor):
    reader = Actor(ada.account_id, ada.name, scopes=frozenset({Scope.READ}))
    job_id = queue.enqueue(samples.DOUBLE, value=1)
    with queue.database.write() as write:
        assert service.get(write, reader, job_id).id == job_id
        with pytest.raises(MissingScope):
            service.cancel(write, reader, job_id)


def test_jobs_are_listed_newest_first_in_pages(queue: Queue, ada: Actor, bob: Actor, admin: Actor):
    job_ids = [queue.enqueue(samples.DOUBLE, value=number) for number in range(5)]
    crash = queue.enqueue(samples.CRASH)
    queue.cancel(job_ids[0])
    with queue.database.write() as write:
        bobs = service.enqueue(write, bob, samples.DOUBLE, {}, title="bob's").id

    with queue.database.read() as read:
        seen: list[str] = []
        cursor = None
        while True:
            page = service.page(read, ada, cursor=cursor, limit=2)
            seen += [job.id for job in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted([*job_ids, crash], reverse=True)
        assert [job.id for job in service.page(read, ada, kind="sample.crash").items] == [crash]
        assert [job.id for job in service.page(read, ada, state=JobState.CANCELLED).items] == [job_ids[0]]
        assert len(service.page(read, ada, owner="ADA").items) == 6
        assert len(service.page(read, admin).items) == 7
        assert [job.id for job in service.page(read, admin, owner="bob").items] == [bobs]
        with pytest.raises(BadCursor):
            service.page(read, ada, cursor="bad")


def test_a_queued_job_is_cancelled_at_once(queue: Queue, ada: Actor):
    job_id = queue.enqueue(samples.DOUBLE, value=1)
    job = queue.cancel(job_id)
    assert (job.state, job.finished_at is not None) == (JobState.CANCELLED, True)
    assert queue.cancel(job_id).state is JobState.CANCELLED  # again: nothing more happens
    assert queue.announced_ends() == [(job_id, "cancelled")]
    with queue.database.write() as write:
        assert repository.claim(write, "node", samples.KINDS.names, 30.0) is None
        assert [entry.action for entry in audit_entries(write, ada.account_id, None, 9).items] == ["job.cancel"]


def test_a_job_that_has_ended_is_not_cancelled(queue: Queue):
    job_id = queue.enqueue(samples.DOUBLE, value=1)
    with queue.database.write() as write:
        repository.finish(write, Claim(job_id, 0), JobState.SUCCEEDED, Usage(), result={})
    assert queue.get(job_id).state is JobState.QUEUED  # a job that does not run cannot be finished
    held = claim(queue)
    with queue.database.write() as write:
        lifecycle.complete(write, held, lambda _write: {}, Usage(), 30.0)
    with pytest.raises(JobEnded, match="already succeeded"):
        queue.cancel(job_id)


def test_a_failed_job_can_be_run_again(queue: Queue, ada: Actor):
    job_id = queue.enqueue(samples.DIE)
    with pytest.raises(JobNotRetryable), queue.database.write() as write:
        service.retry(write, ada, job_id)
    held = claim(queue)
    with queue.database.write() as write:
        lifecycle.fail(write, held, lifecycle.crashed(job_id, "It broke."), Usage(2.0, 1 << 30))
    with queue.database.write() as write:
        job = service.retry(write, ada, job_id)
    assert (job.state, job.attempt, job.error, job.finished_at) == (JobState.QUEUED, 0, None, None)
    again = claim(queue)
    assert again.fence > held.fence
    assert (queue.get(job_id).attempt, queue.get(job_id).cpu_seconds) == (1, 2.0)


def test_lineage_is_followed_both_ways(queue: Queue, ada: Actor):
    data, model, compiled = (
        Edge(DATA, "data", "dataset"),
        Edge(MODEL, "model", "model"),
        Edge(COMPILED, "model", "onnx"),
    )
    with queue.database.write() as write:
        train = service.enqueue(write, ada, samples.DOUBLE, {}, title="train", inputs=[data])
        service.add_edges(write, train.id, outputs=[model])
        service.add_edges(write, train.id, inputs=[data], outputs=[model])  # known already
        compiling = service.enqueue(write, ada, samples.CRASH, {}, title="compile", inputs=[model])
        service.add_edges(write, compiling.id, outputs=[compiled])
    made = Link(data, model, train.id, "sample.double", ada.account_id)
    turned = Link(model, compiled, compiling.id, "sample.crash", ada.account_id)
    with queue.database.read() as read:
        assert upstream(read, [MODEL]) == [made]
        assert upstream(read, [MODEL, COMPILED]) == [made, turned]
        assert downstream(read, [DATA]) == [made]
        assert downstream(read, [MODEL]) == [turned]
        assert upstream(read, [DATA]) == downstream(read, [COMPILED]) == upstream(read, []) == []
        assert len(service.get(read, ada, train.id).edges) == 2


def test_what_came_about_without_a_job_is_in_the_lineage_too(queue: Queue, ada: Actor):
    model, deployment = Edge(MODEL, "serving.deploy", "model"), Edge("dep:dep_1", "serving.deploy", "deployment")
    with queue.database.write() as write:
        for _ in range(2):
            record_link(write, model, deployment, kind="serving.deploy", owner_id=ada.account_id)
    link = Link(model, deployment, None, "serving.deploy", ada.account_id)
    with queue.database.read() as read:
        assert upstream(read, [deployment.urn]) == downstream(read, [MODEL]) == [link]
    with queue.database.write() as write:
        forget_links(write, deployment.urn)
        assert downstream(write, [MODEL]) == []


def test_a_job_cannot_be_read_past_its_owner_and_edges_by_accident(queue: Queue):
    job_id = queue.enqueue(samples.DOUBLE, value=1)
    with queue.database.read() as read:
        job = read.get(Job, job_id)
        assert job is not None
        with pytest.raises(Exception, match="raise_on_sql"):
            _ = job.edges
