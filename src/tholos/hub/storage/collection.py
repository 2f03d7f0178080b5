"""Garbage collection: takes out of the record, and then out of the store, what nothing leads to any more.

Marking and sweeping run beside uploads and commits, in short transactions. What makes that safe is in `freshness`:
a row is removed only if nothing leads to it *and* nobody has touched it since the horizon, both looked at again in the
transaction that removes it. The file goes after its row; an upload of the same content that may have relied on the
file is refused.

A Xet client builds on what it once sent without asking. So xorbs that were acknowledged go in two steps: a new
generation begins, in which clients start afresh, and only after the grace period do xorbs of older ones go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, func, select, update

from tholos.accounts.authorization import Actor
from tholos.accounts.service import record_audit
from tholos.hub.models import (
    BlobXorb,
    CollectedObject,
    GitBlob,
    GitTag,
    GitTree,
    Ref,
    RepoBlob,
    RepoXetFile,
    RepoXorb,
    StoredBlob,
    StoredXorb,
)
from tholos.hub.repository import insert_missing
from tholos.hub.storage import state
from tholos.hub.storage.marking import Alive, batched, mark, named_elsewhere
from tholos.kit.blobs import BlobStore, ObjectKind, Recipe
from tholos.kit.clock import utcnow
from tholos.kit.database import Base, Database, ReadSession, WriteSession, insert

_BATCH: Final = 100  # keeps each transaction in the order of 10 ms
_READ: Final = 5000
_FORGET_AFTER: Final = timedelta(days=1)
"""For how long it is kept in mind what was removed; an upload takes less from the store to the record."""

Told = Callable[[str], None]


@dataclass(slots=True)
class Collected:
    """What a collection removed or, as a dry run, would remove: counts, and bytes in the store."""

    dry_run: bool
    generation: int = 1
    possessions: int = 0
    """Uploads that were never committed."""
    folders: int = 0
    files: int = 0
    tags: int = 0
    blobs: int = 0
    xorbs: int = 0
    strays: int = 0
    """Files in the store of which the record knows nothing: uploads that were cut off."""
    temporaries: int = 0
    freed_bytes: int = 0
    waiting_xorbs: int = 0
    """Xorbs that nobody needs but that a client may still build on: they go once their generation has passed."""
    waiting_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def collect(
    database: Database,
    blobs: BlobStore,
    actor: Actor,
    *,
    grace_s: float,
    dry_run: bool = False,
    told: Told = lambda _: None,
) -> Collected:
    """Collects garbage; with ``dry_run`` only says what there is. The caller has authorized the actor.

    Raises CollectionRunning, StoreUnreachable, DamagedBlob (a revision is not whole: collecting would be guesswork).
    """
    if dry_run:
        horizon = utcnow() - timedelta(seconds=grace_s)
        with database.read() as read:
            current = state.state(read)
        sweep = _Sweep(database, blobs, "", horizon, current.generation_at, Collected(dry_run=True), told)
        sweep.run(mark(database, told), current.generation)
        return sweep.found
    holder, horizon, generation_at = state.begin(database, grace_s)
    finished = False
    try:
        with database.read() as read:
            generation = state.state(read).generation
        sweep = _Sweep(database, blobs, holder, horizon, generation_at, Collected(dry_run=False), told)
        sweep.run(mark(database, told), generation)
        finished = True
    finally:
        state.end(database, holder, finished=finished)
    with database.write() as write:
        record_audit(write, actor, "hub.collect", "store", sweep.found.to_json())
    return sweep.found


class _Sweep:
    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        holder: str,
        horizon: datetime,
        generation_at: datetime,
        found: Collected,
        told: Told,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._holder = holder
        self._horizon = horizon
        self._generation_at = generation_at
        self.found = found
        self._told = told

    def run(self, alive: Alive, generation: int) -> None:
        """From what names to what is named, so that each step sees what the one before has left."""
        if not self.found.dry_run:
            self._finish_removals()
        self.found.tags = self._rows(GitTag, GitTag.oid, alive.tags, _untagged)
        self.found.folders = self._rows(GitTree, GitTree.oid, alive.trees)
        self.found.files = self._rows(GitBlob, GitBlob.oid, alive.files)
        dropped = self._possessions(alive.contents | alive.elsewhere)
        self._told("looking for contents that nobody has")
        doomed = self._unheld_blobs(alive.elsewhere, dropped)
        for some in batched(doomed, _BATCH):
            self._remove_blobs(some)
        self.found.generation = self._xorbs(generation, set(doomed), dropped)
        self._told("looking for strays in the store")
        self._strays()
        if not self.found.dry_run:
            self.found.temporaries = self._blobs.sweep()

    # -- rows that only the database has

    def _rows(
        self,
        table: type[Base],
        key: Any,
        alive: set[bytes],
        free: Callable[[], ColumnElement[bool]] | None = None,
    ) -> int:
        fresh_at = table.__table__.c.fresh_at
        with self._database.read() as read:
            query = select(key).where(fresh_at < self._horizon)
            dead = [oid for oid in read.scalars(query) if bytes.fromhex(oid) not in alive]
        if self.found.dry_run:
            return len(dead)
        removed = 0
        for some in batched(dead, _BATCH):
            with self._database.write() as write:
                state.keep(write, self._holder)
                conditions = [key.in_(some), fresh_at < self._horizon, *([free()] if free else [])]
                removed += len(write.scalars(delete(table).where(*conditions).returning(key)).all())
        return removed

    def _possessions(self, alive: set[bytes]) -> set[tuple[str, str]]:
        """Takes from repos what they were given and nothing of theirs or anyone's names; returns (repo, SHA-256)."""
        with self._database.read() as read:
            query = select(RepoBlob.repo_id, RepoBlob.sha256).where(RepoBlob.fresh_at < self._horizon)
            dead = [(repo, sha256) for repo, sha256 in read.execute(query) if bytes.fromhex(sha256) not in alive]
        if self.found.dry_run:
            self.found.possessions = len(dead)
            return set(dead)
        gone: set[tuple[str, str]] = set()
        for some in batched(dead, _BATCH):
            with self._database.write() as write:
                state.keep(write, self._holder)
                for repo_id, sha256 in some:
                    mine = (RepoBlob.repo_id == repo_id, RepoBlob.sha256 == sha256, RepoBlob.fresh_at < self._horizon)
                    if write.scalar(delete(RepoBlob).where(*mine).returning(RepoBlob.sha256)):
                        gone.add((repo_id, sha256))
        self.found.possessions = len(gone)
        for repo_id in sorted({repo_id for repo_id, _ in gone}):
            self._forget_recipes(repo_id)
        return gone

    def _forget_recipes(self, repo_id: str) -> None:
        """Drops the recipes of what a repo possesses no more, and its right to name xorbs that only those used."""
        possessed = exists().where(RepoBlob.repo_id == RepoXetFile.repo_id, RepoBlob.sha256 == RepoXetFile.sha256)
        with self._database.write() as write:
            state.keep(write, self._holder)
            gone = write.scalars(
                delete(RepoXetFile)
                .where(RepoXetFile.repo_id == repo_id, ~possessed)
                .returning(RepoXetFile.recipe)
                .execution_options(synchronize_session=False)
            ).all()
            candidates = {term.xorb for recipe in gone for term in Recipe.decode(recipe).terms}
            if not candidates:
                return
            left = write.scalars(select(RepoXetFile.recipe).where(RepoXetFile.repo_id == repo_id))
            candidates -= {term.xorb for recipe in left for term in Recipe.decode(recipe).terms}
            for some in batched(sorted(candidates), _BATCH):
                write.execute(delete(RepoXorb).where(RepoXorb.repo_id == repo_id, RepoXorb.xorb_hash.in_(some)))

    # -- contents

    def _unheld_blobs(self, alive: set[bytes], dropped: set[tuple[str, str]]) -> list[str]:
        """What no repo possesses: whether a revision names it or not, nobody can have it any more."""
        held: set[bytes] = set()
        with self._database.read() as read:
            query = select(RepoBlob.repo_id, RepoBlob.sha256)
            for repo_id, sha256 in read.execute(query.execution_options(yield_per=_READ)):
                if (repo_id, sha256) not in dropped:
                    held.add(bytes.fromhex(sha256))
            blobs = read.scalars(select(StoredBlob.sha256).where(StoredBlob.fresh_at < self._horizon))
            return [sha256 for sha256 in blobs if (key := bytes.fromhex(sha256)) not in alive and key not in held]

    def _remove_blobs(self, sha256s: Sequence[str]) -> None:
        if self.found.dry_run:
            with self._database.read() as read:
                is_recipe = exists().where(BlobXorb.sha256 == StoredBlob.sha256)
                query = select(func.coalesce(func.sum(StoredBlob.size), 0))
                whole = read.scalar(query.where(StoredBlob.sha256.in_(sha256s), ~is_recipe))
            self.found.blobs += len(sha256s)
            self.found.freed_bytes += int(whole or 0)
            return
        with self._database.write() as write:
            state.keep(write, self._holder)
            going = _lock_unheld(write, sha256s, self._horizon)
            packed = set(write.scalars(select(BlobXorb.sha256).where(BlobXorb.sha256.in_(going)).distinct()))
            sizes = write.execute(select(StoredBlob.sha256, StoredBlob.size).where(StoredBlob.sha256.in_(going))).all()
            write.execute(delete(BlobXorb).where(BlobXorb.sha256.in_(going)))
            write.execute(delete(RepoXetFile).where(RepoXetFile.sha256.in_(going)))
            write.execute(delete(StoredBlob).where(StoredBlob.sha256.in_(going)))
            _doom(write, "blob", going)
        self._remove_objects("blob", going)
        self.found.blobs += len(going)
        self.found.freed_bytes += sum(size for sha256, size in sizes if sha256 not in packed)

    # -- xorbs

    def _xorbs(self, generation: int, gone: set[str], dropped: set[tuple[str, str]]) -> int:
        """Returns the generation that is current afterwards."""
        ripe: list[str] = []
        for xorb, size, acknowledged_at in self._unused_xorbs(gone, dropped):
            if self._generation_at < self._horizon and acknowledged_at < self._generation_at:
                ripe.append(xorb)
                if self.found.dry_run:
                    self.found.xorbs += 1
                    self.found.freed_bytes += size
            else:
                self.found.waiting_xorbs += 1
                self.found.waiting_bytes += size
        if self.found.dry_run:
            return generation
        for some in batched(ripe, _BATCH):
            self._remove_xorbs(some)
        # one generation after the other: a new one would put off what waits for the last
        if self.found.waiting_xorbs and self._generation_at < self._horizon:
            return state.new_generation(self._database, self._holder)
        return generation

    def _unused_xorbs(self, gone: set[str], dropped: set[tuple[str, str]]) -> list[tuple[str, int, datetime]]:
        used: set[str] = set()
        with self._database.read() as read:
            if self.found.dry_run:  # the rows of what would go are still there
                used = _used_after(read, gone, dropped)
                of_any = select(StoredXorb.hash, StoredXorb.size, StoredXorb.acknowledged_at)
            else:
                of_any = select(StoredXorb.hash, StoredXorb.size, StoredXorb.acknowledged_at).where(_unused())
            rows = read.execute(of_any.where(StoredXorb.acknowledged_at < self._horizon)).all()
        return [(xorb, size, moment) for xorb, size, moment in rows if xorb not in used]

    def _remove_xorbs(self, xorbs: Sequence[str]) -> None:
        with self._database.write() as write:
            state.keep(write, self._holder)
            old = (StoredXorb.hash.in_(xorbs), StoredXorb.acknowledged_at < self._generation_at)
            # locked first and looked at afterwards: whoever was linking one of them has done so by then
            write.scalars(select(StoredXorb.hash).where(*old).order_by(StoredXorb.hash).with_for_update()).all()
            going = write.execute(select(StoredXorb.hash, StoredXorb.size).where(*old, _unused())).all()
            names = [xorb for xorb, _ in going]
            write.execute(delete(StoredXorb).where(StoredXorb.hash.in_(names)))
            _doom(write, "xorb", names)
        self._remove_objects("xorb", names)
        self.found.xorbs += len(going)
        self.found.freed_bytes += sum(size for _, size in going)

    # -- the store

    def _strays(self) -> None:
        """Removes what lies in the store without a row: a process was killed between the one and the other."""
        old = (item for item in self._blobs.listing() if item.stored_at < self._horizon)
        with self._database.read() as read:
            elsewhere = {bytes.fromhex(sha256) for sha256 in named_elsewhere(read)}
        for some in batched(old, _READ):
            with self._database.read() as read:
                known = _known(read, some)
            known |= {(False, item.name) for item in some if bytes.fromhex(item.name) in elsewhere}
            strays = [item for item in some if (item.kind == "xorb", item.name) not in known]
            for group in batched(strays, _BATCH):
                names = {kind: sorted({item.name for item in group if _row_kind(item.kind) == kind}) for kind in _KINDS}
                removed = {(kind, name) for kind in _KINDS for name in self._remove_strays(kind, names[kind])}
                for item in group:
                    if (_row_kind(item.kind), item.name) in removed:
                        self.found.strays += 1
                        self.found.freed_bytes += item.size

    def _remove_strays(self, kind: str, names: list[str]) -> list[str]:
        if self.found.dry_run or not names:
            return names
        with self._database.write() as write:
            state.keep(write, self._holder)
            # a row of the same key, made and removed: whoever is noting an upload of it comes wholly before or after
            going = _made_rows(write, kind, names)
            _doom(write, kind, going)
        self._remove_objects(kind, going)
        return going

    def _remove_objects(self, kind: str, names: Iterable[str]) -> None:
        forms: tuple[ObjectKind, ...] = ("xorb",) if kind == "xorb" else ("blob", "recipe")
        done = list(names)
        for name in done:
            for form in forms:
                self._blobs.remove(form, name)
        if done:
            with self._database.write() as write:
                mine = (CollectedObject.kind == kind, CollectedObject.name.in_(done))
                write.execute(update(CollectedObject).where(*mine).values(removed_at=utcnow()))

    def _finish_removals(self) -> None:
        """Goes on where a collection was killed between row and file, and forgets removals of long ago."""
        with self._database.write() as write:
            old = CollectedObject.removed_at < utcnow() - _FORGET_AFTER
            write.execute(delete(CollectedObject).where(old))
            pending = write.execute(
                select(CollectedObject.kind, CollectedObject.name).where(CollectedObject.removed_at.is_(None))
            ).all()
        for kind in _KINDS:
            for names in batched([name for of, name in pending if of == kind], _BATCH):
                self._remove_objects(kind, names)


