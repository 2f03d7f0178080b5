"""Jobs as futures: waiting, results, failures, logs and events."""

from __future__ import annotations

import pytest

import tholos
from tholos.sdk import JobCancelled, JobFailed, RetryPolicy, WaitTimedOut, errors

JOB = "/api/v1/jobs/job_1"


def record(state, fraction=0.0, step="", **rest):
    return {
        "id": "job_1",
        "kind": "training.train",
        "title": "Train",
        "state": state,
        "progress": {"fraction": fraction, "step": step},
        **rest,
    }


def test_wait_tells_each_change_once_and_returns_the_end(scripted, scripted_client, reply):
    scripted.script[JOB] = [
        reply(body=record("queued")),
        reply(body=record("running", 0.5, "fitting")),
        reply(body=record("running", 0.5, "fitting")),
        reply(body=record("succeeded", 1.0, "done", result={"model": "a/m"})),
    ]
    told = []
    job = scripted_client.jobs.get("job_1")
    end = job.wait(progress=told.append)
    assert [(seen.state, seen.progress.fraction) for seen in told] == [
        ("queued", 0.0),
        ("running", 0.5),
        ("succeeded", 1.0),
    ]
    assert end is job.record
    assert job.done()
    assert job.result() == {"model": "a/m"}


def test_a_failed_job_raises_the_servers_words(scripted, scripted_client, reply):
    error = {"code": "target_has_one_class", "message": "Only one class.", "next": "Choose another target."}
    scripted.script[JOB] = [reply(body=record("failed", error=error))]
    with pytest.raises(JobFailed) as caught:
        scripted_client.jobs.get("job_1").result()
    assert (caught.value.code, caught.value.message, caught.value.next) == tuple(error.values())
    assert caught.value.details["job_id"] == "job_1"


def test_a_cancelled_job_raises_too(scripted, scripted_client, reply):
    scripted.script[JOB] = [reply(body=record("cancelled"))]
    with pytest.raises(JobCancelled, match="was cancelled"):
        scripted_client.jobs.get("job_1").result()


def test_waiting_has_an_end_and_the_job_goes_on(scripted, scripted_client, reply):
    scripted.script[JOB] = [reply(body=record("running"))]
    with pytest.raises(WaitTimedOut, match="still running") as caught:
        scripted_client.jobs.get("job_1").wait(0.05)
    assert isinstance(caught.value, TimeoutError)
    assert [seen.method for seen in scripted.seen] == ["GET"] * len(scripted.seen)


def test_a_server_that_comes_back_is_awaited(scripted, reply):
    scripted.script[JOB] = [
        reply(body=record("running")),
        reply(drop=True),
        reply(503, {"error": {"code": "unavailable", "message": "Starting."}}),
        reply(body=record("succeeded", result={})),
    ]
    with tholos.Client(scripted.url, "t", retry=RetryPolicy(retries=0)) as client:
        assert client.jobs.get("job_1").result() == {}


def test_a_refusal_while_waiting_is_raised_at_once(scripted, scripted_client, reply):
    gone = {"error": {"code": "job_not_found", "message": "Gone."}}
    scripted.script[JOB] = [reply(body=record("running")), reply(404, gone)]
    with pytest.raises(errors.NotFound):
        scripted_client.jobs.get("job_1").wait()


def test_the_log_is_read_to_its_end_and_followed(scripted, scripted_client, reply):
    text = ["one\n", "two\n", ""]

    def log(seen):
        offset = int(seen.path.partition("offset=")[2])
        piece = text[min(offset // 4, 2)].encode()
        return reply(body=piece, headers={"X-Next-Offset": str(offset + len(piece)), "Content-Type": "text/plain"})

    scripted.script[f"{JOB}/log"] = log
    scripted.script[JOB] = [reply(body=record("running")), reply(body=record("succeeded"))]
    job = scripted_client.jobs.get("job_1")
    assert job.log() == "one\ntwo\n"
    assert list(job.follow_log()) == ["one\n", "two\n"]


def test_events_go_on_where_a_stream_was_cut(scripted, scripted_client, reply):
    stream = {"Content-Type": "text/event-stream"}
    first = b'event: progress\ndata: {"fraction": 0.5}\n\nevent: log\nid: 7\ndata: {"text": "a"}\n\n'
    second = b'event: log\nid: 9\ndata: {"text": "b"}\n\nevent: end\ndata: {"id": "job_1"}\n\n'
    scripted.script[JOB] = [reply(body=record("running"))]
    scripted.script[f"{JOB}/events"] = lambda seen: reply(
        body=second if seen.headers["Last-Event-ID"] == "7" else first, headers=stream
    )
    events = list(scripted_client.jobs.get("job_1").events())
    assert [event.type for event in events] == ["progress", "log", "log", "end"]
    assert events[2].data == {"text": "b"}


def test_an_error_event_is_raised(scripted, scripted_client, reply):
    body = b'event: error\ndata: {"code": "job_not_found", "message": "Gone."}\n\n'
    scripted.script[JOB] = [reply(body=record("running"))]
    scripted.script[f"{JOB}/events"] = [reply(body=body, headers={"Content-Type": "text/event-stream"})]
    with pytest.raises(errors.NotFound, match="Gone"):
        list(scripted_client.jobs.get("job_1").events())
