"""Backups: a folder with one pool of objects, and snapshots of the record that name what they need of it.

The database is taken first, at one moment, and then every object that the store holds: what a snapshot names was there
before. Nothing is collected meanwhile (the backup holds the lease of garbage collection). A snapshot gets its name when
all of it is on disk, so that one that was cut off is none. Objects never change: what the pool has is not copied again.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import text
from sqlalchemy.engine import make_url

from tholos.hub.storage import dumps, state
from tholos.hub.storage.errors import BackupFailed, BackupNotFound
from tholos.kit.blobs import BlobNotFound, BlobStore, ObjectKind, StoredObject, XorbNotFound, open_blob_store
from tholos.kit.blobs.durable import Draft, sync_folder
from tholos.kit.clock import utcnow
from tholos.kit.database import Database
from tholos.kit.home import write_private
from tholos.kit.settings import Settings

SNAPSHOTS: Final = "snapshots"
SECRETS: Final = ("secret-key", "admin-token")
_MANIFEST: Final = "manifest.json"
_OBJECTS: Final = "objects.gz"
_PARTIAL: Final = ".partial-"
_FORMAT: Final = 1
_PIECE: Final = 4 << 20
_KEEP_EVERY_S: Final = 60.0

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a backup says of itself."""

    name: str
    created_at: str
    tholos: str
    """Version of the program that made it."""
    schema: str
    """Version of the database's schema."""
    database: str
    """``sqlite`` or ``postgresql``."""
    objects: int
    bytes: int
    """Of all objects that it needs."""
    copied: int
    """How many of them were new to the pool."""
    copied_bytes: int
    has_secret_key: bool
    format: int = _FORMAT

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises BackupNotFound."""
        try:
            return cls(**json.loads((folder / _MANIFEST).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise BackupNotFound(f"{folder} holds no backup that this version can read.") from error


def backup(settings: Settings, target: Path, told: Told = lambda _: None) -> Snapshot:
    """Backs up the record and the store of these settings into a folder, beside a running server.

    Raises BackupFailed, CollectionRunning, StoreUnreachable, DiskFull; the last backup stays what it was.
    """
    url = make_url(settings.resolved_database_url)
    if dumps.kind_of(settings) == dumps.SQLITE and not Path(str(url.database)).exists():
        raise BackupFailed(f"There is no database {url.database}.", next="Set THOLOS_HOME to the server's home folder.")
    begun = utcnow()
    name = begun.strftime("%Y%m%dT%H%M%S.%fZ")
    draft = target / SNAPSHOTS / f"{_PARTIAL}{name}"
    blobs = open_blob_store(settings)
    with closing(Database(settings.resolved_database_url)) as database:
        holder, _, _ = state.begin(database, settings.gc_grace_s)
        try:
            _make_room(target)
            draft.mkdir(mode=0o700)
            told("the database")
            dumps.dump(settings, draft)
            with database.read() as read:
                schema = str(read.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
            counts = _copy_objects(blobs, target, draft, _Lease(database, holder), told)
        finally:
            state.end(database, holder, finished=False)
    made = Snapshot(
        name=name,
        created_at=begun.isoformat(),
        tholos=version("tholos"),
        schema=schema,
        database=dumps.kind_of(settings),
        has_secret_key=_copy_secrets(settings, draft),
        **counts,
    )
    write_private(draft / _MANIFEST, json.dumps(asdict(made), indent=1))
    for path in draft.iterdir():
        _sync(path)
    sync_folder(draft)
    draft.rename(target / SNAPSHOTS / name)
    sync_folder(target / SNAPSHOTS)
    return made


def find_snapshot(target: Path, name: str | None = None) -> Path:
    """The folder of the snapshot of that name, or of the last. Raises BackupNotFound."""
    found = sorted(path for path in (target / SNAPSHOTS).glob("[0-9]*") if name in (None, path.name))
    if not found:
        raise BackupNotFound(
            f"There is no backup {name} in {target}." if name else f"There is no backup in {target}.",
            next="Name the folder that was given to `tholos backup`.",
        )
    return found[-1]


def forget_old(target: Path, keep: int) -> int:
    """Removes all snapshots but the last ``keep``, and the objects that only those needed; returns how many objects."""
    folders = sorted((target / SNAPSHOTS).glob("[0-9]*"))
    for folder in folders[:-keep]:
        (folder / _MANIFEST).unlink(missing_ok=True)  # first: half of a snapshot is none
        shutil.rmtree(folder)
    needed = {pool_path(target, kind, name) for folder in folders[-keep:] for kind, name in objects_of(folder)}
    removed = 0
    for room in ("blobs", "xorbs"):
        for path in (target / room).glob("??/??/*"):
            if path not in needed:
                path.unlink()
                removed += 1
    return removed


def pool_path(target: Path, kind: ObjectKind, name: str) -> Path:
    """Where an object lies in the pool of a backup."""
    room = "xorbs" if kind == "xorb" else "blobs"
    return target / room / name[:2] / name[2:4] / (f"{name}.recipe" if kind == "recipe" else name)


def objects_of(folder: Path) -> Iterator[tuple[ObjectKind, str]]:
    """Kind and name of every object that a snapshot needs."""
    kinds: dict[str, ObjectKind] = {"blob": "blob", "recipe": "recipe", "xorb": "xorb"}
    with gzip.open(folder / _OBJECTS, "rt") as lines:
        for line in lines:
            kind, name = line.split()
            yield kinds[kind], name


def _make_room(target: Path) -> None:
    """Makes the folders of a backup, and removes what one that was cut off has left."""
    for folder in (target, target / SNAPSHOTS, target / "incoming"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in (target / SNAPSHOTS).glob(f"{_PARTIAL}*"):
        shutil.rmtree(left)
    for draft in (target / "incoming").iterdir():
        draft.unlink()


class _Lease:
    """Keeps garbage collection from beginning for as long as it is renewed."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._renewed = time.monotonic()

    def renew(self) -> None:
        if time.monotonic() - self._renewed > _KEEP_EVERY_S:
            with self._database.write() as write:
                state.keep(write, self._holder)
            self._renewed = time.monotonic()


