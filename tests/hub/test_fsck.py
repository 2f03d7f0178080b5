"""Whatever is damaged is found, by name, with the repos that need it; and nothing else is said."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import BlobXorb, GitTree, Repo, RepoXorb, Revision, StoredBlob
from tholos.hub.storage.verification import Report, verify
from tholos.hub.xet import service as xet
from tholos.hub.xet.access import Grant
from tholos.kit.blobs import ObjectKind
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent / "xet"))

from xet_bodies import File, Part, Xorb, shard, stream

REPO = "model ada/penguins"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store_kind(database_kind: str) -> str:
    return "folder" if database_kind == "sqlite" else "bucket"


@pytest.fixture
def filled(services: Services, repo: Repo, ada: Actor) -> Callable[[], Any]:
    """A repo with a small file, a large one and one by Xet."""

    async def run() -> tuple[Xorb, File, bytes]:
        xorb = Xorb([os.urandom(9000), os.urandom(4000)])
        file = File([Part(xorb, 0, 2)])
        grant = Grant(repo.id, "main", may_write=True, key_id=ada.key_id)
        await xet.put_xorb(services, grant, xorb.hash, stream(xorb.body), len(xorb.body))
        xet.register_shard(services, grant, shard(file))
        large = os.urandom(300_000)
        operations = [
            hub.AddBlob("x.bin", file.oid, len(file.content)),
            hub.AddBytes("a/b/large.bin", large),
            hub.AddBytes("README.md", b"hello"),
        ]
        hub.commit(services.database, services.blobs, ada, repo, operations, "Fill")
        return xorb, file, large

    return run


def overwrite(services: Services, kind: ObjectKind, name: str, change: Callable[[bytes], bytes]) -> None:
    """Changes what lies in the store behind the server's back."""
    with services.blobs.open_stored(kind, name) as file:
        data = change(file.read())
    services.blobs.remove(kind, name)
    bucket = getattr(services.blobs, "_bucket", None)
    suffix = f"{name[:2]}/{name[2:4]}/{name}" + (".recipe" if kind == "recipe" else "")
    folder = "xorbs" if kind == "xorb" else "blobs"
    if bucket is not None:
        bucket.put(f"{folder}/{suffix}", data)
    else:
        (services.settings.home / folder / suffix).write_bytes(data)


def found(services: Services, **options: Any) -> tuple[Report, list[tuple[str, str]]]:
    report = verify(services.database, services.blobs, **options)
    return report, [(item.what, item.name) for item in report.damage]


async def test_what_is_whole_is_said_to_be(services: Services, filled: Any):
    await filled()
    for quick in (False, True):
        report = verify(services.database, services.blobs, quick=quick)
        assert report.is_sound, report.damage
        assert report.checked["xorbs"] == 1
        assert report.checked["blobs"] == 4  # with .gitattributes
        assert report.checked["revisions"] == 2
        assert report.to_json()["sound"]


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


async def test_a_flipped_bit_is_found_and_the_repo_named(services: Services, filled: Any):
    xorb, file, large = await filled()
    sha256 = hashlib.sha256(large).hexdigest()
    overwrite(services, "blob", sha256, flipped)
    report, damage = found(services)
    assert damage == [("blob", sha256)]
    assert report.repos[sha256] == [REPO]
    assert found(services, quick=True)[1] == []  # sizes are right
    overwrite(services, "xorb", xorb.hash, flipped)
    _, damage = found(services)
    assert ("xorb", xorb.hash) in damage
    assert ("blob", file.oid) in damage


async def test_what_is_cut_off_or_missing_is_found_even_by_a_quick_look(services: Services, filled: Any):
    xorb, file, large = await filled()
    sha256 = hashlib.sha256(large).hexdigest()
    overwrite(services, "blob", sha256, lambda data: data[:-1])
    assert found(services, quick=True)[1] == [("blob", sha256)]
    services.blobs.remove("blob", sha256)
    services.blobs.remove("xorb", xorb.hash)
    report, damage = found(services, quick=True)
    assert damage == [("xorb", xorb.hash), ("blob", file.oid), ("blob", sha256)] or set(damage) == {
        ("xorb", xorb.hash),
        ("blob", file.oid),
        ("blob", sha256),
    }
    assert all(report.repos[name] == [REPO] for _, name in damage)
    overwritten = report.to_json()
    assert (overwritten["sound"], overwritten["damaged"]) == (False, 3)


async def test_a_broken_record_is_found(services: Services, filled: Any, repo: Repo):
    await filled()
    with services.database.write() as write:
        (inner,) = (tree.oid for tree in write.scalars(select(GitTree)) if b"large.bin" in tree.data)
        write.execute(delete(GitTree).where(GitTree.oid == inner))
    report, damage = found(services)
    assert damage == [("tree", inner)]
    assert report.repos[inner] == [REPO]
    with services.database.write() as write:
        write.execute(update(Revision).where(Revision.message == "Fill").values(raw=b"tree 0\n"))
    assert {what for what, _ in found(services)[1]} == {"tree", "revision"}


async def test_repair_links_what_collection_must_know_and_loses_nothing(
    services: Services, filled: Any, repo: Repo, ada: Actor
):
    xorb, file, _ = await filled()
    with services.database.write() as write:
        write.execute(delete(BlobXorb))
        hub.record_upload(write, repo, services.blobs.put_bytes(b"gone"))
    gone = services.blobs.put_bytes(b"gone").sha256
    services.blobs.remove("blob", gone)
    _, damage = found(services)
    assert set(damage) == {("link", file.oid), ("blob", gone)}
    report, damage = found(services, repair=True)
    assert damage == []
    assert len(report.repaired) == 2
    assert found(services)[1] == []
    with services.database.read() as read:
        assert read.scalars(select(BlobXorb.xorb_hash)).all() == [xorb.hash]
        assert read.get(StoredBlob, gone) is None
        assert read.scalars(select(RepoXorb.xorb_hash)).all() == [xorb.hash]
