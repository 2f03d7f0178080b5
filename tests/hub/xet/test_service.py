from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import select
from xet_bodies import File, Part, Xorb, shard, some_xorb, stream

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.accounts.errors import InvalidToken
from tholos.hub import service as hub
from tholos.hub.downloads import ByteRange
from tholos.hub.errors import BlobTooLarge, RepoNotFound
from tholos.hub.models import BlobXorb, Repo, RepoBlob, RepoXetFile, RepoXorb, StoredBlob, StoredXorb
from tholos.hub.names import RepoKind
from tholos.hub.repository import possessed
from tholos.hub.xet import service, statistics, verification
from tholos.hub.xet.access import Grant
from tholos.hub.xet.errors import InvalidShard, InvalidXorb, ShardTooLarge, XetFileNotFound
from tholos.hub.xet.reconstruction import file_recipe, reconstruction
from tholos.kit.blobs import XorbNotFound
from tholos.kit.blobs.chunks import decode_run
from tholos.kit.errors import Forbidden
from tholos.kit.services import Services

Send = Callable[..., Awaitable[None]]
A, B = some_xorb(1, chunks=40), some_xorb(2, chunks=30)
FILE = File([Part(A, 3, 30), Part(B, 0, 30), Part(A, 5, 6)])


async def test_a_file_arrives_as_chunks_and_is_read_back(services: Services, grant: Grant, send: Send, repo: Repo):
    await send(grant, A)
    await send(grant, B)
    blobs = service.register_shard(services, grant, shard(FILE, xorbs=[A, B]))
    assert [(blob.sha256, blob.size) for blob in blobs] == [(FILE.oid, len(FILE.content))]
    with services.blobs.open(FILE.oid) as file:
        assert file.read() == FILE.content
        for start, end in ((0, 1), (5, 70_000), (len(FILE.content) - 3, len(FILE.content))):
            file.seek(start)
            assert file.read(end - start) == FILE.content[start:end]
        assert (file.seek(0, os.SEEK_END), file.read(1)) == (len(FILE.content), b"")
    assert services.blobs.path(FILE.oid).read_bytes() == FILE.content
    with services.database.read() as read:
        assert possessed(read, repo.id, [FILE.oid])[FILE.oid].xet_hash == FILE.hash
        assert set(read.scalars(select(BlobXorb.xorb_hash))) == {A.hash, B.hash}


async def test_sending_it_all_again_changes_nothing(services: Services, grant: Grant, send: Send):
    for _ in range(2):
        await send(grant, A)
        await send(grant, B)
        service.register_shard(services, grant, shard(FILE))
    other = Xorb(A.chunks, schemes=[0])  # the same chunks, compressed otherwise: readers hold ranges of the first
    await send(grant, other)
    with services.blobs.open(FILE.oid) as file:
        assert file.read() == FILE.content
    assert services.blobs.xorbs.index(A.hash).size == len(A.body) != len(other.body)


async def test_a_xorb_under_another_name_is_not_kept(services: Services, grant: Grant, send: Send):
    with pytest.raises(InvalidXorb):
        await send(grant, A, name=B.hash)
    with pytest.raises(InvalidXorb):
        await send(grant, A, body=A.body[:-1])
    assert not services.blobs.xorbs.exists(A.hash)
    assert not services.blobs.xorbs.exists(B.hash)
    assert list((services.settings.blobs_dir / "incoming").iterdir()) == []
    with services.database.read() as read:
        assert read.scalars(select(StoredXorb)).all() == []


