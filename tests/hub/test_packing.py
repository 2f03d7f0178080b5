"""What came whole is packed: nothing of it changes, versions of a repo share chunks, and repos share nothing."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import BlobXorb, Repo, RepoXorb, StoredBlob, StoredXorb
from tholos.hub.names import RepoKind
from tholos.hub.storage import collection as collecting
from tholos.hub.storage import packing, state
from tholos.hub.storage.packing import Packed
from tholos.hub.storage.schedule import enqueue_when_due
from tholos.hub.storage.verification import verify
from tholos.hub.xet import repository as xet
from tholos.hub.xet import service as xet_service
from tholos.hub.xet.access import Grant
from tholos.hub.xet.chunking import chunk_file
from tholos.jobs.models import Job, JobState
from tholos.kit.clock import utcnow
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent / "xet"))

from xet_bodies import stream

MIB = 1 << 20
Pack = Callable[..., Packed]


@pytest.fixture(params=[("sqlite", "folder"), ("postgresql", "bucket")], ids=["sqlite-folder", "postgresql-bucket"])
def pair(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def database_kind(pair: Any) -> str:
    return str(pair[0])


@pytest.fixture
def store_kind(pair: Any) -> str:
    return str(pair[1])


@pytest.fixture
def pack(services: Services, tmp_path: Path) -> Pack:
    def run(**options: Any) -> Packed:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        chosen: dict[str, Any] = {"min_bytes": MIB, "readers_s": 3600, "room": lambda: 1 << 40, "scratch": scratch}
        found = packing.pack(services.database, services.blobs, **(chosen | options))
        assert not list(scratch.iterdir())
        return found

    return run


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def edited(data: bytes) -> bytes:
    """A few bytes inserted, changed and cut out."""
    third = len(data) // 3
    return data[:third] + b"inserted" + data[third : 2 * third] + b"changed" + data[2 * third + 7 : -100]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def lies(services: Services, data: bytes) -> set[str]:
    return {item.kind for item in services.blobs.listing() if item.name == sha(data)}


def let_go(pack: Pack) -> int:
    """Runs until the whole files are gone; returns how many went."""
    return sum(pack(readers_s=-5).released for _ in range(3))  # lays a recipe that was not laid, retires, removes


def usage(services: Services, repo: Repo) -> tuple[int, int]:
    with services.database.read() as read:
        return xet.own_usage(read, select(Repo.id).where(Repo.id == repo.id))


def test_versions_share_what_they_have_in_common(
    services: Services, commit: Callable[..., Any], files: Any, pack: Pack, as_ada: TestClient, repo: Repo
):
    first = noise(6 * MIB)
    second = edited(first)
    commit(hub.AddBytes("weights.bin", first), hub.AddBytes("small.bin", noise(MIB - 1, 1)))
    assert pack().files == 1
    commit(hub.AddBytes("weights.bin", second), hub.AddBytes("again.bin", edited(second)))
    before = files()
    found = pack()
    assert (found.files, found.passed_over, found.waiting) == (2, 0, 3)
    assert found.bytes == len(second) + len(edited(second))
    assert found.stored_bytes < found.bytes / 5  # three places in each were edited, chunks have 64 KiB
    assert lies(services, first) == {"blob", "recipe"}
    assert pack() == Packed(waiting=3, waiting_bytes=len(first) + found.bytes)  # nobody waits for what is done
    given = services.blobs.path(sha(first))
    runs = [pack(readers_s=-5)]
    assert given.read_bytes() == first
    assert services.blobs.path(sha(first)).parents[2].name == "cache"  # whoever asks now is given a copy
    runs.append(pack(readers_s=-5))
    assert sum(run.released for run in runs) == 3
    assert sum(run.released_bytes for run in runs) == len(first) + found.bytes
    for data in (first, second, edited(second)):
        assert lies(services, data) == {"recipe"}
    address = "/api/v1/models/ada/penguins/files/main/weights.bin"
    assert as_ada.get(address, headers={"range": "bytes=3000000-"}).content == second[3_000_000:]
    assert files() == before
    logical, stored = usage(services, repo)
    assert logical > 19 * MIB
    assert stored < 9 * MIB
    assert verify(services.database, services.blobs).is_sound
    assert pack() == Packed()


def test_it_is_cut_as_clients_cut(
    services: Services, commit: Callable[..., Any], pack: Pack, repo: Repo, tmp_path: Path
):
    import hf_xet

    data = noise(3 * MIB) + b"text " * 300_000
    commit(hub.AddBytes("weights.bin", data))
    pack()
    (tmp_path / "weights.bin").write_bytes(data)
    (expected,) = hf_xet.hash_files([str(tmp_path / "weights.bin")])
    with services.database.read() as read:
        assert xet.own_xet_hashes(read, repo.id, [sha(data)]) == {sha(data): expected.hash}
        assert read.scalar(select(StoredBlob.xet_hash).where(StoredBlob.sha256 == sha(data))) == expected.hash
    assert usage(services, repo)[1] < 3.2 * MIB  # the text is compressed


async def test_what_came_by_chunks_is_shared_with_what_comes_whole(
    services: Services, commit: Callable[..., Any], pack: Pack, repo: Repo, ada: Actor, tmp_path: Path
):
    data = noise(4 * MIB)
    (tmp_path / "file").write_bytes(data)
    (tmp_path / "cut").mkdir()
    cut = chunk_file(tmp_path / "file", sha(data), tmp_path / "cut")
    grant = Grant(repo.id, "main", may_write=True, key_id=ada.key_id)
    for xorb, path in cut.xorbs.items():
        await xet_service.put_xorb(services, grant, xorb, stream(path.read_bytes()), path.stat().st_size)
    (sent,) = (tmp_path / "cut").rglob("shards/*.mdb")
    xet_service.register_shard(services, grant, sent.read_bytes())
    commit(hub.AddBytes("weights.bin", edited(data)))
    found = pack()
    assert found.files == 1
    assert found.stored_bytes < len(data) / 5


def test_repos_share_nothing(services: Services, commit: Callable[..., Any], ada: Actor, pack: Pack, repo: Repo):
    """Whether others have the same content makes no difference in what a repo's owner sees."""
    first, second = noise(3 * MIB), edited(noise(3 * MIB))
    commit(hub.AddBytes("weights.bin", first))
    other = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/other")
    operations = [hub.AddBytes("copy.bin", first), hub.AddBytes("weights.bin", second)]
    hub.commit(services.database, services.blobs, ada, other, operations, "Both")
    alone = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/alone")
    hub.commit(services.database, services.blobs, ada, alone, [hub.AddBytes("weights.bin", second)], "One")
    assert pack().files == 4
    with services.database.read() as read:
        held = {
            each.id: set(read.scalars(select(RepoXorb.xorb_hash).where(RepoXorb.repo_id == each.id)))
            for each in (repo, other, alone)
        }
    assert not held[repo.id] & held[alone.id]
    assert usage(services, repo)[1] >= len(first)
    assert usage(services, alone)[1] >= len(second)
    assert usage(services, other)[1] < 1.3 * len(first)
    # and what a deleted repo held alone goes with it, while the others' stays
    with services.database.write() as write:
        hub.delete_repo(write, ada, other.kind, other.full_name)
    let_go(pack)
    collecting.collect(services.database, services.blobs, ada, grace_s=-5)
    assert verify(services.database, services.blobs).is_sound
    for data in (first, second):
        with services.blobs.open(sha(data)) as file:
            assert file.read() == data


