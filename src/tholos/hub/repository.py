"""Queries of the hub."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, String, Table, and_, case, delete, func, literal, or_, select, update
from sqlalchemy import cast as sql_cast

from tholos.accounts.authorization import Actor
from tholos.accounts.limits import within
from tholos.accounts.models import ReservedName
from tholos.hub.models import (
    Fact,
    GitBlob,
    GitTag,
    GitTree,
    Ref,
    Repo,
    RepoAlias,
    RepoBlob,
    RepoCollaborator,
    RepoLike,
    RepoTag,
    Revision,
    StoredBlob,
)
from tholos.hub.names import RepoKind
from tholos.jobs.models import LineageLink
from tholos.kit.clock import utcnow
from tholos.kit.database import Base, ReadSession, WriteSession, insert
from tholos.kit.paging import BadCursor, Page, decode_cursor, encode_cursor

Order = Literal["updated", "created"]
_IN_CHUNK = 500
_ABBREVIATION = re.compile(r"[0-9a-f]{7,40}")


# -- repos


def repo_by_name(read: ReadSession, kind: RepoKind, namespace: str, name: str) -> Repo | None:
    """The repo of that name, whatever its case."""
    query = select(Repo).where(
        Repo.kind == kind, Repo.namespace_key == namespace.lower(), Repo.name_key == name.lower()
    )
    return read.scalar(query)


def repo_by_former_name(read: ReadSession, kind: RepoKind, namespace: str, name: str) -> Repo | None:
    """The repo that was moved away from that name, whatever its case."""
    query = select(Repo).join(RepoAlias, RepoAlias.repo_id == Repo.id)
    former = (RepoAlias.namespace_key == namespace.lower(), RepoAlias.name_key == name.lower())
    return read.scalar(query.where(RepoAlias.kind == kind, *former))


def held_repo(write: WriteSession, repo_id: str) -> Repo | None:
    """The repo, which nobody can delete until the transaction ends."""
    query = select(Repo).where(Repo.id == repo_id).with_for_update(read=True, key_share=True)
    return write.scalar(query.execution_options(populate_existing=True))


def lock_repo(write: WriteSession, repo_id: str) -> None:
    """Makes other writers of the repo's names wait until the transaction ends."""
    write.execute(select(Repo.id).where(Repo.id == repo_id).with_for_update())


def repos_by_id(read: ReadSession, repo_ids: Iterable[str]) -> dict[str, Repo]:
    wanted = sorted(set(repo_ids))
    found: dict[str, Repo] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(Repo).where(Repo.id.in_(wanted[start : start + _IN_CHUNK]))
        found.update((repo.id, repo) for repo in read.scalars(query))
    return found


def readable_by(actor: Actor) -> ColumnElement[bool]:
    """The condition under which `authorize(actor, READ, repo)` passes, for lists."""
    if actor.has_admin_power:
        return Repo.id.is_not(None)
    public = Repo.visibility == "public"
    private = shared_with(actor)
    return public if private is None else or_(public, private)


def shared_with(actor: Actor) -> ColumnElement[bool] | None:
    """The condition under which one who is no administrator may read a private repo; None where nobody asks."""
    if actor.is_anonymous:
        return None
    shared = select(RepoCollaborator.repo_id).where(RepoCollaborator.account_id == actor.account_id)
    own = or_(Repo.owner_id.in_(sorted(actor.owners)), Repo.id.in_(shared))
    reached = within(actor.limits, Repo.namespace_key, Repo.name_key)
    return own if reached is None else and_(own, reached)


def repos(
    read: ReadSession,
    actor: Actor,
    *,
    kind: RepoKind | None,
    searches: Sequence[str],
    owner: str,
    tags: Sequence[str],
    gated: bool | None = None,
    order: Order,
    cursor: str | None,
    limit: int,
) -> Page[Repo]:
    """Repos that the actor may read, newest first by what ``order`` names. Raises BadCursor."""
    column = Repo.created_at if order == "created" else Repo.updated_at
    query = select(Repo).where(readable_by(actor)).order_by(column.desc(), Repo.id.desc()).limit(limit + 1)
    if kind:
        query = query.where(Repo.kind == kind)
    for search in searches:
        query = query.where(Repo.search_text.contains(search.casefold(), autoescape=True))
    if owner:
        query = query.where(Repo.namespace_key == owner.lower())
    for tag in tags:
        query = query.where(Repo.id.in_(select(RepoTag.repo_id).where(RepoTag.tag == tag)))
    if gated is not None:
        query = query.where(Repo.gated.is_not(None) if gated else Repo.gated.is_(None))
    if cursor:
        stamp, last = decode_cursor(cursor, str, str)
        moment = _moment(stamp)
        query = query.where(or_(column < moment, and_(column == moment, Repo.id < last)))
    rows = list(read.scalars(query))
    if len(rows) <= limit:
        return Page(rows, None)
    final = rows[limit - 1]
    moment = final.created_at if order == "created" else final.updated_at
    return Page(rows[:limit], encode_cursor(moment.isoformat(), final.id))


