"""Changes: which revision last touched a path, as listings show it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from tholos.hub import repository
from tholos.hub.models import Repo, Revision
from tholos.hub.trees import TreeEntry, lookup
from tholos.kit.database import ReadSession

_HISTORY_SEARCHED: Final = 500
_BUDGET_S: Final = 2.0


def last_changes(
    read: ReadSession, repo: Repo, revision: Revision, entries: Sequence[TreeEntry]
) -> dict[str, Revision]:
    """The revision that gave each entry of ``revision`` its present content, by path.

    At most 500 revisions are looked at, for two seconds; an entry that none of these changed is left out.
    """
    search = _Search(read, time.monotonic() + _BUDGET_S)
    for entry in entries:
        search.want(entry)
    found: dict[str, Revision] = {}
    history = repository.history(read, repo.id, revision.commit_id, _HISTORY_SEARCHED)
    try:
        search.begin(revision.tree_id)
        for newer, older in pairwise(history):
            for path in search.changed_since(older.tree_id):
                found[path] = newer
            if search.is_over:
                return found
    except _OutOfTime:
        return found
    if history[-1].parent_id is None:  # the beginning: whatever is left came with it
        found |= {entry.path: history[-1] for entry in entries if entry.path not in found}
    return found


class _OutOfTime(Exception):
    """Raised when a search has used up its time."""


@dataclass(slots=True)
class _Folder:
    """What is still searched for in one folder, and the folder's tree in the revision looked at last."""

    tree: str | None = None
    wanted: dict[str, str] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)


class _Search:
    """Walks back through history with the wanted paths: of each older revision it reads only the trees on the way to
    them, and none that is as it was.
    """

    def __init__(self, read: ReadSession, deadline: float) -> None:
        self._read = read
        self._deadline = deadline
        self._root = _Folder()

    def want(self, entry: TreeEntry) -> None:
        """Searches for this entry, too."""
        *parents, name = entry.path.split("/")
        folder = self._root
        for parent in parents:
            folder = folder.folders.setdefault(parent, _Folder())
        folder.wanted[name] = entry.git_oid

    def begin(self, tree: str) -> None:
        """Starts at the revision, with this root tree, that the wanted entries are of."""
        list(self.changed_since(tree))

    def changed_since(self, tree: str) -> Iterator[str]:
        """The wanted paths that are not the same in this older root tree; from then on they are wanted no more."""
        return self._changed(self._root, tree, "")

    @property
    def is_over(self) -> bool:
        return not self._root.wanted and not self._root.folders

    def _changed(self, folder: _Folder, tree: str | None, prefix: str) -> Iterator[str]:
        if tree is not None and tree == folder.tree:
            return
        if time.monotonic() > self._deadline:
            raise _OutOfTime
        folder.tree = tree
        there = lookup(self._read, tree, {*folder.wanted, *folder.folders}) if tree else {}
        for name, oid in list(folder.wanted.items()):
            entry = there.get(name)
            if entry is None or entry.oid != oid:
                del folder.wanted[name]
                yield prefix + name
        for name, inner in list(folder.folders.items()):
            entry = there.get(name)
            below = entry.oid if entry is not None and entry.is_directory else None
            yield from self._changed(inner, below, f"{prefix}{name}/")
            if not inner.wanted and not inner.folders:
                del folder.folders[name]
