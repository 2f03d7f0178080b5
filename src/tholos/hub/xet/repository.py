"""Queries of the Xet store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, exists, func, select, update

from tholos.accounts.authorization import Actor
from tholos.hub.access import content_readable_by
from tholos.hub.models import (
    BlobXorb,
    Repo,
    RepoBlob,
    RepoXetFile,
    RepoXorb,
    StoredBlob,
    StoredXorb,
    XorbKeyUpload,
    XorbUpload,
)
from tholos.hub.repository import insert_missing
from tholos.kit.blobs import XorbIndex
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, insert

_IN_CHUNK = 500


def note_xorb(write: WriteSession, xorb: str, index: XorbIndex) -> None:
    """Notes a xorb that is durable in the store."""
    now = utcnow()
    row = {
        "hash": xorb,
        "size": index.size,
        "raw_bytes": index.raw_bytes,
        "chunks": index.chunks,
        "created_at": now,
        "acknowledged_at": now,
    }
    insert_missing(write, StoredXorb, [row])
    write.execute(update(StoredXorb).where(StoredXorb.hash == xorb).values(acknowledged_at=now))


def acknowledge_xorb(write: WriteSession, actor: Actor, xorb: str, index: XorbIndex, sent: int) -> None:
    """Notes a xorb that is durable in the store, and that this actor, who sent ``sent`` bytes, is being told so."""
    note_xorb(write, xorb, index)
    if actor.limits is not None:
        insert_missing(write, XorbKeyUpload, [{"key_id": actor.key_id, "xorb_hash": xorb, "size": sent}])
    else:
        insert_missing(write, XorbUpload, [{"account_id": actor.account_id, "xorb_hash": xorb, "size": sent}])


def nameable_xorbs(read: ReadSession, actor: Actor, xorbs: Iterable[str]) -> dict[str, int]:
    """Those of these xorbs that the actor may build on, with their serialized size as the actor may know it.

    That is: sent by the same account (by the same key, where that is limited), or used by a recipe of its own of a repo
    whose content the actor may have.
    """
    wanted = sorted(set(xorbs))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        some = wanted[start : start + _IN_CHUNK]
        found.update((xorb, size) for xorb, size in read.execute(_sent_by(actor, some)))
        if others := set(some) - found.keys():
            query = (
                select(RepoXorb.xorb_hash, func.min(RepoXorb.size))
                .join(Repo, Repo.id == RepoXorb.repo_id)
                .where(RepoXorb.xorb_hash.in_(others), content_readable_by(actor))
                .group_by(RepoXorb.xorb_hash)
            )
            found.update((xorb, size) for xorb, size in read.execute(query))
    return found


def _sent_by(actor: Actor, xorbs: Sequence[str]) -> Select[str, int]:
    if actor.limits is not None:
        of_key = select(XorbKeyUpload.xorb_hash, XorbKeyUpload.size)
        return of_key.where(XorbKeyUpload.key_id == actor.key_id, XorbKeyUpload.xorb_hash.in_(xorbs))
    of_account = select(XorbUpload.xorb_hash, XorbUpload.size)
    return of_account.where(XorbUpload.account_id == actor.account_id, XorbUpload.xorb_hash.in_(xorbs))


def held_xorbs(write: WriteSession, xorbs: Iterable[str]) -> set[str]:
    """Which of these xorbs there are; nobody can remove those until the transaction ends."""
    wanted = sorted(set(xorbs))
    found: set[str] = set()
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(StoredXorb.hash).where(StoredXorb.hash.in_(wanted[start : start + _IN_CHUNK]))
        found.update(write.scalars(query.order_by(StoredXorb.hash).with_for_update(read=True, key_share=True)))
    return found


def link_recipe(write: WriteSession, sha256: str, xet_hash: str | None, xorbs: Sequence[str]) -> None:
    """Notes of which xorbs a blob's recipe is made, and its Xet hash, unless it has one."""
    insert_missing(write, BlobXorb, [{"sha256": sha256, "xorb_hash": xorb} for xorb in xorbs])
    if xet_hash is None:
        return
    write.execute(
        update(StoredBlob).where(StoredBlob.sha256 == sha256, StoredBlob.xet_hash.is_(None)).values(xet_hash=xet_hash)
    )


def keep_own_xorbs(write: WriteSession, repo_id: str, sizes: Mapping[str, int]) -> None:
    """Notes that recipes of this repo's own use these xorbs, with their sizes as the uploader may know them."""
    rows = [{"repo_id": repo_id, "xorb_hash": xorb, "size": size} for xorb, size in sizes.items()]
    insert_missing(write, RepoXorb, rows)