def count_repos(read: ReadSession, actor: Actor, kind: RepoKind, owner_id: str) -> int:
    """How many repos of an account the actor may read."""
    query = select(func.count()).select_from(Repo).where(Repo.kind == kind, Repo.owner_id == owner_id)
    return read.scalar(query.where(readable_by(actor))) or 0


def tags_seen(read: ReadSession, actor: Actor, kind: RepoKind, limit: int) -> list[str]:
    """Every tag of repos that the actor may read, sorted."""
    query = select(RepoTag.tag).join(Repo, Repo.id == RepoTag.repo_id).where(Repo.kind == kind, readable_by(actor))
    return list(read.scalars(query.distinct().order_by(RepoTag.tag).limit(limit)))


def release_name(write: WriteSession, kind: RepoKind, namespace_key: str, name_key: str) -> None:
    """Lets a former name lead nowhere, because a repo takes it for itself."""
    former = (RepoAlias.kind == kind, RepoAlias.namespace_key == namespace_key, RepoAlias.name_key == name_key)
    write.execute(delete(RepoAlias).where(*former))


def tags_of(read: ReadSession, repo_ids: Sequence[str]) -> dict[str, list[str]]:
    """Card tags by repo, sorted."""
    tags: dict[str, list[str]] = {repo_id: [] for repo_id in repo_ids}
    query = select(RepoTag.repo_id, RepoTag.tag).where(RepoTag.repo_id.in_(repo_ids)).order_by(RepoTag.tag)
    for repo_id, tag in read.execute(query):
        tags[repo_id].append(tag)
    return tags


def replace_tags(write: WriteSession, repo_id: str, tags: Sequence[str]) -> None:
    write.execute(delete(RepoTag).where(RepoTag.repo_id == repo_id))
    write.add_all(RepoTag(repo_id=repo_id, tag=tag) for tag in tags)


def delete_repo(write: WriteSession, repo_id: str) -> None:
    """Removes a repo with all that belongs to it alone; blobs and git objects stay for whoever else has them."""
    namespace_key = write.scalar(select(Repo.namespace_key).where(Repo.id == repo_id))
    for table in (Ref, Revision, RepoBlob, RepoTag, RepoAlias, RepoLike, RepoCollaborator, Fact):
        write.execute(delete(table).where(table.repo_id == repo_id))
    write.execute(delete(Repo).where(Repo.id == repo_id))
    if namespace_key is not None:
        free_namespace(write, namespace_key)


def free_namespace(write: WriteSession, namespace_key: str) -> None:
    """Lets an account take a name that was reserved for repos of another hub, when the last of these has left it."""
    # Of two that leave at once the second waits here, and then sees that the first is gone.
    held = write.scalar(select(ReservedName).where(ReservedName.name_key == namespace_key).with_for_update())
    if held is not None and write.scalar(select(Repo.id).where(Repo.namespace_key == namespace_key).limit(1)) is None:
        write.execute(delete(ReservedName).where(ReservedName.name_key == namespace_key))


# -- revisions and refs


def ref(read: ReadSession, repo_id: str, name: str) -> Ref | None:
    return read.get(Ref, (repo_id, name))


def locked_ref(write: WriteSession, repo_id: str, name: str) -> Ref | None:
    """The ref, held against other writers until the transaction ends."""
    query = select(Ref).where(Ref.repo_id == repo_id, Ref.name == name).with_for_update()
    return write.scalar(query.execution_options(populate_existing=True))


def refs(read: ReadSession, repo_id: str) -> list[Ref]:
    return list(read.scalars(select(Ref).where(Ref.repo_id == repo_id).order_by(Ref.name)))


def heads(read: ReadSession, repo_ids: Sequence[str], name: str) -> dict[str, str]:
    """The commit that a ref of this name points at, by repo."""
    query = select(Ref.repo_id, Ref.commit_id).where(Ref.repo_id.in_(repo_ids), Ref.name == name)
    return dict(read.execute(query).all())


