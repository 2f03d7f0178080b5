"""Queries on verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from tholos.hub.models import Ref, Repo, RepoBlob
from tholos.jobs import repository as jobs
from tholos.jobs.models import Job, JobState
from tholos.kit.database import ReadSession, WriteSession, insert
from tholos.scanning.models import FileScan, RevisionScan

Key = tuple[str, str]
"""SHA-256 of a content, and the lens it is seen through."""

_IN_CHUNK = 400


@dataclass(frozen=True, slots=True)
class Target:
    """A revision that a branch or tag names."""

    repo: Repo
    revision: str


def files(read: ReadSession, repo_id: str, sha256s: Iterable[str]) -> dict[Key, FileScan]:
    """What this repo's scans say of these contents."""
    wanted = sorted(set(sha256s))
    found: dict[Key, FileScan] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        some = FileScan.sha256.in_(wanted[start : start + _IN_CHUNK])
        rows = read.scalars(select(FileScan).where(FileScan.repo_id == repo_id, some))
        found.update(((row.sha256, row.lens), row) for row in rows)
    return found


def shared_files(read: ReadSession, repo: Repo, sha256s: Iterable[str], version: str) -> dict[Key, FileScan]:
    """What scans of other repos say of these contents: of the same owner's, and of public ones without a gate.

    Anyone may read the latter anyway. That the content lies there still is part of the question.
    """
    other = aliased(Repo)
    wanted = sorted(set(sha256s))
    found: dict[Key, FileScan] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        query = (
            select(FileScan)
            .join(other, other.id == FileScan.repo_id)
            .join(RepoBlob, and_(RepoBlob.repo_id == FileScan.repo_id, RepoBlob.sha256 == FileScan.sha256))
            .where(
                FileScan.sha256.in_(wanted[start : start + _IN_CHUNK]),
                FileScan.version == version,
                FileScan.status != "error",
                FileScan.repo_id != repo.id,
                or_(other.owner_id == repo.owner_id, and_(other.visibility == "public", other.gated.is_(None))),
            )
        )
        found.update(((row.sha256, row.lens), row) for row in read.scalars(query))
    return found


def put_files(write: WriteSession, rows: Sequence[dict[str, Any]]) -> None:
    """Records verdicts on contents, over older ones."""
    if not rows:
        return
    statement = insert(write, FileScan)
    names = ("version", "status", "public_status", "findings", "details", "scanned_at")
    new = {name: getattr(statement.excluded, name) for name in names}
    ordered = sorted(rows, key=lambda row: (row["sha256"], row["lens"]))
    write.execute(
        statement.on_conflict_do_update(index_elements=["repo_id", "sha256", "lens"], set_=new), list(ordered)
    )


def revision(read: ReadSession, repo_id: str, commit_id: str) -> RevisionScan | None:
    """The scan of a revision, if it was ever asked for."""
    query = select(RevisionScan).where(RevisionScan.repo_id == repo_id, RevisionScan.revision == commit_id)
    return read.scalar(query.execution_options(populate_existing=True))


def put_revision(write: WriteSession, row: dict[str, Any]) -> None:
    """Records where the scan of a revision stands, over what was recorded before."""
    statement = insert(write, RevisionScan)
    new = {name: getattr(statement.excluded, name) for name in row if name not in ("repo_id", "revision")}
    write.execute(statement.on_conflict_do_update(index_elements=["repo_id", "revision"], set_=new), [row])


def next_queued(read: ReadSession, repo_id: str) -> RevisionScan | None:
    """The revision of a repo that was asked for last, and waits."""
    query = select(RevisionScan).where(RevisionScan.repo_id == repo_id, RevisionScan.state == "queued")
    query = query.order_by(RevisionScan.requested_at.desc(), RevisionScan.revision).limit(1)
    return read.scalar(query.execution_options(populate_existing=True))


def waiting_job(read: ReadSession, repo_id: str) -> Job | None:
    """A job, with owner and edges, that has not begun yet and that will look for waiting revisions of this repo."""
    query = (
        select(Job.id)
        .join(RevisionScan, RevisionScan.job_id == Job.id)
        .where(RevisionScan.repo_id == repo_id, RevisionScan.state == "queued", Job.state == JobState.QUEUED)
    )
    found = read.scalar(query.limit(1))
    return None if found is None else jobs.get(read, found)


def fail_revisions(write: WriteSession, repo_id: str, error: str) -> list[str]:
    """Marks the revisions of a repo that wait for their scan as failed; returns them."""
    rows = write.execute(
        update(RevisionScan)
        .where(RevisionScan.repo_id == repo_id, RevisionScan.state == "queued")
        .values(state="failed", status="error", public_status="error", error=error)
        .returning(RevisionScan.revision)
    )
    return [row[0] for row in rows]


def forget_files(write: WriteSession, repo_id: str, sha256s: Sequence[str]) -> None:
    """Removes verdicts on contents, so that they are scanned anew."""
    for start in range(0, len(sha256s), _IN_CHUNK):
        some = FileScan.sha256.in_(sha256s[start : start + _IN_CHUNK])
        write.execute(delete(FileScan).where(FileScan.repo_id == repo_id, some))


def outdated(
    read: ReadSession, version: str, after: tuple[str, str], limit: int, *, force: bool
) -> tuple[list[Target], tuple[str, str] | None]:
    """Branches and tags, in order of (repo, name) after ``after``, whose revision was not scanned by this version.

    Returns them with the place to go on from; None there is the end.
    """
    query = (
        select(Ref, Repo)
        .join(Repo, Repo.id == Ref.repo_id)
        .where(or_(Ref.repo_id > after[0], and_(Ref.repo_id == after[0], Ref.name > after[1])))
        .order_by(Ref.repo_id, Ref.name)
        .limit(limit)
    )
    rows = read.execute(query).all()
    found = []
    for ref, repo in rows:
        current = select(
            exists().where(
                RevisionScan.repo_id == ref.repo_id,
                RevisionScan.revision == ref.commit_id,
                or_(RevisionScan.state == "queued", RevisionScan.version == version),
            )
        )
        if force or not read.scalar(current):
            found.append(Target(repo, ref.commit_id))
    return found, (rows[-1][0].repo_id, rows[-1][0].name) if len(rows) == limit else None
