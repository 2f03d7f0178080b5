"""`fsck`: reads back all that the store and the record hold, and says what is missing or has changed.

Every hash is computed anew: of whole files, of what recipes give, of every chunk of every xorb, of every git object.
Beside a running server what is uploaded or collected meanwhile is looked at twice before it counts as damage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import delete, exists, select

from tholos.hub.gitobjects import MalformedObject, object_hasher, parse_tree
from tholos.hub.models import (
    BlobXorb,
    GitBlob,
    GitTag,
    GitTree,
    Repo,
    RepoBlob,
    RepoXetFile,
    RepoXorb,
    Revision,
    StoredBlob,
    StoredXorb,
)
from tholos.hub.repository import insert_missing
from tholos.hub.storage.gitcheck import check_git
from tholos.hub.storage.marking import batched, named_elsewhere
from tholos.hub.xet.errors import InvalidXorb, XorbTooLarge
from tholos.hub.xet.xorbs import XorbReader
from tholos.kit.blobs import BlobNotFound, BlobStore, DamagedBlob, ObjectKind, Recipe, XorbIndex, XorbNotFound
from tholos.kit.blobs.recipes import open_recipe
from tholos.kit.database import Database, ReadSession

_PIECE: Final = 4 << 20
_ROWS: Final = 200
_MAX_REPOS: Final = 100
_MAX_DAMAGE: Final = 10_000

Told = Callable[[float, str], None]
"""Told how far it is, from 0 to 1, and what it looks at."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it should be: ``what`` (blob, recipe, xorb, tree, file, tag, revision, link), its name,
    and the problem in words.
    """

    what: str
    name: str
    problem: str


@dataclass(slots=True)
class Report:
    """What was looked at, what is wrong with it, and what was repaired."""

    quick: bool
    checked: dict[str, int] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    repos: dict[str, list[str]] = field(default_factory=dict)
    """Names of the repos that are affected, by the name of what is damaged."""
    repaired: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not self.damage

    def to_json(self) -> dict[str, Any]:
        """As jobs and the command line show it."""
        return {
            "sound": self.is_sound,
            "quick": self.quick,
            "checked": self.checked,
            "damage": [
                {"what": item.what, "name": item.name, "problem": item.problem, "repos": self.repos.get(item.name, [])}
                for item in self.damage[:_MAX_DAMAGE]
            ],
            "damaged": len(self.damage),
            "repaired": self.repaired,
        }


def verify(
    database: Database,
    blobs: BlobStore,
    *,
    quick: bool = False,
    repair: bool = False,
    told: Told = lambda *_: None,
) -> Report:
    """Checks everything; ``quick`` looks at existence and sizes only, ``repair`` mends what needs no guess.

    Raises StoreUnreachable.
    """
    check = _Check(database, blobs, Report(quick), told)
    told(0.0, "listing the store")
    check.list_store()
    check.xorbs()
    check.contents()
    check.links()
    check.git()
    check.confirm()
    if repair:
        check.repair()
    check.name_repos()
    return check.report


class _Check:
    def __init__(self, database: Database, blobs: BlobStore, report: Report, told: Told) -> None:
        self._database = database
        self._blobs = blobs
        self.report = report
        self._told = told
        self._sizes: dict[tuple[ObjectKind, str], int] = {}
        self._missing_links: list[dict[str, str]] = []

    def list_store(self) -> None:
        self._sizes = {(item.kind, item.name): item.size for item in self._blobs.listing()}

    # -- content

    def xorbs(self) -> None:
        rows = self._rows(select(StoredXorb.hash, StoredXorb.size))
        for number, (xorb, size) in enumerate(rows):
            self._step(0.05, 0.4, number, len(rows), "xorbs")
            if problem := self._xorb_problem(xorb, size):
                self._say("xorb", xorb, problem)
        self.report.checked["xorbs"] = len(rows)

    def contents(self) -> None:
        rows = self._rows(select(StoredBlob.sha256, StoredBlob.size))
        with self._database.read() as read:
            known = {sha256 for sha256, _ in rows}
            others = sorted(set(named_elsewhere(read)) - known)
        for number, (sha256, size) in enumerate([*rows, *((sha256, None) for sha256 in others)]):
            self._step(0.45, 0.4, number, len(rows), "files")
            if problem := self._content_problem(sha256, size):
                self._say("blob", sha256, problem)
        self.report.checked["blobs"] = len(rows) + len(others)
        self.report.checked["bytes"] = sum(self._sizes.values())

    def _xorb_problem(self, xorb: str, size: int) -> str:
        stored = self._size("xorb", xorb)
        if stored is None:
            return "is missing"
        if stored <= size:
            return f"has {stored} bytes, fewer than its {size} and their index"
        if self.report.quick:
            return ""
        try:
            with self._blobs.open_stored("xorb", xorb) as file:
                index = XorbIndex.read(file)
                file.seek(0)
                reader = XorbReader()
                left = index.size
                while left and (piece := file.read(min(_PIECE, left))):
                    left -= len(piece)
                    reader.feed(piece)
                found = reader.finish(xorb)
        except XorbNotFound:
            return "is missing"
        except DamagedBlob as error:
            return f"is damaged: {error}"
        except (InvalidXorb, XorbTooLarge) as error:
            return f"is damaged: {error.message}"
        same = list(found.offsets) == list(index.offsets) and found.hashes == index.hashes
        return "" if same and index.size == size else "has an index of other chunks"

    def _content_problem(self, sha256: str, size: int | None) -> str:
        whole, packed = self._size("blob", sha256), self._size("recipe", sha256)
        if whole is None and packed is None:
            return "is missing"
        if whole is not None:
            if size is not None and whole != size:
                return f"has {whole} bytes instead of {size}"
            if not self.report.quick and (problem := self._bytes_problem(sha256, size)):
                return problem
        # a recipe beside a whole file that is linked to nothing is not in use: a backup caught it before it was
        if packed is None or (whole is not None and not self._links(sha256)):
            return ""
        return self._recipe_problem(sha256, size)

    def _bytes_problem(self, sha256: str, size: int | None) -> str:
        digest = hashlib.sha256()
        git = object_hasher("blob", size or 0)
        try:
            with self._blobs.open_stored("blob", sha256) as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    git.update(piece)
        except BlobNotFound:
            return "is missing"
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        if digest.hexdigest() != sha256:
            return f"is damaged: its bytes have SHA-256 {digest.hexdigest()}"
        return self._git_problem(sha256, git.hexdigest())

    def _recipe_problem(self, sha256: str, size: int | None) -> str:
        try:
            with self._blobs.open_stored("recipe", sha256) as file:
                recipe = Recipe.decode(file.read())
        except BlobNotFound:
            return "is missing"
        except OSError as error:
            return f"has a recipe that cannot be read: {error}"
        if size is not None and recipe.size != size:
            return f"has a recipe of {recipe.size} bytes instead of {size}"
        if gone := sorted(xorb for xorb in recipe.xorbs if self._size("xorb", xorb) is None):
            return f"is made of the xorb {gone[0]}, which is missing"
        self._check_links(sha256, recipe.xorbs)
        if self.report.quick:
            return ""
        digest, git = hashlib.sha256(), object_hasher("blob", recipe.size)
        try:
            with open_recipe(recipe, self._blobs.xorbs) as content:
                while piece := content.read(_PIECE):
                    digest.update(piece)
                    git.update(piece)
        except OSError as error:
            return f"cannot be put together: {error}"
        if digest.hexdigest() != sha256:
            return f"is damaged: its recipe gives bytes with SHA-256 {digest.hexdigest()}"
        return self._git_problem(sha256, git.hexdigest())

    def _git_problem(self, sha256: str, oid: str) -> str:
        with self._database.read() as read:
            stands_for = list(read.scalars(select(GitBlob.oid).where(GitBlob.sha256 == sha256, ~GitBlob.lfs)))
        wrong = [other for other in stands_for if other != oid]
        return f"stands for the git file {wrong[0]}, but has the git id {oid}" if wrong else ""

    def _check_links(self, sha256: str, xorbs: set[str]) -> None:
        linked = self._links(sha256)
        with self._database.read() as read:
            known = read.scalar(select(StoredBlob.sha256).where(StoredBlob.sha256 == sha256))
        if known is not None:
            for xorb in sorted(xorbs - linked):
                self._say("link", sha256, f"is not linked to the xorb {xorb} of its recipe")
                self._missing_links.append({"sha256": sha256, "xorb_hash": xorb})

    def _links(self, sha256: str) -> set[str]:
        with self._database.read() as read:
            return set(read.scalars(select(BlobXorb.xorb_hash).where(BlobXorb.sha256 == sha256)))

    def links(self) -> None:
        """What repos were given through Xet names only xorbs that are known to be theirs."""
        rows = self._rows(select(RepoXetFile.repo_id, RepoXetFile.sha256, RepoXetFile.recipe))
        with self._database.read() as read:
            own = set(read.execute(select(RepoXorb.repo_id, RepoXorb.xorb_hash)))
        for repo_id, sha256, data in rows:
            try:
                recipe = Recipe.decode(data)
            except DamagedBlob as error:
                self._say("recipe", sha256, f"in the record of {repo_id}: {error}")
                continue
            if any((repo_id, term.xorb) not in own for term in recipe.terms):
                self._say("recipe", sha256, f"in the record of {repo_id} uses a xorb that is not noted as the repo's")

    def git(self) -> None:
        self._told(0.86, "git objects")
        self.report.checked |= check_git(self._database, self._say)

    # -- afterwards

    def confirm(self) -> None:
        """Takes back what was removed by a collection, or arrived, while it was looked at."""
        tables = {"xorb": StoredXorb, "blob": StoredBlob, "tree": GitTree, "file": GitBlob, "tag": GitTag}
        with self._database.read() as read:
            elsewhere = set(named_elsewhere(read)) if self.report.damage else set()

            def stands(item: Damage) -> bool:
                if item.what not in tables:
                    return True
                has_row = read.get(tables[item.what], item.name) is not None
                if item.problem.startswith("is missing:"):  # the row itself
                    return not has_row
                return has_row or (item.what == "blob" and item.name in elsewhere)

            self.report.damage = [item for item in self.report.damage if stands(item)]

    def repair(self) -> None:
        """Links what collection must know to be linked, and forgets content that is gone and that nothing names."""
        for some in batched(self._missing_links, _ROWS):
            with self._database.write() as write:
                there = set(
                    write.scalars(
                        select(StoredXorb.hash).where(StoredXorb.hash.in_([row["xorb_hash"] for row in some]))
                    )
                )
                insert_missing(write, BlobXorb, [row for row in some if row["xorb_hash"] in there])
        mended = {(row["sha256"], row["xorb_hash"]) for row in self._missing_links}
        gone = [item.name for item in self.report.damage if item.what == "blob" and item.problem == "is missing"]
        forgotten = {sha256 for sha256 in gone if self._forget(sha256)}
        self.report.repaired += [f"linked {sha256} to the xorb {xorb}" for sha256, xorb in sorted(mended)]
        self.report.repaired += [f"forgot {sha256}, which nothing names" for sha256 in sorted(forgotten)]
        self.report.damage = [
            item
            for item in self.report.damage
            if item.what != "link" and not (item.what == "blob" and item.name in forgotten)
        ]
        self._blobs.sweep()

    def _forget(self, sha256: str) -> bool:
        """A client that is told "there is none" sends it again; one that is told "it is there" does not."""
        with self._database.write() as write:
            named = exists().where(GitBlob.sha256 == StoredBlob.sha256)
            held = exists().where(RepoBlob.sha256 == StoredBlob.sha256)
            free = write.scalar(select(StoredBlob.sha256).where(StoredBlob.sha256 == sha256, ~(named & held)))
            if free is None or sha256 in set(named_elsewhere(write)):
                return False
            for table in (BlobXorb, RepoXetFile, RepoBlob, StoredBlob):
                write.execute(delete(table).where(table.sha256 == sha256))
        return True

    def name_repos(self) -> None:
        """Says which repos need what is damaged."""
        if not self.report.damage:
            return
        with self._database.read() as read:
            names = {repo.id: repo.label for repo in read.scalars(select(Repo))}
            for item in self.report.damage[:_MAX_DAMAGE]:
                found = sorted({names[repo_id] for repo_id in _repos_with(read, item) if repo_id in names})
                self.report.repos[item.name] = found[:_MAX_REPOS]

    # -- helpers

    def _say(self, what: str, name: str, problem: str) -> None:
        damage = Damage(what, name, problem)
        if damage not in self.report.damage[-50:]:
            self.report.damage.append(damage)

    def _size(self, kind: ObjectKind, name: str) -> int | None:
        """As listed; what came since is looked up."""
        size = self._sizes.get((kind, name))
        if size is not None:
            return size
        try:
            with self._blobs.open_stored(kind, name) as file:
                return file.seek(0, 2)
        except (BlobNotFound, XorbNotFound):
            return None

    def _rows(self, query: Any) -> list[Any]:
        with self._database.read() as read:
            return list(read.execute(query))

    def _step(self, start: float, share: float, number: int, total: int, what: str) -> None:
        if number % 20 == 0:
            self._told(start + share * number / max(1, total), f"{what}: {number:,} of {total:,}")


def _repos_with(read: ReadSession, item: Damage) -> set[str]:
    if item.what == "revision":
        return set(read.scalars(select(Revision.repo_id).where(Revision.commit_id == item.name)))
    if item.what == "xorb":
        of_recipes = select(RepoBlob.repo_id).join(BlobXorb, BlobXorb.sha256 == RepoBlob.sha256)
        own = select(RepoXorb.repo_id).where(RepoXorb.xorb_hash == item.name)
        return set(read.scalars(of_recipes.where(BlobXorb.xorb_hash == item.name))) | set(read.scalars(own))
    if item.what in ("tree", "file", "tag"):
        return _repos_with_object(read, item.name)
    return set(read.scalars(select(RepoBlob.repo_id).where(RepoBlob.sha256 == item.name)))


def _repos_with_object(read: ReadSession, oid: str) -> set[str]:
    """Upwards from a git object through every folder that names it, to the revisions above."""
    above: dict[bytes, list[str]] = {}
    for tree, data in read.execute(select(GitTree.oid, GitTree.data).execution_options(yield_per=_ROWS)):
        try:
            for entry in parse_tree(data):
                above.setdefault(bytes.fromhex(entry.oid), []).append(tree)
        except MalformedObject:
            continue
    pending, seen = [oid], {oid}
    while pending:
        for tree in above.get(bytes.fromhex(pending.pop()), ()):
            if tree not in seen:
                seen.add(tree)
                pending.append(tree)
    found: set[str] = set()
    for some in batched(seen, _ROWS):
        found.update(read.scalars(select(Revision.repo_id).where(Revision.tree_id.in_(some))))
    return found
