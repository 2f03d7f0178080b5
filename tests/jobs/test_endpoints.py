"""Jobs over HTTP: a real server, its own wire shapes and errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import uvicorn
import work_samples as samples
from fastapi import FastAPI
from jobs_harness import Queue, until
from starlette.requests import Request
from starlette.responses import Response

from tholos.jobs import endpoints, lifecycle, repository, service
from tholos.jobs.folders import AttemptLog, JobFolder
from tholos.jobs.lineage import Edge
from tholos.jobs.repository import Claim, Usage
from tholos.kit.blobs import LocalBlobStore
from tholos.kit.errors import TholosError
from tholos.kit.http import RequestIdentity, install_errors
from tholos.kit.services import Services

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@asynccontextmanager
async def serving(queue: Queue, **changes: float) -> AsyncIterator[str]:
    """The base URL of a server of nothing but jobs."""

    async def no_page(_request: Request, _error: TholosError, _request_id: str) -> Response | None:
        return None

    app = FastAPI()
    settings = queue.settings.model_copy(update=changes)
    app.state.services = Services(settings, queue.database, LocalBlobStore(settings.blobs_dir))
    app.include_router(endpoints.router)
    install_errors(app, no_page)
    app.add_middleware(RequestIdentity)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="error"))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def api(queue: Queue, ada_token: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(queue) as url, client(url, ada_token) as connected:
        yield connected


def client(url: str, token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"})


def running(queue: Queue) -> tuple[Claim, AttemptLog]:
    """A job that runs, as far as database and disk can tell."""
    with queue.database.write() as write:
        made = service.enqueue(
            write, queue.actor, samples.DOUBLE, {"value": 1}, title="Double", inputs=[Edge("rev:a@b", "data", "set")]
        )
    with queue.database.write() as write:
        job = repository.claim(write, "node", samples.KINDS.names, 600.0)
        assert job is not None
        assert job.id == made.id
    folder = JobFolder(queue.settings.jobs_dir, job.id, job.fence)
    folder.prepare()
    return Claim(job.id, job.fence), AttemptLog(folder.log, "attempt 1", 1 << 20)


def complete(queue: Queue, held: Claim) -> None:
    with queue.database.write() as write:
        lifecycle.complete(write, held, lambda _write: {"value": 2}, Usage(0.12345, 1 << 20), 600.0)


async def test_a_job_on_the_wire(queue: Queue, api: httpx2.AsyncClient):
    held, log = running(queue)
    log.close()
    complete(queue, held)
    job = (await api.get(f"/jobs/{held.job_id}")).json()
    times = [job.pop(name) for name in ("created_at", "started_at", "finished_at")]
    assert all(moment.endswith("Z") for moment in times)
    assert job == {
        "id": held.job_id,
        "kind": "sample.double",
        "title": "Double",
        "state": "succeeded",
        "owner": "ada",
        "progress": {"fraction": 1.0, "step": ""},
        "attempt": 1,
        "max_attempts": 3,
        "cancel_requested": False,
        "payload": {"value": 1},
        "result": {"value": 2},
        "error": None,
        "inputs": [{"urn": "rev:a@b", "role": "data", "label": "set"}],
        "outputs": [],
        "cpu_seconds": 0.123,
        "peak_memory_bytes": 1 << 20,
    }
    listed = (await api.get("/jobs", params={"state": "succeeded", "limit": 1})).json()
    assert ([item["id"] for item in listed["items"]], listed["next_cursor"]) == ([held.job_id], None)


async def test_cancel_and_retry(queue: Queue, api: httpx2.AsyncClient):
    job_id = queue.enqueue(samples.DOUBLE, value=1)
    assert (await api.post(f"/jobs/{job_id}/cancel")).json()["state"] == "cancelled"
    assert (await api.post(f"/jobs/{job_id}/retry")).json()["state"] == "queued"
    refused = await api.post(f"/jobs/{job_id}/retry")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "job_not_retryable")


async def test_others_get_404_everywhere(queue: Queue, bob_token: str):
    held, log = running(queue)
    log.close()
    path = f"/jobs/{held.job_id}"
    async with serving(queue) as url:
        async with client(url, bob_token) as bob:
            answers = [await bob.get(f"{path}{tail}") for tail in ("", "/log", "/metrics", "/events")]
            answers += [await bob.post(f"{path}/{verb}") for verb in ("cancel", "retry")]
            answers.append(await bob.get("/jobs", params={"owner": "ada"}))
            for answer in answers:
                assert answer.status_code == 404
                assert answer.json()["error"]["next"]
            assert (await bob.get("/jobs")).json()["items"] == []
        async with httpx2.AsyncClient(base_url=url) as nobody:
            assert (await nobody.get(path)).status_code == 401


async def test_series(queue: Queue, api: httpx2.AsyncClient):
    held, log = running(queue)
    log.close()
    with queue.database.write() as write:
        repository.record_metrics(write, held, {("loss", 2): None, ("loss", 1): 0.5, ("accuracy", 1): 0.75})
    assert (await api.get(f"/jobs/{held.job_id}/metrics")).json() == {
        "items": [
            {"name": "accuracy", "points": [{"step": 1, "value": 0.75}]},
            {"name": "loss", "points": [{"step": 1, "value": 0.5}, {"step": 2, "value": None}]},
        ]
    }


async def test_a_log_is_read_piece_by_piece(queue: Queue, api: httpx2.AsyncClient):
    held, log = running(queue)
    log.file.write(b"first\nsecond ")
    path = f"/jobs/{held.job_id}/log"
    piece = await api.get(path)
    assert piece.headers["content-type"] == "text/plain; charset=utf-8"
    assert piece.text == "--- attempt 1\nfirst\nsecond "
    log.file.write("…".encode()[:1])  # the rest of the character comes later
    nothing = await api.get(path, params={"offset": piece.headers["x-next-offset"]})
    assert (nothing.text, nothing.headers["x-next-offset"]) == ("", piece.headers["x-next-offset"])
    log.file.write("…".encode()[1:])
    assert (await api.get(path, params={"offset": piece.headers["x-next-offset"]})).text == "…"
    log.close()

    beyond = await api.get(path, params={"offset": 1 << 40})
    assert (beyond.text, beyond.headers["x-next-offset"]) == ("", str(len(queue.log(held.job_id).encode())))
    assert (await api.get(path, params={"offset": -1})).status_code == 400
    waiting = await api.get(f"/jobs/{queue.enqueue(samples.DOUBLE)}/log")
    assert (waiting.text, waiting.headers["x-next-offset"]) == ("", "0")


async def events_of(response: httpx2.Response) -> AsyncIterator[tuple[str, dict[str, object], str | None]]:
    """(name, data, id) of each event of a stream."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], json.loads(fields["data"]), fields.get("id")
            fields = {}


