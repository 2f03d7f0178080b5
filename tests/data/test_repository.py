"""What is recorded of views, on both databases."""

from __future__ import annotations

import threading

import pytest

from tholos.data import repository, service, view
from tholos.data.models import DatasetView
from tholos.data.splits import SplitSpec
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.kit.outbox import dispatch

ERROR = {"code": "ragged_row", "message": "line 2", "next": "Repair it.", "details": {}}


@pytest.fixture
def revision(push):
    return push({"a.csv": "a,b\n1,x\n2,y\n"})


def made(services, dataset, revision):
    return view.prepare(services, dataset, revision)


def test_a_view_is_recorded_once(services, dataset, revision):
    first = made(services, dataset, revision)
    with services.database.write() as write:
        assert view.save(write, dataset, first).rows == 2
    again = view.unreadable(dataset.id, revision.commit_id, ERROR, None)
    with services.database.write() as write:
        assert view.save(write, dataset, again).state == "ready"
    with services.database.read() as read:
        found = repository.view_of(read, dataset.id, revision.commit_id)
        assert found.profile["columns"][0]["name"] == "a"
        assert repository.view_of_same_data(read, dataset.id, found.fingerprint, view.READER) is found
        assert repository.view_of_same_data(read, dataset.id, found.fingerprint, view.READER + 1) is None


def test_a_failure_gives_way_to_a_ready_view(services, dataset, revision):
    with services.database.write() as write:
        view.save(write, dataset, view.unreadable(dataset.id, revision.commit_id, ERROR, None))
    assert view.find(services, dataset, revision) is None
    assert view.load(services, dataset, revision).num_rows == 2
    assert view.find(services, dataset, revision).error is None


def test_two_that_make_the_same_view_at_once_agree(services, dataset, revision):
    barrier = threading.Barrier(2, timeout=30)
    saved: list[DatasetView] = []

    def make():
        ours = made(services, dataset, revision)
        barrier.wait()
        with services.database.write() as write:
            saved.append(view.save(write, dataset, ours))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [each.rows for each in saved] == [2, 2]


def test_a_commit_queues_one_reading(services, ada, dataset, revision):
    dispatch(services.database, service.HANDLERS)
    with services.database.read() as read:
        assert [job.payload for job in jobs.page(read, ada).items] == [
            {"repo_id": dataset.id, "revision": revision.commit_id}
        ]


def test_views_go_with_their_repo(services, ada, dataset, revision):
    view.ensure(services, dataset, revision)
    with services.database.write() as write:
        hub.delete_repo(write, ada, hub.RepoKind.DATASET, "ada/birds")
    with services.database.read() as read:
        assert repository.view_of(read, dataset.id, revision.commit_id) is None


def test_splits_work_the_same(services, ada, dataset, revision, work):
    spec = SplitSpec({"train": 0.5, "test": 0.5})
    job = work(service.start_split(services, ada, "ada/birds", "main", split_name="default", spec=spec).id)
    assert job.result["counts"] == {"train": 1, "test": 1}
