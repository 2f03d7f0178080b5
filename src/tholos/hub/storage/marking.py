"""What is alive: everything that a revision of any repo, or another row of the record, leads to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, Text, cast, select

from tholos.hub import repository
from tholos.hub.foreign import parse_tag
from tholos.hub.gitobjects import EMPTY_TREE_ID
from tholos.hub.models import GitBlob, Ref, Revision
from tholos.kit.blobs import DamagedBlob
from tholos.kit.database import Database, ReadSession
from tholos.migrations import metadata

_BATCH: Final = 500
_TREE_LINE: Final = re.compile(rb"([0-7]+) [^\0]+\0(.{20})", re.DOTALL)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_OWN_TABLES: Final = frozenset({"repo_blobs", "blob_xorbs", "repo_xet_files", "git_blobs"})
_DIRECTORY: Final = b"40000"


@dataclass(slots=True)
class Alive:
    """Ids and hashes as bytes: a store may hold millions."""

    trees: set[bytes] = field(default_factory=set)
    files: set[bytes] = field(default_factory=set)
    """Git ids of files, or of what stands for them."""
    tags: set[bytes] = field(default_factory=set)
    contents: set[bytes] = field(default_factory=set)
    """SHA-256 of what files of revisions stand for. It is alive where a repo possesses it: what was deleted for good is
    still named."""
    elsewhere: set[bytes] = field(default_factory=set)
    """SHA-256 of contents that other rows name, whoever possesses them."""


def mark(database: Database, told: Callable[[str], None] = lambda _: None) -> Alive:
    """Finds what is alive, in short transactions. Raises DamagedBlob when a folder that should be there is not."""
    alive = Alive()
    with database.read() as read:
        level = [bytes.fromhex(oid) for oid in read.scalars(select(Revision.tree_id).distinct())]
        tags = list(read.scalars(select(Ref.tag_id).where(Ref.tag_id.is_not(None)).distinct()))
    empty = bytes.fromhex(EMPTY_TREE_ID)
    alive.trees.update(level, [empty])
    level = [oid for oid in level if oid != empty]
    while level:
        some, level = level[:_BATCH], level[_BATCH:]
        level += _below(database, some, alive)
        told(f"{len(alive.trees):,} folders and {len(alive.files):,} files are in use")
    with database.read() as read:
        for tag in filter(None, tags):
            _follow_tag(read, tag, alive)
    for files in batched(alive.files, _BATCH):
        with database.read() as read:
            query = select(GitBlob.sha256).where(GitBlob.oid.in_([oid.hex() for oid in files]))
            alive.contents.update(bytes.fromhex(sha256) for sha256 in read.scalars(query))
    with database.read() as read:
        alive.elsewhere.update(bytes.fromhex(sha256) for sha256 in named_elsewhere(read))
    return alive


def named_elsewhere(read: ReadSession) -> Iterator[str]:
    """SHA-256 of every content that a row of another room names: by a foreign key, or by a column that says so."""
    for column in _naming_columns():
        text = column if column.foreign_keys else cast(column, Text)
        for value in read.scalars(select(text).where(column.is_not(None))):
            yield from _SHA256.findall(value)


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of at most ``size``."""
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _naming_columns() -> list[Column[Any]]:
    found = []
    for table in metadata().tables.values():
        if table.name in _OWN_TABLES:
            continue
        for column in table.columns:
            keys = {key.target_fullname for key in column.foreign_keys}
            if "blobs.sha256" in keys or column.info.get("names_content"):
                found.append(column)
    return found


def _below(database: Database, oids: Collection[bytes], alive: Alive) -> list[bytes]:
    """The folders in these folders that were not seen before; files are noted as alive."""
    with database.read() as read:
        payloads = repository.tree_payloads(read, [oid.hex() for oid in oids])
    if len(payloads) != len(set(oids)):
        gone = sorted({oid.hex() for oid in oids} - payloads.keys())
        raise DamagedBlob(f"{len(gone)} folders of revisions are not in the database, such as {gone[0]}")
    new: list[bytes] = []
    for payload in payloads.values():
        for mode, oid in _TREE_LINE.findall(payload):
            if mode != _DIRECTORY:
                alive.files.add(oid)
            elif oid not in alive.trees:
                alive.trees.add(oid)
                new.append(oid)
    return new


def _follow_tag(read: ReadSession, tag: str, alive: Alive) -> None:
    oid, is_tag = tag, True
    while is_tag:
        alive.tags.add(bytes.fromhex(oid))
        oid, is_tag = parse_tag(oid, repository.tag_payload(read, oid))