async def test_events_follow_a_job_to_its_end(queue: Queue, api: httpx2.AsyncClient):
    held, log = running(queue)
    async with asyncio.timeout(30), api.stream("GET", f"/jobs/{held.job_id}/events") as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = events_of(response)
        assert await anext(events) == (
            "progress",
            {"state": "running", "attempt": 1, "fraction": 0.0, "step": ""},
            None,
        )
        assert (await anext(events))[:2] == ("log", {"text": "--- attempt 1\n"})
        with queue.database.write() as write:
            repository.heartbeat(write, held, 600.0, fraction=0.5, step="halfway", peak_memory_bytes=0)
        assert (await anext(events))[1] == {"state": "running", "attempt": 1, "fraction": 0.5, "step": "halfway"}
        log.file.write("zwölf\n".encode())
        name, data, offset = await anext(events)
        assert (name, data, offset) == ("log", {"text": "zwölf\n"}, str(len(queue.log(held.job_id).encode())))
        log.close()
        complete(queue, held)
        assert (await anext(events))[0] == "progress"
        name, data, _ = await anext(events)
        assert (name, data["state"], data["result"]) == ("end", "succeeded", {"value": 2})
        with pytest.raises(StopAsyncIteration):
            await anext(events)

    async with api.stream("GET", f"/jobs/{held.job_id}/events", headers={"Last-Event-ID": str(offset)}) as response:
        assert [name async for name, _, _ in events_of(response)] == ["progress", "end"]


async def test_a_stream_ends_after_its_lifetime_and_holds_no_connection(queue: Queue, ada_token: str):
    held, log = running(queue)
    log.close()
    async with (
        asyncio.timeout(30),
        serving(queue, job_stream_s=1.0) as url,
        client(url, ada_token) as api,
        api.stream("GET", f"/jobs/{held.job_id}/events") as response,
    ):
        events = events_of(response)
        assert (await anext(events))[0] == "progress"
        assert (await anext(events))[0] == "log"
        assert queue.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert [event async for event in events] == []