@pytest.mark.parametrize("moment", ["chunk_file", "check_sha256", "note_xorb", "keep_own_recipe", "lay_recipe"])
def test_killed_anywhere_it_goes_on(
    services: Services, commit: Callable[..., Any], pack: Pack, moment: str, monkeypatch: pytest.MonkeyPatch
):
    data = noise(2 * MIB)
    commit(hub.AddBytes("weights.bin", data))
    places = {"note_xorb": xet, "keep_own_recipe": xet, "lay_recipe": services.blobs}

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(places.get(moment, packing), moment, die)
        with pytest.raises(Killed):
            pack()
    assert lies(services, data) == {"blob"}
    assert verify(services.database, services.blobs).is_sound
    pack()
    assert let_go(pack) == 1
    assert lies(services, data) == {"recipe"}
    with services.blobs.open(sha(data)) as file:
        assert file.read() == data
    assert verify(services.database, services.blobs).is_sound


def test_a_damaged_file_is_passed_over(services: Services, commit: Callable[..., Any], pack: Pack, pair: Any):
    if pair[1] == "bucket":
        pytest.skip("a bucket's files cannot be damaged from here")
    good, bad = noise(2 * MIB), noise(2 * MIB, 1)
    commit(hub.AddBytes("good.bin", good), hub.AddBytes("bad.bin", bad))
    path = services.blobs.path(sha(bad))
    path.write_bytes(bad[:-1] + bytes([bad[-1] ^ 1]))
    found = pack()
    assert (found.files, found.passed_over) == (1, 1)
    assert lies(services, bad) == {"blob"}
    path.write_bytes(bad)
    assert pack().files == 1
    assert verify(services.database, services.blobs).is_sound


def test_a_full_disk_is_left_alone(services: Services, commit: Callable[..., Any], pack: Pack):
    data = noise(2 * MIB)
    commit(hub.AddBytes("weights.bin", data))
    found = pack(room=lambda: 3 * MIB)
    assert (found.files, found.passed_over) == (0, 1)
    assert lies(services, data) == {"blob"}


def test_a_whole_file_stays_while_something_collects_or_its_recipe_is_not_served(
    services: Services, commit: Callable[..., Any], pack: Pack
):
    data = noise(2 * MIB)
    commit(hub.AddBytes("weights.bin", data))
    pack()
    holder = state.lease(services.database)
    assert pack(readers_s=-5).released == 0
    state.end(services.database, holder, finished=False)
    services.blobs.remove("recipe", sha(data))
    assert pack(readers_s=-5).released == 0
    assert lies(services, data) == {"blob", "recipe"}  # laid anew
    with services.database.read() as read:
        xorb = read.scalars(select(BlobXorb.xorb_hash)).one()
    services.blobs.remove("xorb", xorb)
    assert pack(readers_s=-5).released == 0
    with services.blobs.open(sha(data)) as file:
        assert file.read() == data


