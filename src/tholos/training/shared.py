"""Algorithms that accounts share: repos of kind *algorithm*, named ``namespace/name@revision``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.jobs.context import JobContext
from tholos.jobs.sandbox.run import Limits, Listener, choose
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession
from tholos.training.algorithm import Algorithm, Params, Shape
from tholos.training.confined import ConfinedEstimator, Workplace
from tholos.training.description import (
    DESCRIPTION_FILE,
    MAX_DESCRIPTION_BYTES,
    Description,
    parse_description,
)
from tholos.training.errors import BrokenDescription, TooMuchCode

MAX_CODE_BYTES: Final = 64 << 20
MAX_CODE_FILES: Final = 2000
_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SharedAlgorithm:
    """One immutable revision of an algorithm repo."""

    repo: hub.Repo
    revision: hub.Revision
    description: Description

    @property
    def name(self) -> str:
        """How requests and models name it: with the whole id of its commit."""
        return f"{self.repo.full_name}@{self.revision.commit_id}"

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"{self.repo.full_name}@{self.revision.commit_id[:10]}"

    def entry(self, build: Callable[[Params, Shape, int], Any]) -> Algorithm:
        """It as an entry of the catalogue would be, with a way to build its estimator."""
        told = self.description
        return Algorithm(
            name=self.name,
            title=told.title,
            summary=told.summary,
            tasks=told.tasks,
            parameters=told.parameters,
            citation=told.citation,
            build=build,
            scale=told.scale,
        )


def resolve(read: ReadSession, blobs: BlobStore, actor: Actor, name: str) -> SharedAlgorithm:
    """The algorithm that "namespace/name" or "namespace/name@revision" names; the head of main by default.

    Raises:
        RepoNotFound, RevisionNotFound, AmbiguousRevision, InvalidName: it is not there, or may not be read.
        GatedRepo, ContentDeleted: its files are not for the actor, or for nobody any more.
        BrokenDescription: its algorithm.yaml is missing, or wrong.

    """
    full_name, _, rev = name.partition("@")
    repo, revision = hub.resolve(read, actor, hub.RepoKind.ALGORITHM, full_name, rev or hub.MAIN)
    hub.require_content(read, actor, repo)
    return SharedAlgorithm(repo=repo, revision=revision, description=describe(read, blobs, repo, revision))


def pinned(read: ReadSession, blobs: BlobStore, actor: Actor, repo_id: str, commit_id: str) -> SharedAlgorithm:
    """The algorithm that a job was told to use. Raises as `resolve`."""
    repo = hub.get_repo_by_id(read, actor, repo_id)
    hub.require_content(read, actor, repo)
    revision = hub.revision_of(read, repo, commit_id)
    return SharedAlgorithm(repo=repo, revision=revision, description=describe(read, blobs, repo, revision))


def describe(read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: hub.Revision) -> Description:
    """What a revision's algorithm.yaml says; the caller has authorized its content.

    Raises BrokenDescription, ContentDeleted.
    """
    found = hub.entries(read, revision, [DESCRIPTION_FILE])
    if not found or found[0].sha256 is None:
        raise BrokenDescription(
            f"{repo.full_name}@{revision.commit_id[:10]} has no {DESCRIPTION_FILE}, so it cannot be trained with.",
            next="Its author has to push one; `tholos algorithms init FOLDER` writes an example.",
            field="",
        )
    hub.require_all_kept(read, repo, found[:1])
    with blobs.open(found[0].sha256) as file:
        return parse_description(file.read(MAX_DESCRIPTION_BYTES + 1))


def check_out(read: ReadSession, found: SharedAlgorithm) -> list[tuple[str, str]]:
    """Path and SHA-256 of every file of the revision.

    Raises:
        TooMuchCode: there are more, or larger, files than code has.
        BrokenDescription: the file that its entry names is not there.
        ContentDeleted: a file was deleted for good.

    """
    entries = [
        entry for entry in hub.tree(read, found.repo, found.revision.commit_id, recursive=True) if entry.type == "file"
    ]
    size = sum(entry.size or 0 for entry in entries)
    if len(entries) > MAX_CODE_FILES or size > MAX_CODE_BYTES:
        raise TooMuchCode(
            f"{found.repo.full_name} has {len(entries):,} files with {size:,} bytes; an algorithm may have "
            f"{MAX_CODE_FILES:,} with {MAX_CODE_BYTES:,}.",
            next="Have its author keep data and weights out of it.",
        )
    if found.description.file not in {entry.path for entry in entries}:
        raise BrokenDescription(
            f"{DESCRIPTION_FILE}: entry names {found.description.file}, which is not in the repo.",
            next="Its author has to push that file, or name another.",
            field="entry",
        )
    hub.require_all_kept(read, found.repo, entries)
    return [(entry.path, entry.sha256) for entry in entries if entry.sha256 is not None]


def confined(ctx: JobContext, found: SharedAlgorithm, files: list[tuple[str, str]]) -> Algorithm:
    """The algorithm as an entry whose fits run its code in a sandbox of this job.

    Raises:
        SandboxUnavailable: no sandbox works here, and the operator has not allowed to do without.

    """
    mechanism, told = choose(ctx.settings)
    print(f"{found.label}: {told}")  # noqa: T201 - goes to the job's log
    scratch = ctx.folder / "algorithm"
    code = scratch / "code"
    code.mkdir(parents=True)
    for path, sha256 in files:
        _write(ctx.blobs, sha256, code / path)
    workplace = Workplace(
        title=found.description.title,
        code=code,
        entry=found.description.entry,
        scratch=scratch,
        mechanism=mechanism,
        limits=Limits.of(ctx.settings),
        listener=_listener(ctx),
    )

    def build(params: Params, shape: Shape, seed: int) -> ConfinedEstimator:
        return ConfinedEstimator(workplace, params, shape.task, seed)

    return found.entry(build)


def _listener(ctx: JobContext) -> Listener:
    farthest = 0.0

    def progress(fraction: float, step: str) -> None:
        nonlocal farthest  # the fits that score come after the one on all rows: the job does not go back for them
        farthest = max(farthest, fraction)
        ctx.progress(0.1 + 0.5 * farthest, step)

    return Listener(
        progress=progress,
        metric=ctx.metric,
        note=lambda text: warnings.warn(text, stacklevel=2),
        printed=lambda text: print(text, end=""),  # noqa: T201 - goes to the job's log
    )


def _write(blobs: BlobStore, sha256: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with blobs.open(sha256) as source, path.open("xb") as target:
        while piece := source.read(_PIECE):
            target.write(piece)
