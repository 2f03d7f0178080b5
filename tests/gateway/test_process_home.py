"""Deployments whose model runs in a process: the agent's supervisor and the gateway together."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

import psutil
import pytest
from model_samples import ROW, onnx_files, publish, skops_files
from sqlalchemy import select

from tholos.kit.services import Services
from tholos.serving.models import AGENT, ReplicaRow

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

BROKEN = {**onnx_files("x", "y"), "model.onnx": b"not a graph"}
DEADLINE_S = 30


def agent_row(front):
    with front.services.database.read() as read:
        return read.scalars(select(ReplicaRow).where(ReplicaRow.holder == AGENT)).one_or_none()


async def until(condition):
    async with asyncio.timeout(DEADLINE_S):
        while not (found := await asyncio.to_thread(condition)):  # noqa: ASYNC110 - it is another process's affair
            await asyncio.sleep(0.02)
    return found


async def test_a_pipeline_is_served_from_a_process_and_leaves_with_its_deployment(front, supervised):
    view = await front.deploy(skops_files())
    assert view.current.place == "process"
    body = (await front.predict([ROW, {**ROW, "length": None}])).json()
    assert len(body["output"]) == 2
    assert (await front.predict({**ROW, "length": "x"})).json()["error"]["code"] == "input_wrong_type"
    process = psutil.Process(agent_row(front).pid)
    await front.client.delete("/api/v1/deployments/ada/penguins")
    await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    await until(lambda: agent_row(front) is None)


async def test_the_process_knows_no_secret_and_not_the_database(front, supervised, monkeypatch):
    monkeypatch.setenv("THOLOS_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("CLOUD_SECRET", "secret")
    await front.deploy(onnx_files(), home="process")
    process = psutil.Process(agent_row(front).pid)
    assert "secret" not in str(process.environ())
    # Neither ours, nor the one in which ONNX Runtime would keep what it reports to its maker.
    assert [file.path for file in process.open_files() if file.path.endswith(".db")] == []


async def test_a_killed_process_costs_503_with_retry_after_and_comes_back(front, supervised):
    await front.deploy(onnx_files(), home="process")
    pid = agent_row(front).pid
    os.kill(pid, signal.SIGSTOP)  # so that the request is certainly with the process when that dies
    asked = asyncio.create_task(front.predict(ROW))
    await until(lambda: any(slot.current._users for slot in front.gateway._fleet._slots.values()))
    os.kill(pid, signal.SIGKILL)
    answer = await asked
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "replica_lost")
    assert answer.headers["retry-after"]
    view = await front.until(lambda view: agent_row(front).pid not in (None, pid) and view.status.state == "ready")
    assert view.deployment.version == 1
    assert (await front.predict(ROW)).status_code == 200


async def test_killed_again_and_again_under_load_every_caller_is_answered(front, supervised):
    await front.deploy(onnx_files(), home="process")
    seen: dict[int, int] = {}
    stop = asyncio.Event()

    async def call():
        while not stop.is_set():
            status = (await front.predict(ROW)).status_code
            seen[status] = seen.get(status, 0) + 1

    callers = [asyncio.create_task(call()) for _ in range(4)]
    killed = set()
    for _ in range(2):
        pid = await until(lambda: (row := agent_row(front)).state == "ready" and row.pid not in killed and row.pid)
        before = seen.get(200, 0)
        await until(lambda before=before: seen.get(200, 0) > before + 5)
        killed.add(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await until(lambda: (row := agent_row(front)).state == "ready" and row.pid not in killed)
    stop.set()
    await asyncio.gather(*callers)
    assert set(seen) <= {200, 503}
    assert seen[200]
    assert (await front.predict(ROW)).status_code == 200


async def test_a_model_that_does_not_load_in_its_process_says_why_and_the_old_one_serves(front, supervised):
    first = (await front.deploy(onnx_files("old", "older"), home="process")).current.revision
    await asyncio.to_thread(publish, front.services, front.ada, BROKEN)
    await front.choose(home="process")
    view = await front.until(lambda view: view.status.state == "failed")
    assert "not an ONNX file" in view.status.error
    assert view.serving.revision == first
    assert (await front.predict(ROW)).json()["revision"] == first


async def test_a_hanging_model_costs_its_caller_the_deadline_and_no_more(services, ada, ada_token, listen, supervised):
    settings = services.settings.model_copy(update={"predict_timeout_s": 1.0})
    async with listen(Services(settings, services.database, services.blobs)) as front:
        await front.deploy(onnx_files(), home="process")
        pid = agent_row(front).pid
        os.kill(pid, signal.SIGSTOP)
        answer = await front.predict(ROW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deadline_exceeded")
        os.kill(pid, signal.SIGCONT)
        assert (await front.predict(ROW)).status_code == 200


async def test_stopping_the_agent_ends_its_processes(front, services):
    from tholos.serving.supervisor import Supervisor

    stopping = asyncio.Event()
    running = asyncio.create_task(Supervisor(services.settings, services.database, services.blobs).run(stopping))
    await front.deploy(onnx_files(), home="process")
    process = psutil.Process(agent_row(front).pid)
    stopping.set()
    await running
    assert not process.is_running()
    assert agent_row(front) is None
    assert front.look().status.state in ("starting", "ready")
