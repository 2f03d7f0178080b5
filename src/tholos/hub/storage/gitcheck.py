"""`fsck` of the git objects: every id computed anew, and every revision followed down to its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from tholos.hub.gitobjects import (
    EMPTY_TREE_ID,
    MalformedObject,
    Pointer,
    commit_id,
    object_id,
    parse_tree,
    tree_id,
)
from tholos.hub.models import GitBlob, GitTag, GitTree, Revision, StoredBlob
from tholos.kit.database import Database

_ROWS: Final = 200

Say = Callable[[str, str, str], None]
"""Told what is damaged: the kind of thing, its name, and the problem in words."""


@dataclass(slots=True)
class _Files:
    """Every file's id, and those of small files whose content nobody has."""

    known: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Folder:
    """What a folder names: ids of folders and of files."""

    folders: list[str]
    files: list[str]


def check_git(database: Database, say: Say) -> dict[str, int]:
    """Checks all trees, tags, files and revisions of the record; returns how many of each were looked at."""
    check = _GitCheck(database, say)
    folders = check.folders()
    check.tags()
    files = check.files()
    roots = check.revisions(folders)
    check.reach(folders, files, roots)
    return {"trees": len(folders) - 1, "files": len(files.known), "revisions": len(roots)}


class _GitCheck:
    def __init__(self, database: Database, say: Say) -> None:
        self._database = database
        self._say = say

    def folders(self) -> dict[str, _Folder]:
        """Every folder by its id; the empty one is always there."""
        found = {EMPTY_TREE_ID: _Folder([], [])}
        for oid, data in self._stream(select(GitTree.oid, GitTree.data)):
            try:
                entries = parse_tree(data)
            except MalformedObject as error:
                self._say("tree", oid, f"is not well-formed: {error}")
                continue
            if tree_id(data) != oid:
                self._say("tree", oid, f"has the id {tree_id(data)}")
            found[oid] = _Folder(
                [entry.oid for entry in entries if entry.is_directory],
                [entry.oid for entry in entries if not entry.is_directory],
            )
        return found

    def tags(self) -> None:
        for oid, data in self._stream(select(GitTag.oid, GitTag.data)):
            if object_id("tag", data) != oid:
                self._say("tag", oid, f"has the id {object_id('tag', data)}")

    def files(self) -> _Files:
        """A large file may be without content: that was deleted for good."""
        files = _Files()
        query = select(GitBlob.oid, GitBlob.sha256, GitBlob.size, GitBlob.lfs, StoredBlob.size)
        query = query.outerjoin(StoredBlob, StoredBlob.sha256 == GitBlob.sha256)
        for oid, sha256, size, lfs, stored in self._stream(query):
            files.known.add(oid)
            if stored is None and not lfs:
                files.empty.add(oid)
            if stored is not None and size != stored:
                self._say("file", oid, f"has {size} bytes by its git object and {stored} by its content")
            if lfs and Pointer(sha256, size).oid != oid:
                self._say("file", oid, f"is not the id of the pointer to {sha256}")
        return files

    def revisions(self, folders: dict[str, _Folder]) -> dict[str, str]:
        """The root folder of every revision."""
        roots: dict[str, str] = {}
        known: set[tuple[str, str]] = set()
        parents: list[tuple[str, str, str]] = []
        query = select(Revision.repo_id, Revision.commit_id, Revision.tree_id, Revision.parents, Revision.raw)
        for repo_id, oid, tree, above, raw in self._stream(query):
            roots[oid] = tree
            known.add((repo_id, oid))
            parents += [(repo_id, oid, parent) for parent in above]
            if commit_id(raw) != oid:
                self._say("revision", oid, f"has the id {commit_id(raw)}")
            if not raw.startswith(b"tree " + tree.encode() + b"\n"):
                self._say("revision", oid, "does not name the folder that the record has for it")
            if tree not in folders:
                self._say("tree", tree, f"is missing: the root of revision {oid}")
        for repo_id, oid, parent in parents:
            if (repo_id, parent) not in known:
                self._say("revision", oid, f"has the parent {parent}, which is missing")
        return roots

    def reach(self, folders: dict[str, _Folder], files: _Files, roots: dict[str, str]) -> None:
        """Everything that a revision leads to is there."""
        pending, seen = list(set(roots.values())), set[str]()
        while pending:
            oid = pending.pop()
            if oid in seen or oid not in folders:
                continue
            seen.add(oid)
            pending += folders[oid].folders
            for folder in folders[oid].folders:
                if folder not in folders:
                    self._say("tree", folder, f"is missing: a folder of {oid}")
            for file in folders[oid].files:
                if file not in files.known:
                    self._say("file", file, f"is missing: a file of the folder {oid}")
                elif file in files.empty:
                    self._say("file", file, f"has lost its content: a file of the folder {oid}")

    def _stream(self, query: Any) -> Iterator[Any]:
        with self._database.read() as read:
            yield from read.execute(query.execution_options(yield_per=_ROWS))
