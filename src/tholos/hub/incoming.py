"""What a push brings, checked before any of it is kept: the same rules as for the hub's own commits.

An object may be left out of a push only when the repo has it already: git's clients leave out what the branches they
saw lead to. That an object is stored for somebody else's repo counts for nothing, or a push that merely names a secret
folder would open it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tholos.hub import repository
from tholos.hub.attributes import Attributes
from tholos.hub.errors import InvalidObject, InvalidPath, NeedsLfs, ObjectMissing, PathConflict, PointerToNothing
from tholos.hub.foreign import ForeignCommit, parse_commit, parse_tag
from tholos.hub.gitobjects import (
    DIRECTORY_MODE,
    EMPTY_TREE_ID,
    EXECUTABLE_MODE,
    FILE_MODE,
    MAX_POINTER_BYTES,
    SYMLINK_MODE,
    Entry,
    MalformedObject,
    ObjectType,
    Pointer,
    encode_tree,
    parse_pointer,
    parse_tree,
)
from tholos.hub.mirror.promises import promised
from tholos.hub.models import Repo
from tholos.hub.operations import ATTRIBUTES_FILE
from tholos.hub.packs import Pack, PackedObject
from tholos.hub.paths import MAX_DEPTH, MAX_PATH_BYTES, check_path, collision_key
from tholos.hub.trees import git_blobs
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession
from tholos.kit.errors import PayloadTooLarge, TholosError

MAX_FILES: Final = 1_000_000
MAX_NEW_COMMITS: Final = 50_000
_MAX_TAG_CHAIN: Final = 5
_SUBMODULE_MODE: Final = "160000"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a ref would point at: the commit, and the annotated tags on the way there."""

    commit_id: str
    tags: dict[str, bytes]
    new: ForeignCommit | None
    """The commit itself, unless the repo has it already."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How far a folder reaches: files and folders in it, levels, bytes of its longest path. Found once per folder."""

    entries: int
    depth: int
    longest: int


