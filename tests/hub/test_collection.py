"""Collection takes what nothing leads to, and never what anyone has, names or was just promised."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from tholos.accounts.authorization import Actor
from tholos.accounts.service import create_administrator
from tholos.hub import freshness
from tholos.hub import service as hub
from tholos.hub.freshness import ContentCollected, StagedTooLongAgo, xet_generation
from tholos.hub.models import (
    CollectedObject,
    CollectionState,
    GitBlob,
    GitTree,
    Repo,
    RepoBlob,
    StoredBlob,
    StoredXorb,
    XorbKeyUpload,
    XorbUpload,
)
from tholos.hub.storage import collection as collecting
from tholos.hub.storage import state
from tholos.hub.storage.collection import Collected
from tholos.hub.storage.schedule import enqueue_when_due
from tholos.hub.storage.state import CollectionRunning
from tholos.hub.storage.verification import verify
from tholos.hub.xet import service as xet
from tholos.hub.xet.access import Grant
from tholos.hub.xet.xorbs import XorbReader
from tholos.jobs.models import Job, JobState
from tholos.kit.blobs import XorbIndex
from tholos.kit.services import Services
from tholos.migrations import metadata

sys.path.insert(0, str(Path(__file__).parent / "xet"))

from xet_bodies import File, Part, Xorb, shard, stream

BLOBS = "/api/v1/models/ada/penguins/blobs"


@pytest.fixture(params=[("sqlite", "folder"), ("postgresql", "bucket")], ids=["sqlite-folder", "postgresql-bucket"])
def pair(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def database_kind(pair: Any) -> str:
    return str(pair[0])


@pytest.fixture
def store_kind(pair: Any) -> str:
    return str(pair[1])


@pytest.fixture(autouse=True)
def _clocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "CLOCK_SKEW", timedelta(0))


@pytest.fixture
def collect(services: Services, admin: Actor) -> Callable[..., Collected]:
    def run(grace_s: float = 0, **options: Any) -> Collected:
        if grace_s == 0 and services.settings.blob_store != "file":
            grace_s = -2  # a bucket's clock has whole seconds
        return collecting.collect(services.database, services.blobs, admin, grace_s=grace_s, **options)

    return run


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def later(services: Services) -> None:
    """What the horizon was set to by a collection in the future lets nothing land: back to now."""
    with services.database.write() as write:
        write.execute(update(CollectionState).values(horizon=freshness.utcnow() - timedelta(seconds=1)))
        write.execute(update(CollectedObject).values(removed_at=freshness.utcnow() - timedelta(seconds=1)))


def test_what_is_committed_stays_and_what_is_not_goes(
    services: Services, commit: Callable[..., Any], as_ada: TestClient, collect: Callable[..., Collected], files: Any
):
    commit(hub.AddBytes("a/b.txt", b"kept"), hub.AddBytes("large.bin", os.urandom(200_000)))
    commit(hub.Delete("large.bin"))  # revisions stay, so does what they hold
    before = files("main")
    stray = services.blobs.put_bytes(b"a stray")
    orphan = b"never committed"
    as_ada.put(f"{BLOBS}/{sha(orphan)}", content=orphan).raise_for_status()
    assert collect(3600).blobs == 0
    promised = collect(dry_run=True)
    assert (promised.blobs, promised.possessions, promised.strays) == (1, 1, 1)
    assert promised.freed_bytes == len(orphan) + len(b"a stray")
    assert services.blobs.exists(sha(orphan))
    found = collect()
    assert (found.blobs, found.possessions, found.strays) == (1, 1, 1)
    assert found.freed_bytes == promised.freed_bytes
    assert not services.blobs.exists(sha(orphan))
    assert not services.blobs.exists(stray.sha256)
    assert as_ada.head(f"{BLOBS}/{sha(orphan)}").status_code == 404
    assert files("main") == before
    assert verify(services.database, services.blobs).is_sound
    again = collect()
    assert (again.blobs, again.strays, again.freed_bytes) == (0, 0, 0)


def test_a_deleted_repo_leaves_nothing(
    services: Services, commit: Callable[..., Any], ada: Actor, collect: Callable[..., Collected]
):
    hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/other")
    content = os.urandom(1000)
    commit(hub.AddBytes("folder/own.bin", content))
    with services.database.write() as write:
        hub.delete_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins")
    found = collect()
    assert found.folders == 2
    assert found.files == 1
    assert found.blobs == 1
    assert not services.blobs.exists(sha(content))
    with services.database.read() as read:
        assert len(read.scalars(select(GitTree.oid)).all()) == 1  # the other repo's first commit
        assert len(read.scalars(select(GitBlob.oid)).all()) == 1
    assert verify(services.database, services.blobs).is_sound


@pytest.mark.parametrize("rewrite", [False, True])
def test_what_was_deleted_for_good_frees_its_bytes(
    services: Services,
    repo: Repo,
    commit: Callable[..., Any],
    ada: Actor,
    as_ada: TestClient,
    collect: Callable[..., Collected],
    files: Any,
    rewrite: bool,
):
    doomed, shared = os.urandom(20_000), os.urandom(10_000)
    first = commit(hub.AddBytes("a.bin", doomed), hub.AddBytes("b.bin", shared), hub.AddBytes("c.txt", b"small"))
    other = hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/other")
    hub.commit(services.database, services.blobs, ada, other, [hub.AddBytes("b.bin", shared)], "Share")
    gone = [sha(doomed), sha(shared)]
    assert hub.delete_lfs_files(services, ada, hub.RepoKind.MODEL, "ada/penguins", gone, rewrite=rewrite) == 2
    assert verify(services.database, services.blobs).is_sound
    promised = collect(dry_run=True)
    found = collect()
    assert (found.blobs, found.freed_bytes) == (1, len(doomed))
    assert (promised.blobs, promised.freed_bytes) == (1, len(doomed))
    assert not services.blobs.exists(sha(doomed))
    assert services.blobs.exists(sha(shared))
    report = verify(services.database, services.blobs)
    assert report.is_sound, report.damage
    answer = as_ada.get(f"/api/v1/models/ada/penguins/files/{first.commit_id}/a.bin")
    assert answer.json()["error"]["code"] == "content_deleted"
    assert as_ada.get(f"/api/v1/models/ada/penguins/tree/{first.commit_id}").status_code == 200
    later(services)
    commit(hub.AddBytes("again.bin", doomed))  # whoever has the bytes may bring them back
    assert files("main")["again.bin"] == doomed
    assert verify(services.database, services.blobs).is_sound


def test_content_goes_though_a_limited_token_sent_its_xorb(
    services: Services, repo: Repo, ada: Actor, collect: Callable[..., Collected]
):
    """What was noted about who sent a xorb goes with it, and does not keep it."""
    xorb = Xorb([os.urandom(5000)])
    now = freshness.utcnow() - timedelta(days=1)
    services.blobs.put_bytes(b"unrelated")
    with services.blobs.xorbs.writer() as writer:
        writer.write(xorb.body)
        writer.finish(xorb.hash, _index_of(xorb))
    with services.database.write() as write:
        write.add(
            StoredXorb(
                hash=xorb.hash,
                size=len(xorb.body),
                raw_bytes=5000,
                chunks=1,
                created_at=now,
                acknowledged_at=now,
            )
        )
        write.flush()
        write.add(XorbUpload(account_id=ada.account_id, xorb_hash=xorb.hash, size=len(xorb.body)))
        write.add(XorbKeyUpload(key_id=ada.key_id, xorb_hash=xorb.hash, size=len(xorb.body)))
    collect()
    later(services)
    assert collect().xorbs == 1
    with services.database.read() as read:
        assert read.scalars(select(XorbUpload)).all() == []
        assert read.scalars(select(XorbKeyUpload)).all() == []


def _index_of(xorb: Xorb) -> XorbIndex:
    reader = XorbReader()
    reader.feed(xorb.body)
    return reader.finish(xorb.hash)


def test_every_column_with_a_contents_name_says_whether_it_keeps_it():
    """A column that names content by SHA-256 and is not known to marking would lose it."""
    about_content = {
        ("blobs", "sha256"),
        ("git_blobs", "sha256"),  # alive where a repo possesses it
        ("file_scans", "sha256"),  # what a scan found is true of the content wherever it is
        ("repo_promises", "sha256"),  # is not here yet
    }
    unknown = {
        (table.name, column.name)
        for table in metadata().tables.values()
        for column in table.columns
        if "sha256" in column.name
        and not any(key.target_fullname == "blobs.sha256" for key in column.foreign_keys)
        and not column.info.get("names_content")
    }
    assert unknown <= about_content


def test_what_was_promised_is_fresh(services: Services, repo: Repo, as_ada: TestClient, collect: Any):
    data = b"soon committed"
    as_ada.put(f"{BLOBS}/{sha(data)}", content=data).raise_for_status()
    long_ago = freshness.utcnow() - timedelta(days=30)
    with services.database.write() as write:
        for table in (RepoBlob, StoredBlob):
            write.execute(update(table).values(fresh_at=long_ago))
    assert as_ada.head(f"{BLOBS}/{sha(data)}").status_code == 200
    assert collect(3600).blobs == 0
    assert services.blobs.exists(sha(data))


def test_a_commit_that_staged_before_the_horizon_does_not_land(
    services: Services, repo: Repo, ada: Actor, collect: Callable[..., Collected], files: Any
):
    prepared = hub.prepare_commit(
        services.database, services.blobs, ada, repo, [hub.AddBytes("x/y.txt", b"staged")], "Late"
    )
    assert collect(3600).files == 0
    assert collect().files == 1
    with services.database.write() as write, pytest.raises(StagedTooLongAgo):
        hub.land(write, prepared)
    assert files("main") == {}
    later(services)
    hub.commit(services.database, services.blobs, ada, repo, [hub.AddBytes("x/y.txt", b"staged")], "Again")
    assert files("main") == {"x/y.txt": b"staged"}
    assert verify(services.database, services.blobs).is_sound


def test_an_upload_that_found_what_was_being_removed_is_refused(
    services: Services, repo: Repo, as_ada: TestClient, collect: Callable[..., Collected], monkeypatch: Any
):
    data = b"again"
    as_ada.put(f"{BLOBS}/{sha(data)}", content=data).raise_for_status()
    found_there = services.blobs.put_bytes(data)
    remove = services.blobs.remove
    seen: list[int] = []

    def removing(kind: Any, name: str) -> None:
        if kind == "blob" and name == sha(data):  # the row has gone, the file has not
            with services.database.write() as write:
                with pytest.raises(ContentCollected):
                    hub.record_upload(write, repo, found_there)
                write.rollback()
            seen.append(1)
        remove(kind, name)

    monkeypatch.setattr(services.blobs, "remove", removing)
    assert collect().blobs == 1
    assert seen
    with services.database.write() as write, pytest.raises(ContentCollected):
        hub.record_upload(write, repo, found_there)
    later(services)
    assert as_ada.put(f"{BLOBS}/{sha(data)}", content=data).status_code == 201
    with services.blobs.open(sha(data)) as file:
        assert file.read() == data


def test_a_collection_that_was_killed_is_finished_by_the_next(
    services: Services, as_ada: TestClient, repo: Repo, collect: Callable[..., Collected], monkeypatch: Any
):
    data = b"half removed"
    as_ada.put(f"{BLOBS}/{sha(data)}", content=data).raise_for_status()
    with monkeypatch.context() as patch:
        patch.setattr(services.blobs, "remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            collect()
    assert services.blobs.exists(sha(data))
    collect()
    assert not services.blobs.exists(sha(data))


def test_one_at_a_time(services: Services, collect: Callable[..., Collected]):
    holder, _, _ = state.begin(services.database, 3600)
    with pytest.raises(CollectionRunning):
        collect(3600)
    state.end(services.database, holder, finished=False)
    collect(3600)


async def test_acknowledged_xorbs_go_a_generation_later(
    services: Services, repo: Repo, ada: Actor, collect: Callable[..., Collected]
):
    grant = Grant(repo.id, "main", may_write=True, key_id=ada.key_id)
    used, unused = Xorb([os.urandom(9000)]), Xorb([os.urandom(7000)])
    for xorb in (used, unused):
        await xet.put_xorb(services, grant, xorb.hash, stream(xorb.body), len(xorb.body))
    file = File([Part(used, 0, 1)])
    xet.register_shard(services, grant, shard(file))
    hub.commit(
        services.database,
        services.blobs,
        ada,
        repo,
        [hub.AddBlob("model.bin", file.oid, len(file.content))],
        "By Xet",
    )
    with services.database.read() as read:
        before = xet_generation(read)
    first = collect()
    assert (first.xorbs, first.waiting_xorbs, first.generation) == (0, 1, before + 1)
    assert services.blobs.xorbs.exists(unused.hash)
    with services.database.read() as read:
        assert xet_generation(read) == before + 1
    later(services)
    assert collect(3600).xorbs == 0
    second = collect()
    assert (second.xorbs, second.waiting_xorbs) == (1, 0)
    assert not services.blobs.xorbs.exists(unused.hash)
    assert services.blobs.xorbs.exists(used.hash)
    with services.blobs.open(file.oid) as content:
        assert content.read() == file.content
    later(services)
    await xet.put_xorb(services, grant, unused.hash, stream(unused.body), len(unused.body))
    assert services.blobs.xorbs.exists(unused.hash)
    with services.database.write() as write:
        hub.delete_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins")
    collect()
    collect()
    with services.database.read() as read:
        assert read.scalars(select(StoredXorb.hash)).all() == []
        assert read.scalars(select(StoredBlob.sha256)).all() == []
    assert list(services.blobs.listing()) == []


def test_commits_go_on_while_it_collects(services: Services, repo: Repo, ada: Actor, admin: Actor, files: Any):
    """Deleted and committed again all the time, so that each content is garbage, fresh, and in use by turns."""
    over = threading.Event()
    problems: list[BaseException] = []

    def gather() -> None:
        while not over.is_set():
            try:
                collecting.collect(services.database, services.blobs, admin, grace_s=0.2)
            except BaseException as error:  # the test fails with it
                problems.append(error)
                return

    thread = threading.Thread(target=gather)
    thread.start()
    expected: dict[str, bytes] = {}
    try:
        for number in range(12):
            content = f"content {number % 3}".encode()
            try:
                other = hub.ensure_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/brief")
                hub.commit(services.database, services.blobs, ada, other, [hub.AddBytes("f/a.txt", content)], "Add")
                with services.database.write() as write:
                    hub.delete_repo(write, ada, hub.RepoKind.MODEL, "ada/brief")
                hub.commit(
                    services.database, services.blobs, ada, repo, [hub.AddBytes(f"f/{number}.txt", content)], "Keep"
                )
                expected[f"f/{number}.txt"] = content
            except (StagedTooLongAgo, ContentCollected):  # said, and nothing half there
                continue
    finally:
        over.set()
        thread.join()
    assert not problems
    assert files("main") == expected
    assert expected
    assert verify(services.database, services.blobs).is_sound


@pytest.mark.parametrize("pair", [("sqlite", "folder")])
def test_by_itself_when_it_is_due(services: Services):
    def due(every_s: float) -> list[Job]:
        with services.database.write() as write:
            return enqueue_when_due(write, services.settings.model_copy(update={"gc_every_s": every_s}))

    assert due(3600) == []  # nobody yet in whose name
    with services.database.write() as write:
        create_administrator(write)
    assert [(job.kind, job.payload) for job in due(3600)] == [("hub.collect", {"dry_run": False})]
    assert due(3600) == []  # one is enough
    with services.database.write() as write:
        write.execute(update(Job).values(state=JobState.SUCCEEDED))
    holder, _, _ = state.begin(services.database, 3600)
    state.end(services.database, holder, finished=True)
    assert due(3600) == due(0) == []
    assert len(due(1e-6)) == 1


@pytest.mark.parametrize("pair", [("sqlite", "folder")])
def test_only_administrators(anyone: TestClient, as_ada: TestClient, admin_token: str):
    for path in ("/api/v1/hub/collect", "/api/v1/hub/fsck"):
        assert anyone.post(path, json={}).status_code == 401
        assert as_ada.post(path, json={}).status_code == 403
        as_admin = {"authorization": f"Bearer {admin_token}"}
        started = anyone.post(path, json={}, headers=as_admin)
        assert (started.status_code, started.json()["state"]) == (202, "queued")
        assert anyone.post(path, json={"no": 1}, headers=as_admin).status_code == 400
