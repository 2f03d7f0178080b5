from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from xet_bodies import File, Part, Xorb, shard, some_xorb, stream

from tholos.hub.models import Repo
from tholos.hub.repository import possessed
from tholos.hub.xet import ahead, service, verification
from tholos.hub.xet.access import Grant
from tholos.hub.xet.ahead import HashingAhead
from tholos.hub.xet.errors import InvalidShard, InvalidXorb
from tholos.kit.blobs import Recipe, Term, XorbStore
from tholos.kit.services import Services

Send = Callable[..., Awaitable[None]]
A, B, C = (some_xorb(seed, chunks=20) for seed in (11, 12, 13))


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where in each file the hashing began when its shard came."""
    seen: list[int] = []

    def noted(digest: object, recipe: Recipe, xorbs: XorbStore, start: int = 0) -> None:
        seen.append(start)
        ahead.digest_on(digest, recipe, xorbs, start)  # type: ignore[arg-type]

    monkeypatch.setattr(verification, "digest_on", noted)
    return seen


def rest() -> None:
    """Waits until what can be hashed ahead is."""
    for thread in threading.enumerate():
        if thread.name == "xet-ahead":
            thread.join()


def whole(xorb: Xorb) -> Part:
    return Part(xorb, 0, len(xorb.chunks))


def term(xorb: Xorb) -> Term:
    return Term(xorb.hash, 0, len(xorb.chunks), size(xorb))


def size(*xorbs: Xorb) -> int:
    return sum(length for xorb in xorbs for _, length in xorb.nodes)


def check(services: Services, file: File) -> None:
    with services.blobs.open(file.oid) as stored:
        assert hashlib.file_digest(stored, "sha256").hexdigest() == file.oid


FILES = {
    "the xorbs as they came": ([A, B, C], [whole(A), whole(B), whole(C)], size(A, B, C)),
    "a part of the last": ([A, B, C], [whole(A), whole(B), Part(C, 0, 3)], size(A, B)),
    "a part of the first": ([A, B], [Part(A, 1, 20), whole(B)], 0),
    "a part of the second, then the third": ([A, B, C], [whole(A), Part(B, 0, 19), whole(C)], size(A)),
    "neighbours that changed places": ([A, C, B], [whole(A), whole(B), whole(C)], size(A)),
    "others first": ([C, A, B], [whole(A), whole(B)], 0),
    "fewer than came": ([A, B, C], [whole(A)], size(A)),
    "one that came twice": ([A, B, A, C], [whole(A), whole(B), whole(C)], size(A, B, C)),
    "one that the file has twice": ([A, B], [whole(A), whole(A), whole(B)], size(A)),
}


@pytest.mark.parametrize("case", FILES)
async def test_a_file_goes_on_from_the_xorbs_that_came_in_its_order(
    services: Services, grant: Grant, send: Send, starts: list[int], case: str
):
    xorbs, parts, start = FILES[case]
    for xorb in xorbs:
        await send(grant, xorb)
    rest()
    service.register_shard(services, grant, shard(File(parts)))
    assert starts == [start]
    check(services, File(parts))


async def test_a_wrong_sha256_stays_wrong(services: Services, grant: Grant, send: Send, starts: list[int], repo: Repo):
    for xorb in (A, B):
        await send(grant, xorb)
    rest()
    honest = File([whole(A), whole(B)])
    only_the_first = File([whole(A)])
    for lie in (hashlib.sha256(b"other").hexdigest(), only_the_first.oid):
        with pytest.raises(InvalidShard):
            service.register_shard(services, grant, shard(File(honest.parts, sha256=lie)))
    with services.database.read() as read:
        assert possessed(read, repo.id, [honest.oid, only_the_first.oid]) == {}
    service.register_shard(services, grant, shard(honest))  # what was hashed is not lost by it
    assert starts == [size(A, B)] * 3
    check(services, honest)


async def test_the_order_is_that_in_which_xorbs_begin(services: Services, grant: Grant, send: Send, starts: list[int]):
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow():
        async for piece in stream(A.body, 1000):
            begun.set()
            yield piece
            await may_end.wait()

    sending = asyncio.create_task(service.put_xorb(services, grant, A.hash, slow(), len(A.body)))
    await begun.wait()
    await send(grant, B)
    may_end.set()
    await sending
    rest()
    service.register_shard(services, grant, shard(File([whole(A), whole(B)])))
    assert starts == [size(A, B)]


async def test_a_xorb_that_fails_leaves_no_gap(services: Services, grant: Grant, send: Send, starts: list[int]):
    await send(grant, A)
    with pytest.raises(InvalidXorb):
        await send(grant, C, body=C.body[:-1])
    await send(grant, B)
    rest()
    service.register_shard(services, grant, shard(File([whole(A), whole(B)])))
    assert starts == [size(A, B)]


async def test_each_shard_begins_anew(services: Services, grant: Grant, send: Send, starts: list[int]):
    await send(grant, A)
    rest()
    service.register_shard(services, grant, shard(File([whole(A)])))
    await send(grant, B)
    await send(grant, C)
    rest()
    first, second = File([whole(B), whole(C)]), File([whole(B), Part(A, 0, 5)])
    service.register_shard(services, grant, shard(first, second))
    assert (starts[0], sorted(starts[1:])) == (size(A), [size(B), size(B, C)])
    check(services, first)
    check(services, second)


async def test_uploads_know_nothing_of_each_other(
    services: Services, grant: Grant, bobs_grant: Grant, send: Send, starts: list[int]
):
    for one, other in ((A, B), (B, A)):
        await send(grant, one)
        await send(bobs_grant, other)
    rest()
    service.register_shard(services, grant, shard(File([whole(A), whole(B)])))
    service.register_shard(services, bobs_grant, shard(File([whole(A), whole(B)])))
    assert starts == [size(A, B), 0]


async def test_after_hashing_in_vain_it_is_left_alone(services: Services, grant: Grant, send: Send, starts: list[int]):
    for xorb in (A, B, C):
        await send(grant, xorb)
    rest()
    service.register_shard(services, grant, shard(File([whole(C)])))
    other = some_xorb(14)
    await send(grant, other)
    rest()
    service.register_shard(services, grant, shard(File([whole(other)])))
    assert starts == [0, 0]


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_any_file(services: Services, grant: Grant, send: Send, seed: int):
    dice = random.Random(seed)
    xorbs = [some_xorb(100 * seed + number, chunks=dice.randrange(1, 6)) for number in range(5)]
    for _ in range(4):
        order = [*xorbs, *dice.sample(xorbs, 2)]
        if dice.random() < 0.7:
            order.sort(key=lambda xorb: xorbs.index(xorb) + dice.choice((0, 0, 1.5)))
        at_once = dice.randrange(1, 4)
        for first in range(0, len(order), at_once):
            await asyncio.gather(*(send(grant, xorb) for xorb in order[first : first + at_once]))
        parts = [whole(xorb) for xorb in xorbs[: dice.randrange(6)]]
        for xorb in dice.choices(xorbs, k=dice.randrange(1, 4)):
            start = dice.randrange(len(xorb.chunks))
            parts.append(Part(xorb, start, dice.randrange(start, len(xorb.chunks)) + 1))
        file = File(parts)
        with pytest.raises(InvalidShard):
            service.register_shard(services, grant, shard(File(parts, sha256=hashlib.sha256(b"%d" % seed).hexdigest())))
        service.register_shard(services, grant, shard(file))
        check(services, file)


async def test_a_xorb_that_is_gone_ends_the_run(services: Services, grant: Grant, send: Send):
    hashing = HashingAhead()
    await send(grant, A)
    for xorb in (A, B, C):  # of which the store has the first only
        with hashing.arriving(services.blobs.xorbs, grant, xorb.hash):
            hashing.stored(grant, term(xorb))
    rest()
    found = hashing.prefix(grant, [term(A), term(B), term(C)])
    assert (found.size, found.digest.hexdigest()) == (size(A), File([whole(A)]).oid)


async def test_the_oldest_of_many_uploads_is_forgotten(services: Services, grant: Grant, send: Send):
    hashing = HashingAhead()
    await send(grant, A)
    grants = [replace(grant, repo_id=f"repo-{number}") for number in range(20)]
    for each in grants:
        with hashing.arriving(services.blobs.xorbs, each, A.hash):
            hashing.stored(each, term(A))
        rest()
    sizes = [hashing.prefix(each, [term(A)]).size for each in grants]
    assert sizes == [0] * 4 + [size(A)] * 16