def _copy_objects(blobs: BlobStore, target: Path, draft: Path, lease: _Lease, told: Told) -> dict[str, Any]:
    counts = {"objects": 0, "bytes": 0, "copied": 0, "copied_bytes": 0}
    with gzip.open(draft / _OBJECTS, "wt") as names:
        for item in blobs.listing():
            lease.renew()
            try:
                size = _copy(blobs, item, target, lease)
            except (BlobNotFound, XorbNotFound):  # listed, and gone: nothing that the snapshot names
                continue
            names.write(f"{item.kind} {item.name}\n")
            counts["objects"] += 1
            counts["bytes"] += item.size
            if size is not None:
                counts["copied"] += 1
                counts["copied_bytes"] += size
            if counts["objects"] % 1000 == 0:
                told(f"{counts['objects']:,} objects, {counts['copied']:,} of them new")
    return counts


def _copy(blobs: BlobStore, item: StoredObject, target: Path, lease: _Lease) -> int | None:
    """Brings one object into the pool; returns its bytes, None where the pool has it."""
    path = pool_path(target, item.kind, item.name)
    if _is_copy(path, item):
        return None
    with blobs.open_stored(item.kind, item.name) as source, Draft(target / "incoming") as copy:
        while piece := source.read(_PIECE):
            copy.write(piece)
            lease.renew()
        moment = _mark(item.stored_at)
        os.utime(copy.path, (moment, moment))
        copy.publish(path)
        return copy.size


def _is_copy(path: Path, item: StoredObject) -> bool:
    """Whether the pool has it. A file's bytes are its name; a recipe or xorb of the same name may be another."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return there.st_size == item.size and (item.kind == "blob" or int(there.st_mtime) == _mark(item.stored_at))


def _mark(moment: datetime) -> int:
    return int(moment.timestamp())


def _copy_secrets(settings: Settings, draft: Path) -> bool:
    """Whether the server's own key is in the backup: one that is a setting is the operator's to keep."""
    for name in SECRETS:
        if (settings.home / name).is_file():
            write_private(draft / name, (settings.home / name).read_text())
    return (draft / "secret-key").is_file()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