LIES = {
    "a SHA-256 of other bytes": File(FILE.parts, sha256=hashlib.sha256(b"other").hexdigest()),
    "a file hash of other chunks": File(FILE.parts, xet_hash="1" * 64),
    "a wrong length": File([replace(FILE.parts[0], length=5)]),
    "no proof": File([replace(FILE.parts[0], proof=b"\1" * 32)]),
    "chunks past the end": File([Part(Xorb([*A.chunks, b"more"]), 0, 41, name=A.hash)]),
    "an empty range": File([Part(A, 4, 4)]),
    "a xorb that nobody sent": File([Part(some_xorb(3), 0, 2)]),
    "terms in another order": File(FILE.parts, xet_hash=File(FILE.parts[::-1]).hash),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_shard_that_lies_links_nothing(services: Services, grant: Grant, send: Send, lie: str, repo: Repo):
    await send(grant, A)
    await send(grant, B)
    honest = File([Part(B, 0, 2)])
    with pytest.raises(InvalidShard):
        service.register_shard(services, grant, shard(honest, LIES[lie]))
    with services.database.read() as read:
        assert possessed(read, repo.id, [honest.oid, LIES[lie].oid, LIES[lie].sha256 or honest.oid]) == {}
        assert read.scalars(select(BlobXorb)).all() == []


async def test_another_tenants_chunks_cannot_be_named(
    services: Services, grant: Grant, bobs_grant: Grant, send: Send, ada: Actor
):
    await send(grant, A)
    await send(grant, B)
    service.register_shard(services, grant, shard(FILE))
    # Bob knows every hash and proof, but never sent the bytes: he learns what he would of a xorb that is not there
    with pytest.raises(InvalidShard) as refused:
        service.register_shard(services, bobs_grant, shard(FILE))
    assert "which you did not upload" in refused.value.message
    with pytest.raises(XetFileNotFound):
        file_recipe(services, bobs_grant, FILE.hash)
    await send(bobs_grant, A)
    await send(bobs_grant, B)
    service.register_shard(services, bobs_grant, shard(FILE))
    assert file_recipe(services, bobs_grant, FILE.hash).size == len(FILE.content)


async def test_what_is_shared_is_stored_once(services: Services, grant: Grant, send: Send, repo: Repo, ada: Actor):
    with services.database.read() as read:
        before = statistics.repo_usage(read, repo.id)
    await send(grant, A)
    files = [File([Part(A, 0, end)]) for end in (10, 20, 40)]
    service.register_shard(services, grant, shard(*files))
    with services.database.read() as read:
        usage = statistics.repo_usage(read, repo.id)
        assert usage.logical_bytes - before.logical_bytes == sum(len(file.content) for file in files)
        assert usage.stored_bytes - before.stored_bytes == len(A.body)
        assert statistics.account_usage(read, ada.account_id) == usage == statistics.total_usage(read)


async def test_a_whole_file_that_is_there_stays_as_it_is(services: Services, grant: Grant, send: Send, repo: Repo):
    services.blobs.put_bytes(FILE.content)
    await send(grant, A)
    await send(grant, B)
    service.register_shard(services, grant, shard(FILE))
    assert services.blobs.recipe(FILE.oid) is None
    with services.database.read() as read:
        assert possessed(read, repo.id, [FILE.oid])[FILE.oid].xet_hash is None  # so Xet is not offered for it


async def test_one_file_cut_in_two_ways_keeps_the_chunks_of_the_first(
    services: Services, grant: Grant, send: Send, repo: Repo
):
    data = os.urandom(9000)
    first, second = Xorb([data]), Xorb([data[:4000], data[4000:]])
    await send(grant, first)
    await send(grant, second)
    service.register_shard(services, grant, shard(File([Part(first, 0, 1)])))
    service.register_shard(services, grant, shard(File([Part(second, 0, 2)])))
    with services.database.read() as read:
        assert set(read.scalars(select(BlobXorb.xorb_hash))) == {first.hash}
        assert read.scalars(select(StoredBlob.xet_hash).where(StoredBlob.size == 9000)).all() == [
            File([Part(first, 0, 1)]).hash
        ]


async def test_a_recipe_that_outlived_its_xorbs_is_replaced(services: Services, grant: Grant, send: Send):
    data = os.urandom(9000)
    first, second = Xorb([data]), Xorb([data[:4000], data[4000:]])
    await send(grant, first)
    service.register_shard(services, grant, shard(File([Part(first, 0, 1)])))
    services.blobs.remove("xorb", first.hash)
    await send(grant, second)
    service.register_shard(services, grant, shard(File([Part(second, 0, 2)])))
    with services.blobs.open(hashlib.sha256(data).hexdigest()) as file:
        assert file.read() == data


async def test_a_reconstruction_gives_exactly_the_range(services: Services, grant: Grant, send: Send):
    await send(grant, A)
    await send(grant, B)
    service.register_shard(services, grant, shard(FILE))
    recipe, size = file_recipe(services, grant, FILE.hash), len(FILE.content)
    bodies = {A.hash: A.body, B.hash: B.body}
    for start, end in ((0, size), (0, 1), (size - 1, size), (70_000, 200_000), (12_345, 12_346)):
        found = reconstruction(services.blobs.xorbs, recipe, ByteRange(start, min(end, size)))
        got = b"".join(
            decode_run(memoryview(bodies[piece.term.xorb])[piece.bytes.start : piece.bytes.end], piece.term.length)
            for piece in found.pieces
        )
        assert got[found.skip : found.skip + min(end, size) - start] == FILE.content[start:end]
        assert len(got) < end - start + 2 * 27_000  # no chunk is larger


async def test_rights_are_looked_up_at_each_use(services: Services, grant: Grant, send: Send, ada: Actor):
    with pytest.raises(Forbidden):
        await send(replace(grant, may_write=False), A)
    with pytest.raises(RepoNotFound):
        await send(replace(grant, key_id=None), A)
    with services.database.write() as write:
        accounts.revoke_key(write, ada, str(ada.key_id))
    with pytest.raises(InvalidToken):
        await send(grant, A)
    with pytest.raises(InvalidToken):
        service.register_shard(services, grant, shard(FILE))


async def test_a_file_over_the_limit_is_refused_before_it_is_read(services: Services, grant: Grant, send: Send):
    small = replace(services, settings=services.settings.model_copy(update={"max_blob_bytes": 1000}))
    await send(grant, A)
    with pytest.raises(BlobTooLarge):
        service.register_shard(small, grant, shard(File([Part(A, 0, 40)])))


async def test_a_client_that_leaves_leaves_nothing(services: Services, grant: Grant):
    async def broken():
        async for piece in stream(A.body):
            yield piece
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await service.put_xorb(services, grant, A.hash, broken(), None)
    assert list((services.settings.blobs_dir / "incoming").iterdir()) == []
    assert not services.blobs.xorbs.exists(A.hash)
    with services.database.read() as read:
        assert read.scalars(select(RepoBlob.sha256).where(RepoBlob.sha256 == FILE.oid)).all() == []


async def test_a_repo_is_told_of_its_own_xorbs_only(
    services: Services, grant: Grant, bobs_grant: Grant, send: Send, bob: Actor
):
    data = os.urandom(9000)
    adas, bobs = Xorb([data]), Xorb([data, b"more"])  # one content, one Xet hash, in two xorbs
    file, same = File([Part(adas, 0, 1)]), File([Part(bobs, 0, 1)])
    assert (file.hash, file.oid) == (same.hash, same.oid)
    await send(grant, adas)
    service.register_shard(services, grant, shard(file))
    await send(bobs_grant, bobs)
    service.register_shard(services, bobs_grant, shard(same))
    assert {term.xorb for term in file_recipe(services, bobs_grant, file.hash).terms} == {bobs.hash}
    assert {term.xorb for term in file_recipe(services, grant, file.hash).terms} == {adas.hash}
    with pytest.raises(XorbNotFound):  # though the content of a repo of Bob's is read from it
        service.xorb_size(services, bobs_grant, adas.hash)
    # that Ada has a whole file makes no difference either
    services.blobs.put_bytes(FILE.content)
    await send(bobs_grant, A)
    await send(bobs_grant, B)
    service.register_shard(services, bobs_grant, shard(FILE))
    assert {term.xorb for term in file_recipe(services, bobs_grant, FILE.hash).terms} == {A.hash, B.hash}


async def test_a_xorb_is_as_large_as_it_was_sent(services: Services, grant: Grant, bobs_grant: Grant, send: Send):
    other = Xorb(A.chunks, schemes=[0])
    await send(grant, A)
    await send(bobs_grant, other)
    sizes = [service.xorb_size(services, each, A.hash) for each in (grant, bobs_grant)]
    assert sizes == [len(A.body), len(other.body)]
    assert sizes[0] != sizes[1]


async def test_what_is_public_may_be_built_on(services: Services, bobs_grant: Grant, send: Send, ada: Actor):
    public = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/public", visibility="public")
    adas = Grant(public.id, "main", may_write=True, key_id=ada.key_id)
    await send(adas, A)
    service.register_shard(services, adas, shard(File([Part(A, 0, 10)])))
    assert service.xorb_size(services, bobs_grant, A.hash) == len(A.body)
    part = File([Part(A, 2, 4)])
    service.register_shard(services, bobs_grant, shard(part))
    assert file_recipe(services, bobs_grant, part.hash).size == len(part.content)


async def test_a_deleted_repo_takes_its_recipes_with_it(services: Services, grant: Grant, send: Send, ada: Actor):
    await send(grant, A)
    service.register_shard(services, grant, shard(File([Part(A, 0, 10)])))
    with services.database.write() as write:
        hub.delete_repo(write, ada, RepoKind.MODEL, "ada/penguins")
    with services.database.read() as read:
        assert read.scalars(select(RepoXetFile.sha256)).all() == read.scalars(select(RepoXorb.size)).all() == []


async def test_a_small_shard_cannot_name_too_many_chunks(
    services: Services, grant: Grant, send: Send, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verification, "_MAX_CHUNKS", 100)
    limited = replace(services, settings=services.settings.model_copy(update={"max_blob_bytes": 800_000}))
    await send(grant, A)
    backwards = Part(A, 40, 0, length=0, proof=bytes(32))  # must not make up for the others
    first, second = File([Part(A, 0, 40)]), File([Part(A, 0, 40), Part(A, 0, 30), backwards], xet_hash="1" * 64)
    service.register_shard(limited, grant, shard(first))
    with pytest.raises(ShardTooLarge):
        service.register_shard(limited, grant, shard(first, second))


async def test_a_shard_cannot_make_the_server_read_for_ever(
    services: Services, grant: Grant, send: Send, monkeypatch: pytest.MonkeyPatch
):
    files = [File([Part(A, start, 40)]) for start in (0, 1)]
    size = len(files[0].content)
    monkeypatch.setattr(verification, "_MAX_READ_BYTES", size)
    limited = replace(services, settings=services.settings.model_copy(update={"max_blob_bytes": size}))
    await send(grant, A)
    with pytest.raises(ShardTooLarge):
        service.register_shard(limited, grant, shard(*files))
    service.register_shard(limited, grant, shard(files[0]))
    service.register_shard(limited, grant, shard(*files))  # what was read before is not read again


async def test_few_shards_are_verified_at_once(services: Services, grant: Grant, monkeypatch: pytest.MonkeyPatch):
    lock, running, most = threading.Lock(), 0, 0

    def slow(*_: object) -> list[object]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return []

    monkeypatch.setattr(service, "register_shard", slow)
    await asyncio.gather(*(service.take_shard(services, grant, b"") for _ in range(20)))
    assert most == 4