_KINDS: Final = ("blob", "xorb")


def _row_kind(kind: ObjectKind) -> str:
    return "xorb" if kind == "xorb" else "blob"


def _untagged() -> ColumnElement[bool]:
    return ~exists().where(Ref.tag_id == GitTag.oid)


def _unused() -> ColumnElement[bool]:
    return ~exists().where(BlobXorb.xorb_hash == StoredXorb.hash) & ~exists().where(
        RepoXorb.xorb_hash == StoredXorb.hash
    )


def _lock_unheld(write: WriteSession, sha256s: Sequence[str], horizon: datetime) -> list[str]:
    """Those of the blobs that still nobody has or names; they are locked first and looked at afterwards."""
    old = (StoredBlob.sha256.in_(sha256s), StoredBlob.fresh_at < horizon)
    write.scalars(select(StoredBlob.sha256).where(*old).order_by(StoredBlob.sha256).with_for_update()).all()
    free = ~exists().where(RepoBlob.sha256 == StoredBlob.sha256)
    return list(write.scalars(select(StoredBlob.sha256).where(*old, free)))


def _doom(write: WriteSession, kind: str, names: Iterable[str]) -> None:
    rows = [{"kind": kind, "name": name, "removed_at": None} for name in names]
    if rows:
        write.execute(
            delete(CollectedObject).where(
                CollectedObject.kind == kind, CollectedObject.name.in_([row["name"] for row in rows])
            )
        )
        insert_missing(write, CollectedObject, rows)


