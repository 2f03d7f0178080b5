"""Histories as git asks for them: which refs there are, which objects a clone lacks, and their bytes.

Nothing is kept for git's sake: commits, folders and tags come from the database, files from the blob store, and what
stands for a Git LFS file is written anew from its SHA-256 and size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from tholos.accounts.authorization import Actor
from tholos.hub import repository
from tholos.hub.errors import ObjectMissing, RevisionNotFound
from tholos.hub.foreign import parse_tag
from tholos.hub.gitobjects import EMPTY_TREE_ID, ObjectType, Pointer, parse_tree
from tholos.hub.mirror.promises import promised
from tholos.hub.models import Repo, Revision
from tholos.hub.names import RepoKind
from tholos.hub.repos import get_repo
from tholos.hub.trees import Named, git_blobs
from tholos.kit.database import Database, ReadSession
from tholos.kit.services import Services

_BATCH: Final = 200
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class GitRef:
    """A ref by its full name: what git says it points at, and for an annotated tag the commit behind it."""

    name: str
    oid: str
    peeled: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for: objects it wants, commits it has, and how much of it."""

    wants: Collection[str]
    haves: Collection[str] = ()
    shallow: Collection[str] = ()
    """Commits of the client's whose parents it does not have."""
    depth: int | None = None
    deepen_relative: bool = False
    include_tags: bool = False
    max_file_bytes: int | None = None
    """Files of this size and larger are left out (a partial clone); None sends all."""


@dataclass(slots=True)
class Selection:
    """The objects to send, in the order of sending: ids only. ``shallow`` and ``unshallow`` answer a depth."""

    commits: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    shallow: list[str] = field(default_factory=list)
    unshallow: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.commits) + len(self.tags) + len(self.trees) + len(self.files)


@dataclass(frozen=True, slots=True)
class ObjectStream:
    """One object to send: its kind, its exact size, and its bytes in pieces."""

    kind: ObjectType
    size: int
    pieces: Iterable[bytes]