class Incoming:
    """Checks what a pack holds against the rules and the repo it is meant for. Reads only; one per push."""

    def __init__(
        self,
        read: ReadSession,
        blobs: BlobStore,
        repo: Repo,
        pack: Pack | None,
        max_blob_bytes: int,
        *,
        from_upstream: bool = False,
    ) -> None:
        """``from_upstream``: what pointers name may come later, from where the pack came."""
        self.named: dict[str, int] = {}
        """Content that pointers name and the repo does not possess, with its size: of packs from an upstream only."""
        self._from_upstream = from_upstream
        self._read = read
        self._blobs = blobs
        self._repo = repo
        self._pack = pack
        self._max_blob_bytes = max_blob_bytes
        self._revisions = repository.revision_ids(read, repo.id)
        self._tags = {ref.tag_id for ref in repository.refs(read, repo.id) if ref.tag_id}
        self._own_trees = _OwnTrees(read, repo)
        self._shapes: dict[str, _Shape] = {EMPTY_TREE_ID: _Shape(0, 0, 0)}
        self._files: set[str] = set()
        self._parsed: dict[str, ForeignCommit] = {}
        self._sound: dict[str, ForeignCommit] = {}
        self._faults: dict[str, TholosError] = {}
        self._roots: set[str] = set()
        self.relied_on: set[str] = set()
        """Files that new folders name and that did not come with the push."""

    def arrival(self, oid: str) -> Arrival:
        """Follows an id that a ref is to have, and checks all that the repo does not have yet.

        Raises ObjectMissing, InvalidObject, InvalidPath, PathConflict, PointerToNothing, NeedsLfs, InvalidAttributes,
        PayloadTooLarge.
        """
        tags: dict[str, bytes] = {}
        while True:
            found = self._packed(oid)
            if found is not None and found.kind == "tag":
                tags[oid] = self._payload(found)
            elif found is None and oid in self._tags:
                tags[oid] = repository.tag_payload(self._read, oid)
            else:
                break
            oid, of_tag = parse_tag(oid, tags[oid])
            target = self._packed(oid)
            if of_tag != (target.kind == "tag" if target else oid in self._tags):
                raise InvalidObject("The tag does not point at what it says.", next="Run `git fsck` on your side.")
            if len(tags) > _MAX_TAG_CHAIN:
                raise InvalidObject("The tag is a tag of a tag, too often.", next="Tag the commit itself.")
        self._check_history(oid)
        return Arrival(oid, tags, self._sound.get(oid))

    def commits(self, arrivals: Iterable[Arrival], without: Container[str] = ()) -> dict[str, ForeignCommit]:
        """The new commits that the arrivals lead to, each once: without these, and what only they lead to."""
        found: dict[str, ForeignCommit] = {}
        pending = [arrival.commit_id for arrival in arrivals]
        while pending:
            oid = pending.pop()
            if oid in self._sound and oid not in found and oid not in without:
                found[oid] = self._sound[oid]
                pending += found[oid].parents
        return found

    def objects(self, arrivals: list[Arrival]) -> Iterator[tuple[str, PackedObject, str]]:
        """The trees and blobs of the pack below the arrivals' commits, each once: id, object, a path where it lies."""
        seen: set[str] = set()
        pending = [(commit.tree, "") for commit in self.commits(arrivals).values()]
        while pending:
            oid, path = pending.pop()
            found = self._packed(oid)
            if found is None or oid in seen:
                continue
            seen.add(oid)
            yield oid, found, path
            if found.kind == "tree":
                prefix = path + "/" if path else ""
                pending += [(entry.oid, prefix + entry.name) for entry in parse_tree(self._payload(found))]

    # -- commits

    def _check_history(self, tip: str) -> None:
        """Looks at each commit once per push, however many refs lead to it: what it found, sound or not, it keeps."""
        found: dict[str, ForeignCommit] = {}
        pending = [tip]
        edge: set[str] = set()
        oid = tip
        try:
            while pending:
                oid = pending.pop()
                if oid in self._faults:
                    raise self._faults[oid]
                if oid in self._revisions:
                    edge.add(oid)
                elif oid not in self._sound and oid not in found:
                    found[oid] = self._commit(oid)
                    pending += found[oid].parents
            self._own_trees.begin_with(edge)
            for oid, commit in _parents_first(found).items():
                self._root(commit)
                self._sound[oid] = commit
        except TholosError as error:
            self._faults[oid] = error
            for above, commit in _parents_first(found).items():
                if not self._faults.keys().isdisjoint(commit.parents):
                    self._faults[above] = error
            raise

    def _commit(self, oid: str) -> ForeignCommit:
        commit = self._parsed.get(oid)
        if commit is None:
            commit = parse_commit(oid, self._payload(self._expected(oid, "commit", "the history")))
            if len(self._parsed) >= MAX_NEW_COMMITS:
                raise PayloadTooLarge(
                    f"The push has more than {MAX_NEW_COMMITS:,} new commits.",
                    next="Push in parts: an older commit first, as in `git push origin <commit>:main`.",
                )
            self._parsed[oid] = commit
        return commit

    def _root(self, commit: ForeignCommit) -> None:
        if commit.tree in self._roots:
            return
        shape = self._tree(commit.tree, "")
        if shape.entries > MAX_FILES:
            raise InvalidObject(
                f"The commit {commit.oid} has more than {MAX_FILES:,} files and folders.",
                next="Split the repo, or pack files.",
            )
        if commit.tree != EMPTY_TREE_ID:
            for entry in parse_tree(self._tree_payload(commit.tree, "")):
                if entry.name == ATTRIBUTES_FILE and not entry.is_directory:
                    self._attributes(entry.oid)
        self._roots.add(commit.tree)

    def _attributes(self, oid: str) -> None:
        key = f"{ATTRIBUTES_FILE}:{oid}"
        if key in self._files:
            return
        if found := self._packed(oid):
            data = self._payload(found)
        else:
            with self._blobs.open(git_blobs(self._read, [oid])[oid].sha256) as file:
                data = file.read(self._max_blob_bytes)
        if parse_pointer(data):
            raise InvalidObject("The file .gitattributes is a Git LFS pointer.", next="Commit the file itself.")
        Attributes.parse(data)
        self._files.add(key)

    # -- trees

    def _tree(self, oid: str, path: str) -> _Shape:
        shape = self._shapes.get(oid)
        if shape is None:
            if path.count("/") >= MAX_DEPTH:
                raise InvalidPath(
                    f'"{path[:100]}…" is nested deeper than {MAX_DEPTH} folders.', next="Use fewer folders."
                )
            shape = self._shapes[oid] = self._measured(oid, path)
        depth = path.count("/") + 1 if path else 0
        if depth + shape.depth > MAX_DEPTH or (path and len(path.encode()) + 1 + shape.longest > MAX_PATH_BYTES):
            raise InvalidPath(
                f'A path below "{path[:200]}" is longer than {MAX_PATH_BYTES} bytes or {MAX_DEPTH} folders.',
                next="Shorten the names, or use fewer folders.",
                path=path[:200],
            )
        return shape

    def _measured(self, oid: str, path: str) -> _Shape:
        entries = self._entries(oid, path)
        if self._packed(oid) is not None:
            self._check_files([entry for entry in entries if not entry.is_directory], path)
        count, deepest, longest = len(entries), 0, 0
        for entry in entries:
            size = len(entry.name.encode())
            if entry.is_directory:
                below = self._tree(entry.oid, _joined(path, entry.name))
                count += below.entries
                deepest = max(deepest, below.depth)
                longest = max(longest, size + 1 + below.longest)
            else:
                longest = max(longest, size)
        return _Shape(count, deepest + 1, longest)

    def _entries(self, oid: str, path: str) -> list[Entry]:
        payload = self._tree_payload(oid, path)
        try:
            entries = parse_tree(payload)
            if self._packed(oid) is None:
                return entries  # the repo has it, so it was checked when it came
            ordered = encode_tree(entries) == payload
        except (MalformedObject, ValueError) as error:
            raise InvalidObject(
                f'The folder "{path}" ({oid}) is not well-formed: {error}.', next="Run `git fsck` on your side."
            ) from error
        if not ordered:
            raise InvalidObject(
                f'The folder "{path}" ({oid}) is not in git\'s order.', next="Run `git fsck` on your side."
            )
        taken: dict[str, str] = {}
        for entry in entries:
            full = _joined(path, entry.name)
            _check_entry(entry, full)
            other = taken.setdefault(collision_key(entry.name), entry.name)
            if other != entry.name:
                raise PathConflict(
                    f'"{full}" differs from "{_joined(path, other)}" only in upper and lower case.',
                    next="Rename one of the two in every commit that you push.",
                    path=full,
                )
        return entries

    def _tree_payload(self, oid: str, path: str) -> bytes:
        if self._packed(oid) is not None:
            return self._payload(self._expected(oid, "tree", f'the folder "{path}"'))
        if oid == EMPTY_TREE_ID:
            return b""
        payload = self._own_trees.payload(oid)
        if payload is None:
            raise _missing(oid, f'the folder "{path}"')
        return payload

    # -- files

    def _check_files(self, entries: list[Entry], path: str) -> None:
        new = [entry for entry in entries if entry.oid not in self._files]
        pointers: list[tuple[str, Pointer]] = []
        absent: dict[str, str] = {}
        for entry in new:
            full = _joined(path, entry.name)
            if self._packed(entry.oid) is None:
                absent[entry.oid] = full
            elif pointer := self._pointer(entry.oid, full):
                pointers.append((full, pointer))
        self._check_absent(absent)
        sha256s = [pointer.sha256 for _, pointer in pointers]
        possessed = repository.possessed(self._read, self._repo.id, sha256s)
        elsewhere = promised(self._read, self._repo.id, sha256s)
        for full, pointer in pointers:
            known = possessed.get(pointer.sha256)
            if known is None and self._from_upstream:
                self._name(full, pointer)
                continue
            if elsewhere.get(pointer.sha256) == pointer.size:
                continue
            if known is None or known.size != pointer.size or not self._blobs.exists(pointer.sha256):
                raise PointerToNothing(
                    f'"{full}" is a Git LFS pointer to content that was not uploaded to this repo.',
                    next="Run `git lfs push --all <remote>`, then push again.",
                    path=full,
                    sha256=pointer.sha256,
                )
        self._files.update(entry.oid for entry in new)

    def _name(self, path: str, pointer: Pointer) -> None:
        if self.named.setdefault(pointer.sha256, pointer.size) != pointer.size:
            raise InvalidObject(
                f'"{path}" names content of another size than a file before it does.',
                next="One of the two Git LFS pointers is wrong; correct it upstream.",
                path=path,
            )

    def _pointer(self, oid: str, path: str) -> Pointer | None:
        """Checks one file of the pack; what it points at when it is a pointer."""
        found = self._expected(oid, "blob", f'the file "{path}"')
        if found.oversize or found.size > self._max_blob_bytes:
            raise NeedsLfs(
                f'"{path}" has {found.size:,} bytes, too many for git itself ({self._max_blob_bytes:,} at most).',
                next=f'Keep it in Git LFS: `git lfs migrate import --include="{path}"`, then push again.',
                path=path,
            )
        if found.size > MAX_POINTER_BYTES:
            return None
        pointer = parse_pointer(self._payload(found))
        if pointer is not None and pointer.oid != oid:
            raise InvalidObject(
                f'"{path}" is a Git LFS pointer that is not written as git-lfs writes it.',
                next="Add the file again with git-lfs, without extensions.",
                path=path,
            )
        return pointer

    def _check_absent(self, absent: dict[str, str]) -> None:
        known = git_blobs(self._read, absent)
        self.relied_on.update(absent)
        sha256s = [blob.sha256 for blob in known.values()]
        possessed = repository.possessed(self._read, self._repo.id, sha256s)
        elsewhere = promised(self._read, self._repo.id, sha256s)
        for oid, path in absent.items():
            if oid not in known or (known[oid].sha256 not in possessed and known[oid].sha256 not in elsewhere):
                raise _missing(oid, f'the file "{path}"')

    # -- the pack

    def _packed(self, oid: str) -> PackedObject | None:
        return self._pack.get(oid) if self._pack else None

    def _payload(self, found: PackedObject) -> bytes:
        assert self._pack is not None
        if found.oversize:
            raise InvalidObject(f"A {found.kind} has {found.size:,} bytes.", next="Keep it smaller, then push again.")
        return self._pack.read(found)

    def _expected(self, oid: str, kind: ObjectType, what: str) -> PackedObject:
        found = self._packed(oid)
        if found is None:
            raise _missing(oid, what)
        if found.kind != kind:
            raise InvalidObject(
                f"{oid} should be a {kind} ({what}), but is a {found.kind}.", next="Run `git fsck` on your side."
            )
        return found