def _used_after(read: ReadSession, gone: set[str], dropped: set[tuple[str, str]]) -> set[str]:
    """The xorbs that would still be used once these blobs and possessions had gone."""
    used = {xorb for sha256, xorb in read.execute(select(BlobXorb.sha256, BlobXorb.xorb_hash)) if sha256 not in gone}
    own = select(RepoXetFile.repo_id, RepoXetFile.sha256, RepoXetFile.recipe)
    for repo_id, sha256, recipe in read.execute(own.execution_options(yield_per=_BATCH)):
        if (repo_id, sha256) not in dropped:
            used.update(term.xorb for term in Recipe.decode(recipe).terms)
    return used


def _known(read: ReadSession, items: Sequence[Any]) -> set[tuple[bool, str]]:
    """Which of these objects (is it a xorb, name) have a row, or a row elsewhere that names them."""
    known: set[tuple[bool, str]] = set()
    for some in batched({item.name for item in items if item.kind == "xorb"}, 500):
        known.update((True, name) for name in read.scalars(select(StoredXorb.hash).where(StoredXorb.hash.in_(some))))
    for some in batched({item.name for item in items if item.kind != "xorb"}, 500):
        query = select(StoredBlob.sha256).where(StoredBlob.sha256.in_(some))
        known.update((False, name) for name in read.scalars(query))
    return known


def _made_rows(write: WriteSession, kind: str, names: list[str]) -> list[str]:
    """Those names for which a row could be made; it is removed again in the same transaction."""
    now = utcnow()
    if kind == "xorb":
        rows = [
            {"hash": name, "size": 0, "raw_bytes": 0, "chunks": 0, "created_at": now, "acknowledged_at": now}
            for name in names
        ]
        made = write.scalars(insert(write, StoredXorb).on_conflict_do_nothing().returning(StoredXorb.hash), rows).all()
        write.execute(delete(StoredXorb).where(StoredXorb.hash.in_(made)))
        return list(made)
    rows = [{"sha256": name, "size": 0, "created_at": now} for name in names]
    made = write.scalars(insert(write, StoredBlob).on_conflict_do_nothing().returning(StoredBlob.sha256), rows).all()
    write.execute(delete(StoredBlob).where(StoredBlob.sha256.in_(made)))
    return list(made)
