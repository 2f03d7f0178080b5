"""Restoring a backup: into a home folder, a database and a store that are empty.

Objects come first and are verified as an upload is; then the database, brought to this version's schema. Clients
remember by the address of the Xet store what they once sent to it, perhaps after the backup was made: a restored store
has an address that no client knows yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from alembic.script import ScriptDirectory
from sqlalchemy import update

from tholos.hub.models import CollectionState
from tholos.hub.storage import dumps, state
from tholos.hub.storage.backups import SECRETS, Snapshot, find_snapshot, objects_of, pool_path
from tholos.hub.storage.errors import RestoreRefused
from tholos.hub.storage.verification import Report, verify
from tholos.kit.blobs import BlobStore, DamagedBlob, ObjectKind, Recipe, XorbIndex, open_blob_store
from tholos.kit.clock import utcnow
from tholos.kit.database import Database
from tholos.kit.home import HomeLock, write_private
from tholos.kit.settings import Settings
from tholos.migrations import configuration, migrate

_PIECE: Final = 4 << 20
_ORDER: Final[tuple[ObjectKind, ...]] = ("xorb", "recipe", "blob")
_BEGAN_S: Final = 1_767_225_600
"""2026-01-01 UTC: a home that is made begins with the seconds since then as the generation of its Xet store."""

Told = Callable[[str], None]


def restore(
    settings: Settings, source: Path, name: str | None = None, told: Told = lambda _: None
) -> tuple[Snapshot, Report]:
    """Restores the last backup in a folder, or the one of that name, to where these settings say; and looks at it.

    Raises BackupNotFound, RestoreRefused (nothing was changed), BackupFailed, DamagedBlob, BlobMismatch, DiskFull.
    """
    folder = find_snapshot(source, name)
    snapshot = Snapshot.read(folder)
    _refuse_foreign(settings, snapshot)
    _refuse_full(settings)
    with HomeLock(settings.home):
        blobs = open_blob_store(settings)
        if settings.blob_store != "file" and next(iter(blobs.listing()), None) is not None:
            raise RestoreRefused(f"{settings.blob_store} is not empty.", next="Name another prefix: THOLOS_BLOB_STORE.")
        names = sorted(objects_of(folder), key=lambda item: _ORDER.index(item[0]))
        for number, (kind, key) in enumerate(names, start=1):
            _put(blobs, kind, key, pool_path(source, kind, key))
            if number % 1000 == 0:
                told(f"{number:,} of {len(names):,} objects")
        for secret in SECRETS:
            if (folder / secret).is_file():
                write_private(settings.home / secret, (folder / secret).read_text())
        told("the database")
        dumps.load(settings, folder)
        with closing(Database(settings.resolved_database_url)) as database:
            migrate(database)
            _begin_afresh(database)
            return snapshot, verify(database, blobs, quick=True)


def _refuse_foreign(settings: Settings, snapshot: Snapshot) -> None:
    if snapshot.database != dumps.kind_of(settings):
        raise RestoreRefused(
            f"The backup is of {snapshot.database}, and THOLOS_DATABASE_URL names {dumps.kind_of(settings)}.",
            next=f"Restore it to {snapshot.database}.",
        )
    known = {script.revision for script in ScriptDirectory.from_config(configuration(None)).walk_revisions()}
    if snapshot.schema not in known:
        raise RestoreRefused(
            f"The backup has the schema {snapshot.schema}, which this version does not know.",
            next=f"Install Tholos {snapshot.tholos} or newer.",
        )


def _refuse_full(settings: Settings) -> None:
    if settings.home.exists() and any(settings.home.iterdir()):
        raise RestoreRefused(
            f"{settings.home} is not empty.", next="Name a new folder: THOLOS_HOME=… tholos restore …, or move it away."
        )


def _put(blobs: BlobStore, kind: ObjectKind, name: str, path: Path) -> None:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise DamagedBlob(f"the backup has lost the {kind} {name}") from error
    with file:
        if kind == "recipe":
            blobs.put_recipe(name, Recipe.decode(file.read()))
        elif kind == "blob":
            with blobs.writer() as writer:
                while piece := file.read(_PIECE):
                    writer.write(piece)
                writer.finish(name)
        else:
            _put_xorb(blobs, name, file)


def _put_xorb(blobs: BlobStore, name: str, file: BinaryIO) -> None:
    index = XorbIndex.read(file)
    file.seek(0)
    left = index.size
    with blobs.xorbs.writer() as writer:
        while left and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            writer.write(piece)
        writer.finish(name, index)


def _begin_afresh(database: Database) -> None:
    """No collection is under way any more, and the Xet store has an address that it never had."""
    with database.write() as write:
        row = state.state(write)
        generation = max(row.generation + 1, int(time.time()) - _BEGAN_S)
        write.execute(update(CollectionState).values(holder=None, generation=generation, generation_at=utcnow()))