def own_xorbs(read: ReadSession, repo_id: str, xorbs: Iterable[str]) -> set[str]:
    """Those of these xorbs that this repo's own recipes use."""
    wanted = sorted(set(xorbs))
    found: set[str] = set()
    for start in range(0, len(wanted), _IN_CHUNK):
        some = RepoXorb.xorb_hash.in_(wanted[start : start + _IN_CHUNK])
        found.update(read.scalars(select(RepoXorb.xorb_hash).where(RepoXorb.repo_id == repo_id, some)))
    return found


def newest_own_xorbs(read: ReadSession, repo_id: str, limit: int) -> list[str]:
    """The newest of the xorbs that this repo's own recipes use."""
    query = select(StoredXorb.hash).join(RepoXorb, RepoXorb.xorb_hash == StoredXorb.hash)
    newest = query.where(RepoXorb.repo_id == repo_id).order_by(StoredXorb.created_at.desc(), StoredXorb.hash)
    return list(read.scalars(newest.limit(limit)))


def keep_own_recipe(write: WriteSession, repo_id: str, sha256: str, xet_hash: str, recipe: bytes) -> None:
    """Notes by which (encoded) recipe this repo was given a file; the latest one counts."""
    row = {"repo_id": repo_id, "xet_hash": xet_hash, "sha256": sha256, "recipe": recipe}
    write.execute(
        insert(write, RepoXetFile)
        .values(row)
        .on_conflict_do_update(index_elements=["repo_id", "xet_hash"], set_={"sha256": sha256, "recipe": recipe})
    )


def own_recipe(read: ReadSession, repo_id: str, xet_hash: str) -> bytes | None:
    """The (encoded) recipe by which this repo was given that file."""
    return read.scalar(
        select(RepoXetFile.recipe).where(RepoXetFile.repo_id == repo_id, RepoXetFile.xet_hash == xet_hash)
    )


def own_xet_hashes(read: ReadSession, repo_id: str, sha256s: Iterable[str]) -> dict[str, str]:
    """The Xet hash of each of these blobs that this repo was given through Xet."""
    wanted = sorted(set(sha256s))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(RepoXetFile.sha256, RepoXetFile.xet_hash).where(
            RepoXetFile.repo_id == repo_id, RepoXetFile.sha256.in_(wanted[start : start + _IN_CHUNK])
        )
        found.update((sha256, xet_hash) for sha256, xet_hash in read.execute(query.order_by(RepoXetFile.xet_hash)))
    return found


def total_usage(read: ReadSession) -> tuple[int, int]:
    """Logical and stored bytes of the blobs that all repos possess; what they share counts once."""
    each = select(func.coalesce(func.sum(StoredBlob.size), 0)).join(RepoBlob, RepoBlob.sha256 == StoredBlob.sha256)
    held = select(RepoBlob.sha256).distinct().subquery()
    is_recipe = exists().where(BlobXorb.sha256 == StoredBlob.sha256)
    whole = select(func.coalesce(func.sum(StoredBlob.size), 0)).where(
        StoredBlob.sha256.in_(select(held.c.sha256)), ~is_recipe
    )
    xorbs = select(BlobXorb.xorb_hash).distinct().where(BlobXorb.sha256.in_(select(held.c.sha256)))
    packed = select(func.coalesce(func.sum(StoredXorb.size), 0)).where(StoredXorb.hash.in_(xorbs))
    return int(read.scalar(each) or 0), int(read.scalar(whole) or 0) + int(read.scalar(packed) or 0)


def own_usage(read: ReadSession, repo_ids: Select[Any]) -> tuple[int, int]:
    """Logical and stored bytes of what these repos possess, as if they were alone; what they share counts once.

    How the store really keeps a content depends on who else has sent it, which is nobody's business.
    """
    of_these = RepoBlob.repo_id.in_(repo_ids)
    each = select(func.coalesce(func.sum(StoredBlob.size), 0)).join(RepoBlob, RepoBlob.sha256 == StoredBlob.sha256)
    held = select(RepoBlob.sha256).distinct().where(of_these)
    chunked = select(RepoXetFile.sha256).where(RepoXetFile.repo_id.in_(repo_ids))
    whole = select(func.coalesce(func.sum(StoredBlob.size), 0)).where(
        StoredBlob.sha256.in_(held), StoredBlob.sha256.not_in(chunked)
    )
    xorbs = select(func.max(RepoXorb.size).label("size")).where(RepoXorb.repo_id.in_(repo_ids))
    packed = select(func.coalesce(func.sum(xorbs.group_by(RepoXorb.xorb_hash).subquery().c.size), 0))
    return int(read.scalar(each.where(of_these)) or 0), int(read.scalar(whole) or 0) + int(read.scalar(packed) or 0)


def repos_of_account(account_id: str) -> Select[Any]:
    """The ids of an account's repos."""
    return select(Repo.id).where(Repo.owner_id == account_id)
