"""Use cases of the Xet store: take xorbs, take shards, say how a file is put together.

A xorb is durable before its row says so, and its row before the client is told; a blob's recipe is durable before the
repo possesses it. Wherever the process is killed, nothing that shows is incomplete.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from tholos.accounts.authorization import Action, Actor, may
from tholos.hub.freshness import refuse_collected
from tholos.hub.models import Repo
from tholos.hub.proposals import upload_limit
from tholos.hub.quotas import Quota, require_room, require_xorb_room
from tholos.hub.repository import possessed
from tholos.hub.uploads import check_space, pump, record_upload
from tholos.hub.xet import repository
from tholos.hub.xet.access import Grant, authorized
from tholos.hub.xet.ahead import HashingAhead
from tholos.hub.xet.errors import InvalidShard
from tholos.hub.xet.hashing import from_hex
from tholos.hub.xet.shards import ShardFile, parse_shard
from tholos.hub.xet.verification import check_effort, check_sha256, verified_recipe
from tholos.hub.xet.xorbs import MAX_BODY_BYTES, XorbReader, too_large
from tholos.kit.blobs import Blob, Recipe, Term, XorbNotFound, XorbWriter
from tholos.kit.clock import utcnow
from tholos.kit.errors import Unavailable
from tholos.kit.services import Services

_FILES_AT_ONCE = 4
_SHARDS = ThreadPoolExecutor(4, "xet-shards")  # threads of their own: the shards that wait keep none from others
_AHEAD = HashingAhead()  # holds nothing that a process could not do without
_FILES_PER_TRANSACTION = 50  # keeps each write transaction in the order of 10 ms


class XorbVanished(Unavailable):
    """The xorb was being removed at this very moment."""

    code = "xorb_vanished"


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A file of a shard that was found true; its recipe (or the whole file) is durable."""

    file: ShardFile
    blob: Blob
    recipe: Recipe
    stored: Recipe | None
    """By which it is read: its own, or one that was there before; None for a whole file."""

    @property
    def xorbs(self) -> set[str]:
        return {term.xorb for recipe in (self.recipe, self.stored) if recipe for term in recipe.terms}


async def put_xorb(services: Services, grant: Grant, xorb: str, chunks: AsyncIterator[bytes], size: int | None) -> None:
    """Stores a xorb of that hash (64 hex digits); ``size`` is the announced length of the body in bytes.

    What anyone else has sent makes no difference that the client could see.

    Raises InvalidXetHash, InvalidXorb, XorbTooLarge, QuotaExceeded, DiskLow, DiskFull, ContentCollected, and
    what `authorized` and the stream raise. Nothing is kept then.
    """
    from_hex(xorb)
    if size is not None and size > MAX_BODY_BYTES:
        raise too_large()

    def begin() -> tuple[Actor, XorbWriter]:
        with services.database.read() as read:
            actor, repo = authorized(read, grant, Action.WRITE)
            default = Quota.default(services.settings)
            stranger = not may(actor, Action.WRITE, repo)
            bytes_sent = size if size is not None else 0
            require_xorb_room(read, default, repo.owner_id, actor.account_id, bytes_sent, proposed=stranger)
        check_space(services, size if size is not None else MAX_BODY_BYTES)
        return actor, services.blobs.xorbs.writer()

    actor, draft = await asyncio.to_thread(begin)
    reader = XorbReader()
    with draft as writer, _AHEAD.arriving(services.blobs.xorbs, grant, xorb):

        def keep(data: bytes) -> None:
            for whole in reader.feed(data):
                writer.write(whole)

        await pump(chunks, keep, MAX_BODY_BYTES, lambda _: too_large())
        await asyncio.to_thread(_finish_xorb, services, grant, actor, xorb, reader, writer)


async def take_shard(services: Services, grant: Grant, body: bytes) -> list[Blob]:
    """As `register_shard`, for few at once in this process: the others wait."""
    return await asyncio.get_running_loop().run_in_executor(_SHARDS, register_shard, services, grant, body)


def register_shard(services: Services, grant: Grant, body: bytes) -> list[Blob]:
    """Verifies every file of a shard against the chunks that are here, and makes the repo possess them.

    All files or, when one is not as the shard says, none. Not inside a transaction: it reads all of every file.

    Raises InvalidShard, ShardTooLarge, BlobTooLarge, QuotaExceeded, DiskLow, DiskFull, and what `authorized` raises.
    """
    with services.database.read() as read:
        actor, repo = authorized(read, grant, Action.WRITE)
    files = list({(file.xet_hash, file.sha256): file for file in parse_shard(body).files}.values())
    sizes = _nameable(services, actor, files)
    check_space(services, len(body))
    _check_quota(services, repo, files, proposed=not may(actor, Action.WRITE, repo))
    known = _known(services, repo, files)
    unproven = [file for file in files if known.get(file.sha256) != file.xet_hash]
    limit = upload_limit(services, actor, repo)
    check_effort(files, unproven, limit)
    with ThreadPoolExecutor(_FILES_AT_ONCE, "xet-shard") as pool:
        accepted = list(pool.map(lambda file: _accept(services, grant, file, known, limit), files))
    _link(services, grant, accepted, sizes)
    return [item.blob for item in accepted]