class _OwnTrees:
    """The trees that the repo's revisions lead to, found level by level and only as far as needed."""

    def __init__(self, read: ReadSession, repo: Repo) -> None:
        self._read = read
        self._repo = repo
        self._seen: set[str] = set()
        self._level: list[str] = []
        self._rest: list[str] | None = None

    def begin_with(self, commits: set[str]) -> None:
        """Looks first where most is alike: in the revisions that the pushed commits build on."""
        roots = repository.tree_ids(self._read, self._repo.id, commits)
        self._level += [oid for oid in roots if oid not in self._seen]
        self._seen.update(roots)

    def payload(self, oid: str) -> bytes | None:
        """The payload of a tree that one of the repo's revisions holds; None for any other."""
        while oid not in self._seen and self._descend():
            pass
        return repository.tree_payloads(self._read, [oid]).get(oid) if oid in self._seen else None

    def _descend(self) -> bool:
        if not self._level:
            if self._rest is None:
                self._rest = repository.tree_ids(self._read, self._repo.id, None)
            if not self._rest:
                return False
            self._level = [oid for oid in self._rest if oid not in self._seen]
            self._rest = []
            self._seen.update(self._level)
            return True
        some, self._level = self._level[:200], self._level[200:]
        for payload in repository.tree_payloads(self._read, some).values():
            below = {entry.oid for entry in parse_tree(payload) if entry.is_directory} - self._seen
            self._seen |= below
            self._level += below
        return True


