"""Reading and changing the trees of revisions: which file lies at which path."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal, NamedTuple

from sqlalchemy import bindparam, select

from tholos.hub.errors import EntryNotFound, PathConflict
from tholos.hub.gitobjects import (
    DIRECTORY_MODE,
    EMPTY_TREE_ID,
    FILE_MODE,
    Entry,
    encode_tree,
    parse_tree,
    tree_id,
    tree_order,
)
from tholos.hub.models import GitBlob, GitTree
from tholos.hub.paths import clean_path, collision_key
from tholos.kit.database import ReadSession
from tholos.kit.errors import Unprocessable

MAX_LISTED: Final = 1_000_000
"""Entries of a listing without pages. A few small trees that name each other can stand for billions of paths."""
_IN_CHUNK = 500
_TREE_LINE = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
# Columns, not objects, and one parameter: looking up a page's files is most of what listing it costs.
_NAMED: Final = select(GitBlob.oid, GitBlob.sha256, GitBlob.size, GitBlob.lfs).where(
    GitBlob.oid.in_(bindparam("oids", expanding=True))
)

TreeLoader = Callable[[str], Mapping[str, Entry]]
"""Gives the entries of a tree by its id: name to entry, in git's order."""


class TreeEntry(NamedTuple):
    """A file or directory of a revision."""

    path: str
    type: Literal["file", "directory"]
    size: int | None
    """Bytes of the content; None for a directory."""
    git_oid: str
    """Git's id of what the tree names: for an LFS file the pointer's."""
    sha256: str | None
    """SHA-256 of the content; None for a directory."""
    lfs: bool

    @property
    def etag(self) -> str:
        """A name for the content: the SHA-256 of an LFS file, the git id otherwise (as Hugging Face's hub has it)."""
        return self.sha256 if self.lfs and self.sha256 else self.git_oid


class Named(NamedTuple):
    """What a blob id inside a tree stands for: a content, its size in bytes, whether the id is of a pointer to it."""

    oid: str
    sha256: str
    size: int
    lfs: bool


def loader(read: ReadSession) -> TreeLoader:
    """Returns a TreeLoader over a session that parses each tree once."""
    seen: dict[str, Mapping[str, Entry]] = {EMPTY_TREE_ID: {}}

    def load(oid: str) -> Mapping[str, Entry]:
        if oid not in seen:
            payload = read.scalars(select(GitTree.data).where(GitTree.oid == oid)).one()
            seen[oid] = {entry.name: entry for entry in parse_tree(payload)}
        return seen[oid]

    return load


def find(read: ReadSession, root: str, path: str) -> TreeEntry:
    """The file or directory at ``path`` under the tree ``root``.

    Raises InvalidPath, EntryNotFound.
    """
    cleaned = clean_path(path)
    entry = _find(loader(read), root, cleaned)
    if entry is None:
        raise EntryNotFound(
            f'There is no file or folder "{cleaned}" in this revision.',
            next="List the files of the revision and check the spelling.",
            path=cleaned,
        )
    return _described(read, [(cleaned, entry)])[0]


def find_all(read: ReadSession, root: str, paths: Iterable[str]) -> list[TreeEntry]:
    """The files and directories at those of the paths where there are any, in the order asked for."""
    load = loader(read)
    found = ((path, _find(load, root, path)) for path in dict.fromkeys(paths))
    return _described(read, [(path, entry) for path, entry in found if entry is not None])


def lookup(read: ReadSession, tree: str, names: Collection[str]) -> dict[str, Entry]:
    """Those entries of one tree that have one of these names."""
    if tree == EMPTY_TREE_ID:
        return {}
    payload = read.scalars(select(GitTree.data).where(GitTree.oid == tree)).one()
    wanted = {name.encode(): name for name in names}
    return {
        wanted[name]: Entry(mode.decode(), wanted[name], oid.hex())
        for mode, name, oid in _TREE_LINE.findall(payload)
        if name in wanted
    }


def first_files(read: ReadSession, root: str, limit: int) -> list[TreeEntry]:
    """At most ``limit`` files below a tree, in all its folders; four times as many entries are looked at."""
    walk = islice(_walk(loader(read), root, "", (), recursive=True), 4 * limit)
    files = ((path, entry) for path, entry in walk if not entry.is_directory)
    return _described(read, list(islice(files, limit)))


def page(
    read: ReadSession, root: str, *, path: str = "", recursive: bool = False, after: str = "", limit: int | None = None
) -> list[TreeEntry]:
    """Entries below the folder ``path`` ("" is the root) in git's order; directories first appear, then their content.

    ``after`` is the path of the last entry of the page before; ``limit`` None means all, a million at most.

    Raises EntryNotFound when the folder does not exist or is a file, Unprocessable.
    """
    load = loader(read)
    prefix = ""
    if path:
        folder = find(read, root, path)
        if folder.type != "directory":
            raise EntryNotFound(f'"{folder.path}" is a file, not a folder.', next="Ask for the file instead.")
        root, prefix = folder.git_oid, folder.path + "/"
    start = after.removeprefix(prefix).split("/") if after else []
    walk = _walk(load, root, prefix, start, recursive=recursive)
    found = list(islice(walk, MAX_LISTED + 1 if limit is None else limit))
    if limit is None and len(found) > MAX_LISTED:
        raise Unprocessable(
            f"The revision has more than {MAX_LISTED:,} files and folders here.",
            next="List it a page or a folder at a time.",
        )
    return _described(read, found)