def xorb_size(services: Services, grant: Grant, xorb: str) -> int:
    """Serialized bytes, as the account sent it, of a xorb that the holder of the grant may build on.

    Raises XorbNotFound, and what `authorized` raises.
    """
    with services.database.read() as read:
        actor, _ = authorized(read, grant, Action.READ)
        size = repository.nameable_xorbs(read, actor, [xorb]).get(xorb)
    if size is None or not services.blobs.xorbs.exists(xorb):
        raise XorbNotFound(f"There is no xorb {xorb}, or you may not see it.", next="Upload it.")
    return size


def _finish_xorb(
    services: Services, grant: Grant, actor: Actor, xorb: str, reader: XorbReader, writer: XorbWriter
) -> None:
    index = reader.finish(xorb)
    begun = utcnow()
    writer.finish(xorb, index)
    stored = services.blobs.xorbs.index(xorb)  # where another was first, its chunks are compressed as that one had it
    with services.database.write() as write:
        repository.acknowledge_xorb(write, actor, xorb, stored, index.size)
        refuse_collected(write, "xorb", {xorb: begun})  # from here on it stays
    _AHEAD.stored(grant, Term(xorb, 0, stored.chunks, stored.raw_bytes))


def _nameable(services: Services, actor: Actor, files: Sequence[ShardFile]) -> Mapping[str, int]:
    """The sizes of the xorbs that the files name. Raises InvalidShard when the actor may not name one."""
    wanted = {term.xorb for file in files for term in file.terms}
    with services.database.read() as read:
        allowed = repository.nameable_xorbs(read, actor, wanted)
    if strange := wanted - allowed.keys():
        raise InvalidShard(
            f"The shard names the xorb {min(strange)}, which you did not upload.",
            next="Upload the file again with a fresh HF_XET_CACHE.",
            xorb=min(strange),
        )
    return allowed


def _check_quota(services: Services, repo: Repo, files: Sequence[ShardFile], *, proposed: bool) -> None:
    sizes = {file.sha256: sum(term.length for term in file.terms) for file in files}
    with services.database.read() as read:
        new = sizes.keys() - possessed(read, repo.id, sizes).keys()
        size = sum(sizes[sha256] for sha256 in new)
        require_room(read, Quota.default(services.settings), repo.owner_id, size, proposed=proposed)


def _known(services: Services, repo: Repo, files: Sequence[ShardFile]) -> Mapping[str, str]:
    """The Xet hash of what this repo was given already: only there may a claimed SHA-256 be taken as proven before."""
    with services.database.read() as read:
        return repository.own_xet_hashes(read, repo.id, [file.sha256 for file in files])


def _accept(services: Services, grant: Grant, file: ShardFile, known: Mapping[str, str], limit: int) -> _Accepted:
    recipe = verified_recipe(services.blobs, file, limit)
    if known.get(file.sha256) != file.xet_hash:
        check_sha256(services.blobs, recipe, file.sha256, _AHEAD.prefix(grant, recipe.terms))
    blob = Blob(file.sha256, recipe.size)
    return _Accepted(file, blob, recipe, services.blobs.put_recipe(file.sha256, recipe))


def _link(services: Services, grant: Grant, accepted: Sequence[_Accepted], sizes: Mapping[str, int]) -> None:
    # in one order for all, so that two writers on PostgreSQL cannot wait for each other
    pending = iter(sorted(accepted, key=lambda item: item.blob.sha256))
    while some := list(islice(pending, _FILES_PER_TRANSACTION)):
        with services.database.write() as write:
            _, repo = authorized(write, grant, Action.WRITE)
            used = set[str]().union(*(item.xorbs for item in some))
            if used - repository.held_xorbs(write, used):
                raise XorbVanished(next="Repeat the upload.")
            for item in some:
                record_upload(write, repo, item.blob)
                repository.keep_own_recipe(write, repo.id, item.blob.sha256, item.file.xet_hash, item.recipe.encode())
                if item.stored is not None:
                    # the same bytes cut into other chunks have another Xet hash, which this recipe does not answer to
                    xet_hash = item.file.xet_hash if item.stored == item.recipe else None
                    xorbs = sorted(item.stored.xorbs)
                    repository.link_recipe(write, item.blob.sha256, xet_hash, xorbs)
            own = {term.xorb for item in some for term in item.recipe.terms}
            repository.keep_own_xorbs(write, repo.id, {xorb: sizes[xorb] for xorb in own})