def revision(read: ReadSession, repo_id: str, commit_id: str) -> Revision | None:
    return read.get(Revision, (repo_id, commit_id))


def revision_ids(read: ReadSession, repo_id: str) -> set[str]:
    """The id of every revision of a repo."""
    return set(read.scalars(select(Revision.commit_id).where(Revision.repo_id == repo_id)))


def latest_commits(read: ReadSession, repo_id: str, limit: int) -> list[str]:
    """Ids of the newest revisions of a repo, whatever branch they are on."""
    query = select(Revision.commit_id).where(Revision.repo_id == repo_id)
    return list(read.scalars(query.order_by(Revision.created_at.desc(), Revision.commit_id).limit(limit)))


def tree_ids(read: ReadSession, repo_id: str, commits: Iterable[str] | None) -> list[str]:
    """The root trees of these revisions of a repo; of all, the newest first, for None."""
    query = select(Revision.tree_id).where(Revision.repo_id == repo_id)
    if commits is None:
        return list(dict.fromkeys(read.scalars(query.order_by(Revision.created_at.desc()))))
    wanted = sorted(commits)
    found: dict[str, None] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        some = Revision.commit_id.in_(wanted[start : start + _IN_CHUNK])
        found.update(dict.fromkeys(read.scalars(query.where(some))))
    return list(found)


def tag_payload(read: ReadSession, oid: str) -> bytes:
    """The payload of an annotated tag that is there."""
    return read.scalars(select(GitTag.data).where(GitTag.oid == oid)).one()


def revisions_by_prefix(read: ReadSession, repo_id: str, prefix: str) -> list[Revision]:
    """At most two revisions whose id begins with these (7 to 40) hexadecimal digits; none for anything else."""
    if not _ABBREVIATION.fullmatch(prefix):
        return []
    query = select(Revision).where(Revision.repo_id == repo_id, Revision.commit_id.between(prefix, prefix + "g"))
    return list(read.scalars(query.limit(2)))


def revisions_with_tree(read: ReadSession, repo_id: str, parent_id: str, tree_id: str) -> list[Revision]:
    query = select(Revision).where(
        Revision.repo_id == repo_id, Revision.parent_id == parent_id, Revision.tree_id == tree_id
    )
    return list(read.scalars(query))


def history(read: ReadSession, repo_id: str, commit_id: str, limit: int) -> list[Revision]:
    """A revision and its first parents, newest first."""
    first = (
        select(Revision.commit_id, Revision.parent_id, literal(1).label("depth"))
        .where(Revision.repo_id == repo_id, Revision.commit_id == commit_id)
        .cte("walk", recursive=True)
    )
    step = select(Revision.commit_id, Revision.parent_id, first.c.depth + 1).where(
        Revision.repo_id == repo_id, Revision.commit_id == first.c.parent_id, first.c.depth < limit
    )
    walk = first.union_all(step)
    query = (
        select(Revision)
        .join(walk, walk.c.commit_id == Revision.commit_id)
        .where(Revision.repo_id == repo_id)
        .order_by(walk.c.depth)
    )
    return list(read.scalars(query))


def measure_line(read: ReadSession, repo_id: str, commit_id: str) -> tuple[int, int]:
    """How many revisions a revision and its first parents are, and how many of these are merges."""
    columns = (Revision.commit_id, Revision.parent_id, Revision.parents)
    walk = (
        select(*columns).where(Revision.repo_id == repo_id, Revision.commit_id == commit_id).cte("walk", recursive=True)
    )
    step = select(*columns).where(Revision.repo_id == repo_id, Revision.commit_id == walk.c.parent_id)
    walk = walk.union_all(step)
    is_merge = sql_cast(walk.c.parents, String).contains(",")
    length, merges = read.execute(select(func.count(), func.count(case((is_merge, 1)))).select_from(walk)).one()
    return length, merges


def revisions(read: ReadSession, repo_id: str, commit_ids: Sequence[str]) -> list[Revision]:
    """These revisions, in this order; what is not there is left out."""
    query = select(Revision).where(Revision.repo_id == repo_id, Revision.commit_id.in_(commit_ids))
    found = {revision.commit_id: revision for revision in read.scalars(query)}
    return [found[commit_id] for commit_id in commit_ids if commit_id in found]


# -- blobs