def test_a_recipe_that_rotted_does_not_outlive_a_good_file(
    services: Services, commit: Callable[..., Any], ada: Actor, pack: Pack, repo: Repo, pair: Any
):
    """Content is served by one repo's recipe; another repo brings it again, whole, and holds some of its chunks."""
    if pair[1] == "bucket":
        pytest.skip("a bucket's files cannot be damaged from here")
    data = noise(3 * MIB)
    commit(hub.AddBytes("weights.bin", data))
    pack()
    assert let_go(pack) == 1
    with services.database.read() as read:
        (xorb,) = read.scalars(select(RepoXorb.xorb_hash).where(RepoXorb.repo_id == repo.id)).all()
    path = services.blobs.xorbs.path(xorb)  # type: ignore[attr-defined]
    rotten = bytearray(path.read_bytes())
    rotten[1_000_000] ^= 1
    path.write_bytes(rotten)
    other = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/other")
    hub.commit(services.database, services.blobs, ada, other, [hub.AddBytes("part.bin", data[: 2 * MIB])], "Part")
    pack()
    services.blobs.put_bytes(data)
    hub.commit(services.database, services.blobs, ada, other, [hub.AddBytes("weights.bin", data)], "All")
    for _ in range(2):
        pack()
        let_go(pack)
    with services.blobs.open(sha(data)) as file:
        assert file.read() == data


def test_chunks_that_the_repo_has_lost_meanwhile_are_not_used(
    services: Services, commit: Callable[..., Any], pack: Pack, repo: Repo, monkeypatch: pytest.MonkeyPatch
):
    first = noise(2 * MIB)
    commit(hub.AddBytes("weights.bin", first))
    pack()
    commit(hub.AddBytes("weights.bin", edited(first)))
    held = xet.held_xorbs

    def lose(write: Any, xorbs: Any) -> set[str]:
        write.execute(delete(RepoXorb).where(RepoXorb.repo_id == repo.id))
        return held(write, xorbs)

    with monkeypatch.context() as patched:
        patched.setattr(xet, "held_xorbs", lose)
        assert pack().passed_over == 1
    assert pack().files == 1
    assert {damage.what for damage in verify(services.database, services.blobs).damage} <= {"recipe"}  # of the first


def test_what_a_proposal_shares_with_gated_files_is_not_told(
    services: Services, commit: Callable[..., Any], ada: Actor, repo: Repo, as_ada: TestClient, as_bob: TestClient
):
    commit(hub.AddBytes("weights.bin", b"x"))
    with services.database.write() as write:
        hub.update_repo(write, ada, repo.kind, repo.full_name, visibility="public", gated="manual")
    address = "/api/v1/models/ada/penguins/usage"
    assert as_ada.get(address).status_code == 200
    assert as_bob.get(address).json()["error"]["code"] == "gated_repo"


def test_collection_keeps_what_is_packed(services: Services, commit: Callable[..., Any], ada: Actor, pack: Pack):
    data = noise(2 * MIB)
    commit(hub.AddBytes("weights.bin", data))
    pack()
    with services.database.write() as write:  # long ago
        write.execute(update(StoredXorb).values(acknowledged_at=utcnow() - timedelta(days=30)))
    for _ in range(2):
        collecting.collect(services.database, services.blobs, ada, grace_s=-5)
    assert let_go(pack) == 1
    assert verify(services.database, services.blobs).is_sound
    with services.blobs.open(sha(data)) as file:
        assert file.read() == data


def test_by_itself_when_there_is_something_to_do(services: Services, commit: Callable[..., Any], admin: Actor):
    settings = services.settings

    def due(**changes: Any) -> list[str]:
        with services.database.write() as write:
            return [job.kind for job in enqueue_when_due(write, settings.model_copy(update=changes))]

    assert due() == []
    commit(hub.AddBytes("weights.bin", noise(2 * MIB)))
    assert due() == []  # it is young: more may come
    assert due(gc_grace_s=-5.0, pack_every_s=0.0) == []
    assert due(gc_grace_s=-5.0) == ["hub.pack"]
    assert due(gc_grace_s=-5.0) == []
    with services.database.write() as write:
        write.execute(update(Job).values(state=JobState.SUCCEEDED))
    assert due(gc_grace_s=-5.0) == []
    assert due(gc_grace_s=-5.0, pack_every_s=1e-6) == ["hub.pack"]


def test_by_rest(as_ada: TestClient, anyone: TestClient, admin_token: str):
    assert anyone.post("/api/v1/hub/pack").status_code == 401
    assert as_ada.post("/api/v1/hub/pack").status_code == 403
    started = anyone.post("/api/v1/hub/pack", headers={"authorization": f"Bearer {admin_token}"})
    assert (started.status_code, started.json()["kind"]) == (202, "hub.pack")