def git_refs(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> tuple[Repo, list[GitRef]]:
    """The repo and its refs by name. Raises RepoNotFound, InvalidName."""
    repo = get_repo(read, actor, kind, name)
    return repo, [
        GitRef(ref.name, ref.oid, ref.commit_id if ref.tag_id else None) for ref in repository.refs(read, repo.id)
    ]


class History:
    """The revisions of one repo as a graph, read once per request."""

    def __init__(self, read: ReadSession, repo: Repo) -> None:
        self._read = read
        self._repo = repo
        query = select(Revision.commit_id, Revision.tree_id, Revision.parents).where(Revision.repo_id == repo.id)
        self._commits = {oid: (tree, tuple(parents)) for oid, tree, parents in read.execute(query)}
        self._tags = {ref.tag_id: ref.commit_id for ref in repository.refs(read, repo.id) if ref.tag_id}

    def has(self, oid: str) -> bool:
        """Whether a client that has this commit, or tag of one, has something in common with the repo."""
        return oid in self._commits or oid in self._tags

    def suffices(self, wants: Collection[str], common: Collection[str]) -> bool:
        """Whether every wanted commit descends from one that both sides have, so that there is no need to ask on."""
        known = set(self._peeled(common))
        barren: set[str] = set()
        return bool(known) and all(self._reaches(want, known, barren) for want in self._peeled(wants))

    def _reaches(self, start: str, known: set[str], barren: set[str]) -> bool:
        # what was walked in vain once is not walked again for the next
        pending, seen = [start], set[str]()
        while pending:
            oid = pending.pop()
            if oid in known:
                return True
            if oid not in seen and oid not in barren and oid in self._commits:
                seen.add(oid)
                pending += self._commits[oid][1]
        barren |= seen
        return False

    def select(self, request: Request) -> Selection:
        """What the client lacks. Raises RevisionNotFound for a wanted object that the repo does not show."""
        chosen = Selection()
        tips, files = self._wanted(request.wants, chosen)
        old = set(request.shallow) & self._commits.keys()
        cut = self._cut(tips, request, old, chosen) if request.depth else old
        had = self._closure(self._peeled(request.haves), stop=old)
        new = self._closure(tips, stop=cut, skip=had if not request.depth else frozenset())
        chosen.commits = [oid for oid in new if oid not in had]
        sent = set(chosen.commits)
        edge = {parent for oid in sent for parent in self._commits[oid][1] if parent in had}
        edge |= {oid for oid in self._peeled(request.haves) if oid in had}
        if request.include_tags:
            chosen.tags += [tag for tag, commit in self._tags.items() if commit in sent]
        chosen.tags = list(dict.fromkeys(self._chained(chosen.tags)))
        self._contents(chosen, edge, request.max_file_bytes)
        chosen.files = list(dict.fromkeys([*chosen.files, *files]))
        return chosen

    # -- commits

    def _peeled(self, oids: Iterable[str]) -> list[str]:
        return [oid for oid in (self._tags.get(oid, oid) for oid in oids) if oid in self._commits]

    def _wanted(self, wants: Collection[str], chosen: Selection) -> tuple[list[str], list[str]]:
        tips: list[str] = []
        others: list[str] = []
        for want in wants:
            if want in self._tags:
                chosen.tags.append(want)
                tips.append(self._tags[want])
            elif want in self._commits:
                tips.append(want)
            else:
                others.append(want)
        # a partial clone comes back for single files, by their ids
        blobs = git_blobs(self._read, set(others))
        sha256s = [blob.sha256 for blob in blobs.values()]
        possessed = {
            *repository.possessed(self._read, self._repo.id, sha256s),
            *promised(self._read, self._repo.id, sha256s),
        }
        for want in others:
            if want not in blobs or blobs[want].sha256 not in possessed:
                raise RevisionNotFound(
                    f"{self._repo.label} has no object {want}.", next="Run `git fetch` again: its branches have moved."
                )
        return tips, others

    def _closure(
        self, tips: Iterable[str], *, stop: Collection[str] = (), skip: Collection[str] = ()
    ) -> dict[str, None]:
        """The tips and all before them: not beyond those in ``stop``, and without those in ``skip``."""
        found: dict[str, None] = {}
        pending = list(tips)[::-1]
        while pending:
            oid = pending.pop()
            if oid in found or oid in skip or oid not in self._commits:
                continue
            found[oid] = None
            if oid not in stop:
                pending += self._commits[oid][1][::-1]
        return found

    def _cut(self, tips: list[str], request: Request, old: set[str], chosen: Selection) -> set[str]:
        """The commits at which a history of the asked depth ends; says what of that is new to the client."""
        starts, depth = tips, request.depth or 1
        if request.deepen_relative and old:
            starts, depth = sorted(old), depth + 1
        distance = dict.fromkeys(starts, 1)
        level, here = list(distance), 1
        while level and here < depth:
            here += 1
            level = [
                parent
                for parent in dict.fromkeys(parent for oid in level for parent in self._commits[oid][1])
                if parent in self._commits and parent not in distance
            ]
            distance.update(dict.fromkeys(level, here))
        cut = {oid for oid in level if self._commits[oid][1]} if here >= depth else set()
        chosen.shallow = sorted(cut - old)
        chosen.unshallow = sorted(oid for oid in old if oid in distance and oid not in cut)
        return cut | {oid for oid in old if oid not in distance}

    def _chained(self, tags: Iterable[str]) -> Iterator[str]:
        for tag in tags:
            oid, is_tag = tag, True
            while is_tag:
                yield oid
                oid, is_tag = parse_tag(oid, repository.tag_payload(self._read, oid))

    # -- folders and files

    def _contents(self, chosen: Selection, edge: Iterable[str], max_file_bytes: int | None) -> None:
        had: set[str] = set()
        for _ in self._walk([self._commits[oid][0] for oid in edge], had, had):
            pass
        seen = set(had)
        files: list[str] = []
        for oid in self._walk([self._commits[oid][0] for oid in chosen.commits], seen, seen, files=files):
            chosen.trees.append(oid)
        if max_file_bytes is not None:
            files = [oid for oid, size in self._sizes(files).items() if size < max_file_bytes]
        chosen.files = files

    def _walk(
        self, roots: Iterable[str], trees: set[str], blobs: set[str], *, files: list[str] | None = None
    ) -> Iterator[str]:
        """Every tree below the roots that is not in ``trees`` yet; both sets grow, ``files`` gets what is new."""
        level = [oid for oid in dict.fromkeys(roots) if oid not in trees]
        trees.update(level)
        while level:
            some, level = level[:_BATCH], level[_BATCH:]
            payloads = {EMPTY_TREE_ID: b""} | repository.tree_payloads(self._read, some)
            for oid in some:
                yield oid
                for entry in parse_tree(payloads[oid]):
                    if entry.is_directory:
                        if entry.oid not in trees:
                            trees.add(entry.oid)
                            level.append(entry.oid)
                    elif entry.oid not in blobs:
                        blobs.add(entry.oid)
                        if files is not None:
                            files.append(entry.oid)

    def _sizes(self, files: Sequence[str]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for start in range(0, len(files), _BATCH):
            for oid, blob in git_blobs(self._read, files[start : start + _BATCH]).items():
                sizes[oid] = len(_pointer(blob)) if blob.lfs else blob.size
        return sizes


def object_streams(services: Services, repo: Repo, chosen: Selection) -> Iterator[ObjectStream]:
    """The objects of a selection. No session is held between two of them: slow clients must not keep connections.

    Raises ObjectMissing when something was removed meanwhile.
    """
    database = services.database
    for some in _batches(chosen.tags):
        with database.read() as read:
            tags = [repository.tag_payload(read, oid) for oid in some]
        yield from (ObjectStream("tag", len(data), [data]) for data in tags)
    for some in _batches(chosen.commits):
        yield from (ObjectStream("commit", len(raw), [raw]) for raw in _commits(database, repo, some))
    for some in _batches(chosen.trees):
        with database.read() as read:
            trees = {EMPTY_TREE_ID: b""} | repository.tree_payloads(read, some)
        yield from (ObjectStream("tree", len(trees[oid]), [trees[oid]]) for oid in some)
    for some in _batches(chosen.files):
        with database.read() as read:
            blobs = git_blobs(read, some)
        for oid in some:
            yield _file(services, blobs[oid])


def _commits(database: Database, repo: Repo, some: Sequence[str]) -> list[bytes]:
    with database.read() as read:
        query = select(Revision.commit_id, Revision.raw).where(
            Revision.repo_id == repo.id, Revision.commit_id.in_(some)
        )
        found = dict(read.execute(query).all())
    if len(found) != len(some):
        raise ObjectMissing(f"{repo.label} was deleted meanwhile.", next="Check the address.")
    return [found[oid] for oid in some]


def _file(services: Services, blob: Named) -> ObjectStream:
    if blob.lfs:
        text = _pointer(blob)
        return ObjectStream("blob", len(text), [text])
    return ObjectStream("blob", blob.size, _pieces(services, blob.sha256))


def _pieces(services: Services, sha256: str) -> Iterator[bytes]:
    with services.blobs.open(sha256) as file:
        while piece := file.read(_CHUNK):
            yield piece


def _pointer(blob: Named) -> bytes:
    return Pointer(blob.sha256, blob.size).encode()


def _batches(oids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(oids), _BATCH):
        yield oids[start : start + _BATCH]