def _check_entry(entry: Entry, path: str) -> None:
    if entry.mode == SYMLINK_MODE:
        raise InvalidObject(
            f'"{path}" is a symbolic link, which repos here do not have.', next="Commit the file itself.", path=path
        )
    if entry.mode == _SUBMODULE_MODE:
        raise InvalidObject(
            f'"{path}" is a submodule, which repos here do not have.',
            next="Commit the files themselves, or name the other repo in the README.",
            path=path,
        )
    if entry.mode not in (FILE_MODE, EXECUTABLE_MODE, DIRECTORY_MODE):
        raise InvalidObject(f'"{path}" has the mode {entry.mode}.', next="Use 100644 or 100755.", path=path)
    if entry.is_directory and entry.oid == EMPTY_TREE_ID:
        raise InvalidObject(
            f'"{path[:200]}" is an empty folder, which git itself never writes.', next="Leave it out.", path=path[:200]
        )
    if "/" in entry.name:
        raise InvalidPath(
            f'"{path[:200]}" is a name with a slash in it.', next="Run `git fsck` on your side.", path=path
        )
    check_path(path + "/_" if entry.is_directory else path)


def _parents_first(commits: dict[str, ForeignCommit]) -> dict[str, ForeignCommit]:
    ordered: dict[str, ForeignCommit] = {}
    for start in commits:
        pending = [start]
        while pending:
            oid = pending[-1]
            waiting = [parent for parent in commits[oid].parents if parent in commits and parent not in ordered]
            if waiting and oid not in ordered:
                pending += waiting
            else:
                ordered.setdefault(pending.pop(), commits[oid])
    return ordered


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _missing(oid: str, what: str) -> ObjectMissing:
    return ObjectMissing(
        f"The push lacks {oid} ({what}), and the repo does not have it.",
        next="Run `git fetch`, then push again; from a shallow clone, `git fetch --unshallow` first.",
    )
