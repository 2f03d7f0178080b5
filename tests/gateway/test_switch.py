"""A deployment under way: switched, rolled back, stopped, deleted, failing, always with callers who must not notice."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from model_samples import ROW, onnx_files, publish

from tholos.gateway import fleet as fleet_module
from tholos.gateway.gateway import Gateway
from tholos.kit.services import Services
from tholos.serving import service

OLD, NEW = onnx_files("old", "older"), onnx_files("new", "newer")
BROKEN = {**onnx_files("x", "y"), "model.onnx": b"not a graph"}
CALLERS = 8
DEADLINE_S = 30


class Load:
    """Callers who ask again as soon as they are answered, and note what they got."""

    def __init__(self, front):
        self.front = front
        self.statuses: Counter[int] = Counter()
        self.revisions: list[str] = []
        self._stop = asyncio.Event()

    async def __aenter__(self):
        self._callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]
        return self

    async def __aexit__(self, *_):
        self._stop.set()
        await asyncio.gather(*self._callers)

    async def answered(self, more):
        """Waits until so many more answers have come."""
        wanted = sum(self.statuses.values()) + more
        async with asyncio.timeout(DEADLINE_S):
            while sum(self.statuses.values()) < wanted:  # noqa: ASYNC110 - the callers have no one to tell
                await asyncio.sleep(0.01)

    async def _call(self):
        while not self._stop.is_set():
            answer = await self.front.predict(ROW)
            self.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                body = answer.json()
                self.revisions.append(body["revision"])
                assert body["output"] in LABELS[body["revision"]], "an answer of one model under another's name"


LABELS: dict[str, set[str]] = {}


async def publish_labelled(front, *labels):
    commit = await asyncio.to_thread(publish, front.services, front.ada, onnx_files(*labels))
    LABELS[commit] = set(labels)
    return commit


@pytest.mark.parametrize("home", ["inline", "process"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_switching_and_rolling_back_under_load_drops_no_request(front, supervised, home):
    first = await publish_labelled(front, "old", "older")
    await front.choose(home=home)
    await front.until(lambda view: view.status.state == "ready")
    async with Load(front) as load:
        await load.answered(50)
        second = await publish_labelled(front, "new", "newer")
        await front.choose(home=home)
        await front.until(lambda view: view.status.state == "ready" and view.serving.revision == second)
        at_switch = len(load.revisions)
        await load.answered(50)
        await asyncio.to_thread(
            service.rollback, front.services.database, front.services.blobs, front.ada, "ada/penguins"
        )
        await front.until(lambda view: view.status.state == "ready" and view.serving.revision == first)
        await load.answered(50)
    assert set(load.statuses) == {200}
    assert load.revisions[0] == load.revisions[-1] == first
    # Once the deployment says that it is ready, only answers that had begun before may still come from the old one.
    assert set(load.revisions[at_switch + CALLERS : at_switch + 40]) == {second}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
async def test_a_revision_that_does_not_load_leaves_the_old_one_serving(front):
    first = await publish_labelled(front, "old", "older")
    await front.choose()
    await front.until(lambda view: view.status.state == "ready")
    await asyncio.to_thread(publish, front.services, front.ada, BROKEN)
    async with Load(front) as load:
        await front.choose()
        failed = await front.until(lambda view: view.status.state == "failed")
        await load.answered(20)
    assert "not an ONNX file" in failed.status.error
    assert failed.serving.revision == first
    assert set(load.statuses) == {200}
    assert set(load.revisions) == {first}
    back = await asyncio.to_thread(
        service.rollback, front.services.database, front.services.blobs, front.ada, "ada/penguins"
    )
    assert back.current.revision == first
    await front.until(lambda view: view.status.state == "ready")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_first_revision_that_does_not_load_is_told_at_once(front):
    await asyncio.to_thread(publish, front.services, front.ada, BROKEN)
    await front.choose()
    answer = await front.predict(ROW)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "deployment_failed")
    assert answer.headers["retry-after"]
    assert "not an ONNX file" in (await front.until(lambda view: view.status.state == "failed")).status.error


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_what_failed_for_a_passing_reason_is_tried_again(front, monkeypatch):
    original, refusals = fleet_module.place, 2

    def place(*arguments):
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise OSError(28, "No space left on device")
        return original(*arguments)

    monkeypatch.setattr(fleet_module, "place", place)
    await publish_labelled(front, "old", "older")
    await front.choose()
    failed = await front.until(lambda view: view.status.state == "failed")
    assert "No space left" in failed.status.error
    await front.until(lambda view: view.status.state == "ready")
    assert (await front.predict(ROW)).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_request_to_a_deployment_just_made_waits_for_it(front):
    await publish_labelled(front, "old", "older")
    await front.choose()
    assert (await front.predict(ROW)).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_deployment_that_does_not_start_in_time_is_503_with_retry_after(services, ada, ada_token, listen):
    hasty = Services(
        services.settings.model_copy(update={"predict_start_wait_s": 0.1}), services.database, services.blobs
    )
    async with listen(hasty) as front:
        await publish_labelled(front, "old", "older")
        await front.choose(home="process")  # and there is no agent to start it
        answer = await front.predict(ROW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deployment_starting")
        assert int(answer.headers["retry-after"]) > 0
        assert front.look().status.state == "starting"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_stopped_says_so_and_starts_again(front):
    await publish_labelled(front, "old", "older")
    await front.choose()
    await front.until(lambda view: view.status.state == "ready")

    async def change(action):
        assert (await front.client.post(f"/api/v1/deployments/ada/penguins/{action}")).status_code == 200

    for _ in range(3):
        await change("stop")
        answer = await front.predict(ROW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deployment_stopped")
        assert "/start" in answer.json()["error"]["next"]
        await change("start")
        assert (await front.predict(ROW)).status_code == 200
    await change("stop")
    await front.until(lambda view: not _held(front))


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_deleting_under_load_gives_answers_or_404_and_nothing_else(front):
    await publish_labelled(front, "old", "older")
    await front.choose()
    await front.until(lambda view: view.status.state == "ready")
    async with Load(front) as load:
        await load.answered(30)
        await front.client.delete("/api/v1/deployments/ada/penguins")
        await load.answered(30)
    assert set(load.statuses) == {200, 404}
    async with asyncio.timeout(DEADLINE_S):
        while _held(front):  # noqa: ASYNC110 - it is in a database
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_ready_waits_for_every_gateway_and_a_gateway_that_leaves_is_not_waited_for(front):
    other = Gateway(front.services)
    async with other.running():
        async with asyncio.timeout(DEADLINE_S):
            while not other.is_ready:  # noqa: ASYNC110 - another gateway's own affair
                await asyncio.sleep(0.02)
        await publish_labelled(front, "old", "older")
        await front.choose()
        view = await front.until(lambda view: view.status.state == "ready")
        assert _holders(front, view) == {front.gateway.id, other.id}
    view = front.look()
    assert view.status.state == "ready"
    assert _holders(front, view) == {front.gateway.id}


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_server_that_stops_answers_what_it_has_taken(services, ada, ada_token, listen):
    rows = [{**ROW, "length": 30 + number / 1000} for number in range(9000)]
    async with listen(services) as front:
        client = front.client_of(ada_token)  # outlives the server
        await publish_labelled(front, "old", "older")
        await front.choose()
        await front.until(lambda view: view.status.state == "ready")
        url = "/predict/ada/penguins"
        taken = [asyncio.create_task(client.post(url, json={"input": rows})) for _ in range(4)]
        async with asyncio.timeout(DEADLINE_S):
            while _users(front) < 4:  # noqa: ASYNC110 - the server tells no one
                await asyncio.sleep(0.001)
    answers = await asyncio.gather(*taken, return_exceptions=True)
    await client.aclose()
    assert [getattr(answer, "status_code", answer) for answer in answers] == [200] * 4


def _held(front):
    from sqlalchemy import select

    from tholos.serving.models import ReplicaRow

    with front.services.database.read() as read:
        return list(read.scalars(select(ReplicaRow)))


def _holders(front, view):
    return {row.holder for row in _held(front) if row.deployment_id == view.deployment.id and row.state == "ready"}


def _users(front):
    """How many requests are with a model at this moment."""
    return sum(slot.current._users for slot in front.gateway._fleet._slots.values() if slot.current)