def possessed(read: ReadSession, repo_id: str, sha256s: Iterable[str]) -> dict[str, StoredBlob]:
    """Which of these blobs the repo possesses, by SHA-256."""
    wanted = sorted(set(sha256s))
    found: dict[str, StoredBlob] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        query = (
            select(StoredBlob)
            .join(RepoBlob, RepoBlob.sha256 == StoredBlob.sha256)
            .where(RepoBlob.repo_id == repo_id, RepoBlob.sha256.in_(wanted[start : start + _IN_CHUNK]))
        )
        found.update((blob.sha256, blob) for blob in read.scalars(query))
    return found


def tree_payloads(read: ReadSession, oids: Iterable[str]) -> dict[str, bytes]:
    """The payloads of those of the trees that are there, by id."""
    wanted = sorted(set(oids))
    found: dict[str, bytes] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(GitTree.oid, GitTree.data).where(GitTree.oid.in_(wanted[start : start + _IN_CHUNK]))
        found.update((oid, data) for oid, data in read.execute(query))
    return found


def insert_missing(write: WriteSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows whose primary key is not there yet.

    In key order, so that two writers on PostgreSQL cannot wait for each other.
    """
    if not rows:
        return
    target = cast("Table", table.__table__)
    keys = [column.name for column in target.primary_key]
    ordered = sorted(rows, key=lambda row: [row[key] for key in keys])
    write.execute(insert(write, table).on_conflict_do_nothing(), ordered)


def insert_fresh(write: WriteSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """As `insert_missing`, for a table with ``fresh_at``: rows that are there already become fresh.

    Each of them is held against collection until the transaction ends.
    """
    if not rows:
        return
    target = cast("Table", table.__table__)
    keys = [column.name for column in target.primary_key]
    ordered = sorted(rows, key=lambda row: [row[key] for key in keys])
    statement = insert(write, table).on_conflict_do_update(index_elements=keys, set_={"fresh_at": utcnow()})
    write.execute(statement, ordered)


def freshen_possession(write: WriteSession, repo_id: str, sha256s: Iterable[str]) -> set[str]:
    """Marks blobs that the repo possesses as in use now; returns which of them it possesses."""
    wanted = sorted(set(sha256s))
    found: set[str] = set()
    for start in range(0, len(wanted), _IN_CHUNK):
        mine = (RepoBlob.repo_id == repo_id, RepoBlob.sha256.in_(wanted[start : start + _IN_CHUNK]))
        write.execute(update(RepoBlob).where(*mine).values(fresh_at=utcnow()))
        found.update(write.scalars(select(RepoBlob.sha256).where(*mine)))
    return found


def freshen_files(write: WriteSession, oids: Iterable[str]) -> set[str]:
    """Marks git blobs as in use now; returns which of them are there."""
    wanted = sorted(set(oids))
    found: set[str] = set()
    for start in range(0, len(wanted), _IN_CHUNK):
        some = GitBlob.oid.in_(wanted[start : start + _IN_CHUNK])
        write.execute(update(GitBlob).where(some).values(fresh_at=utcnow()))
        found.update(write.scalars(select(GitBlob.oid).where(some)))
    return found


# -- facts and lineage


def urn_labelled(read: ReadSession, label: str, owners: Collection[str] | None) -> str | None:
    """The URN of what carries this label in the lineage and belongs to one of the accounts (None: to any)."""
    query = select(LineageLink.target_urn).where(LineageLink.target_label == label)
    if owners is not None:
        query = query.where(LineageLink.owner_id.in_(sorted(owners)))
    return read.scalar(query.limit(1))


def facts(read: ReadSession, repo_id: str, revision_id: str | None) -> list[Fact]:
    """Measurements of a repo's revision (None: of all its revisions), oldest first.

    What was measured of a revision with the very same files (before a squash) holds for this one.
    """
    query = select(Fact).where(Fact.repo_id == repo_id).order_by(Fact.id)
    if revision_id is not None:
        tree = select(Revision.tree_id).where(Revision.repo_id == repo_id, Revision.commit_id == revision_id)
        same = select(Revision.commit_id).where(Revision.repo_id == repo_id, Revision.tree_id == tree.scalar_subquery())
        query = query.where(Fact.revision.in_(same))
    return list(read.scalars(query))


def _moment(stamp: str) -> datetime:
    try:
        return datetime.fromisoformat(stamp).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadCursor(next="Start again without a cursor, and pass on `next_cursor` unchanged.") from None