def _find(load: TreeLoader, root: str, path: str) -> Entry | None:
    entry = Entry(DIRECTORY_MODE, "", root)
    for segment in path.split("/"):
        if not entry.is_directory:
            return None
        child = load(entry.oid).get(segment)
        if child is None:
            return None
        entry = child
    return entry


def _walk(
    load: TreeLoader, root: str, prefix: str, after: Sequence[str], *, recursive: bool
) -> Iterator[tuple[str, Entry]]:
    # `after` leads to the last entry given out, relative to this folder: what sorts before it is skipped unread.
    entries = load(root)
    last = entries.get(after[0]) if after else None
    threshold = tree_order(last) if last else "".join(after[:1]).encode()
    for entry in entries.values():
        if threshold and tree_order(entry) < threshold:
            continue
        if entry is not last:
            yield prefix + entry.name, entry
        if recursive and entry.is_directory:
            inner = after[1:] if entry is last else ()
            yield from _walk(load, entry.oid, f"{prefix}{entry.name}/", inner, recursive=True)


def _described(read: ReadSession, found: Sequence[tuple[str, Entry]]) -> list[TreeEntry]:
    files = git_blobs(read, {entry.oid for _, entry in found if not entry.is_directory})
    described: list[TreeEntry] = []
    for path, entry in found:
        if entry.is_directory:
            described.append(TreeEntry(path, "directory", None, entry.oid, None, lfs=False))
        else:
            blob = files[entry.oid]
            described.append(TreeEntry(path, "file", blob.size, entry.oid, blob.sha256, lfs=blob.lfs))
    return described


def git_blobs(read: ReadSession, oids: Iterable[str]) -> dict[str, Named]:
    """What these blob ids stand for."""
    wanted = sorted(oids)
    found: dict[str, Named] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        rows = map(Named._make, read.execute(_NAMED, {"oids": wanted[start : start + _IN_CHUNK]}))
        found.update((row.oid, row) for row in rows)
    return found


@dataclass
class _Folder:
    """Changes below one folder: names to drop, files to put, folders to change."""

    removed: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)


def edit(
    load: TreeLoader,
    root: str,
    *,
    remove: Iterable[str],
    put: Mapping[str, str],
    modes: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, bytes]]:
    """Applies changes to a tree: removals first, then ``put`` (clean path to blob id). Empty folders vanish.

    ``modes`` are git's modes by path, where they are known; a file keeps its own otherwise. Returns the id of the new
    root and the payloads of the trees that are new, by id.

    Raises EntryNotFound when something to remove does not exist, PathConflict when a file would lie where a folder is,
    or two names differ only in case.
    """
    changes = _Folder()
    for path in remove:
        if _find(load, root, path) is None:
            raise EntryNotFound(
                f'A file with this name doesn\'t exist: "{path}".', next="Leave it out of the commit.", path=path
            )
        folder, name = _descend(changes, path)
        folder.removed.add(name)
    for path, oid in put.items():
        folder, name = _descend(changes, path)
        folder.files[name] = oid
        if modes and path in modes:
            folder.modes[name] = modes[path]
    made: dict[str, bytes] = {}
    return _rewrite(load, root, changes, "", made), made


def _descend(changes: _Folder, path: str) -> tuple[_Folder, str]:
    *parents, name = path.split("/")
    for parent in parents:
        changes = changes.folders.setdefault(parent, _Folder())
    return changes, name


def _rewrite(load: TreeLoader, root: str, changes: _Folder, prefix: str, made: dict[str, bytes]) -> str:
    before = load(root)
    after = {name: entry for name, entry in before.items() if name not in changes.removed}
    for name, inner in changes.folders.items():
        below = after.get(name)
        if below is not None and not below.is_directory:
            raise _conflict(prefix + name, "is a file, so nothing can lie inside it")
        oid = _rewrite(load, below.oid if below else EMPTY_TREE_ID, inner, f"{prefix}{name}/", made)
        if oid == EMPTY_TREE_ID:
            after.pop(name, None)
        else:
            after[name] = Entry(DIRECTORY_MODE, name, oid)
    for name, oid in changes.files.items():
        below = after.get(name)
        if below is not None and below.is_directory:
            raise _conflict(prefix + name, "is a folder, so no file can take its name")
        after[name] = Entry(changes.modes.get(name) or (below.mode if below else FILE_MODE), name, oid)
    _refuse_case_collisions(prefix, after, added=after.keys() - before.keys())
    if after == before:
        return root
    payload = encode_tree(after.values())
    oid = tree_id(payload)
    made[oid] = payload
    return oid


def _refuse_case_collisions(prefix: str, entries: Mapping[str, Entry], *, added: Iterable[str]) -> None:
    new = set(added)
    if not new:
        return
    taken: dict[str, str] = {}
    for name in sorted(entries, key=lambda name: (name in new, name)):
        other = taken.setdefault(collision_key(name), name)
        if other != name and name in new:
            raise _conflict(prefix + name, f'differs from "{prefix}{other}" only in upper and lower case')


def _conflict(path: str, reason: str) -> PathConflict:
    return PathConflict(
        f'"{path}" {reason}.', next="Choose another path, or delete the other one in the same commit.", path=path
    )
