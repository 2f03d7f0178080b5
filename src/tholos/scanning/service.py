"""Use cases of scans: asked for by commits and people, carried out by jobs, heeded by deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tholos.accounts.authorization import Action, Actor, authorize, may
from tholos.accounts.service import record_audit, require_admin
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.models import Job
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.outbox import Handlers, emit
from tholos.kit.services import Services
from tholos.kit.settings import Settings
from tholos.scanning import kinds, repository
from tholos.scanning.errors import ScansOff
from tholos.scanning.findings import Finding, Status
from tholos.scanning.models import FileScan, RevisionScan
from tholos.scanning.scanner import VERSION, lens_of

SCANNED = "repo.scanned"
"""Outbox topic; the payload is ``{repo_id, revision}``. The verdict, or that there will be none, is in the tables."""

_ISSUES_SHOWN = 200


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """The verdict on a file of a revision, as one actor may know it."""

    path: str
    sha256: str
    status: Status
    findings: Sequence[Finding] = ()
    imports: Sequence[tuple[str, str, str]] = ()
    """What a pickle imports: module, name, safety."""
    is_pickle: bool = False
    read_share: float = 1.0
    error: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class RevisionVerdict:
    """The verdict on a revision, as one actor may know it."""

    repo: hub.Repo
    revision: hub.Revision
    status: Status
    scan: RevisionScan | None
    """None where it was never asked for."""
    sees_all: bool
    """Whether the actor is told of secrets and personal data: those who may write are."""
    issues: Sequence[tuple[str, Status]] = ()
    """Paths of files that are not safe, the worst first."""

    @property
    def is_done(self) -> bool:
        return self.scan is not None and self.scan.state != "queued"


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether files may be loaded."""

    state: Literal["open", "waiting", "refused"]
    reason: str = ""
    files: Sequence[str] = ()
    """The files that the reason is about."""


# -- asking for scans


def request_scan(write: WriteSession, repo: hub.Repo, commit_id: str) -> Job:
    """Notes that a revision waits for its scan. One job that has not begun scans all that waits in a repo."""
    job = repository.waiting_job(write, repo.id)
    if job is None:
        owner = Actor.system(repo.owner_id, repo.namespace)
        job = jobs.enqueue(write, owner, kinds.SCAN, {"repo_id": repo.id}, title=f"Scan {repo.full_name}")
    repository.put_revision(
        write,
        {
            **_blank(repo.id, commit_id),
            "state": "queued",
            "job_id": job.id,
            "requested_at": utcnow(),
        },
    )
    return job


def scan_again(services: Services, actor: Actor, kind: hub.RepoKind, name: str, rev: str) -> Job:
    """Scans a revision anew, whatever was found before. Raises as `hub.resolve`, and Forbidden, ScansOff."""
    _require_scans(services.settings)
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, kind, name, rev)
        authorize(actor, Action.WRITE, repo)
        entries = hub.tree(read, repo, revision.commit_id, recursive=True)
    sha256s = sorted({entry.sha256 for entry in entries if entry.sha256})
    with services.database.write() as write:
        current = hub.get_repo(write, actor, kind, name, Action.WRITE)
        repository.forget_files(write, current.id, sha256s)
        record_audit(write, actor, "scan.again", current.label, {"revision": revision.commit_id})
        return request_scan(write, current, revision.commit_id)


def scan_all(services: Services, actor: Actor, *, force: bool) -> Job:
    """Scans every branch and tag whose verdict is by another version of the scanner; ``force``: every one.

    Administrators only. Raises Forbidden, ScansOff.
    """
    require_admin(actor)
    _require_scans(services.settings)
    with services.database.write() as write:
        record_audit(write, actor, "scan.all", "all repos", {"force": force, "version": VERSION})
        return jobs.enqueue(write, actor, kinds.RESCAN, {"force": force}, title="Scan all repos again")


def _require_scans(settings: Settings) -> None:
    if not settings.scan_pushes:
        raise ScansOff(next="Its operator can turn scans on: THOLOS_SCAN_PUSHES=true.")


# -- reading verdicts


def verdicts(
    read: ReadSession, actor: Actor, repo: hub.Repo, entries: Iterable[hub.TreeEntry]
) -> dict[str, FileVerdict]:
    """The verdict on each of these files, by path; whoever may not have the content of the repo is told no findings.

    The caller has authorized reading the repo.
    """
    found = [(entry.path, entry.sha256) for entry in entries if entry.sha256 is not None]
    rows = repository.files(read, repo.id, (sha256 for _, sha256 in found))
    sees_all = may(actor, Action.WRITE, repo)
    sees_content = hub.access_of(read, actor, repo).allowed
    told = {
        path: _verdict(path, sha256, rows.get((sha256, lens_of(repo.kind.value, path))), sees_all=sees_all)
        for path, sha256 in found
    }
    if sees_content:
        return told
    # What was found quotes the files, which are not for everybody: the status alone is.
    return {path: replace(verdict, findings=(), imports=(), error="") for path, verdict in told.items()}


def revision_verdict(read: ReadSession, actor: Actor, repo: hub.Repo, revision: hub.Revision) -> RevisionVerdict:
    """The verdict on a revision. The caller has authorized reading the repo."""
    scan = repository.revision(read, repo.id, revision.commit_id)
    sees_all = may(actor, Action.WRITE, repo)
    if scan is None or scan.state == "queued":
        return RevisionVerdict(repo, revision, Status.QUEUED, scan, sees_all)
    column = "status" if sees_all else "public_status"
    issues = ((issue["path"], Status(issue[column])) for issue in scan.issues)
    return RevisionVerdict(
        repo,
        revision,
        Status(scan.status if sees_all else scan.public_status),
        scan,
        sees_all,
        [(path, status) for path, status in issues if status is not Status.SAFE],
    )


def describe(
    read: ReadSession, actor: Actor, kind: hub.RepoKind, name: str, rev: str, paths: Sequence[str] = ()
) -> tuple[RevisionVerdict, list[FileVerdict]]:
    """The verdict on a revision with those on its files that are not safe (200 at most), or on the files ``paths``.

    Raises as `hub.resolve`.
    """
    repo, revision = hub.resolve(read, actor, kind, name, rev)
    found = revision_verdict(read, actor, repo, revision)
    wanted = list(paths) or [path for path, _ in found.issues[:_ISSUES_SHOWN]]
    entries = hub.entries(read, revision, wanted)
    return found, list(verdicts(read, actor, repo, entries).values())


def _verdict(path: str, sha256: str, row: FileScan | None, *, sees_all: bool) -> FileVerdict:
    if row is None:
        return FileVerdict(path, sha256, Status.QUEUED)
    findings = [Finding.from_json(item) for item in row.findings]
    details = row.details
    return FileVerdict(
        path,
        sha256,
        Status(row.status if sees_all else row.public_status),
        [finding for finding in findings if sees_all or not finding.private],
        [(item[0], item[1], item[2]) for item in details["imports"]],
        details["is_pickle"],
        details["read_share"],
        details["error"],
        row.version,
    )


# -- what deployments ask


def gate(read: ReadSession, repo_id: str, kind: hub.RepoKind, commit_id: str, files: Mapping[str, str]) -> Gate:
    """Whether these files (path to SHA-256) of a revision may be loaded, with those that they bring along.

    A file that is not among ``files`` and that one of them names is looked up by its path among them.
    """
    rows = repository.files(read, repo_id, files.values())
    missing, refused = [], []
    for path, sha256 in files.items():
        row = rows.get((sha256, lens_of(kind.value, path)))
        if row is None:
            missing.append(path)
        elif Status(row.public_status) in (Status.UNSAFE, Status.ERROR):
            refused.append((path, row))
    if refused:
        path, row = refused[0]
        return Gate("refused", f"{path} {_why(row)}", [path for path, _ in refused])
    if not missing:
        return Gate("open")
    scan = repository.revision(read, repo_id, commit_id)
    if scan is not None and scan.state == "failed":
        return Gate("refused", f"The scan of this revision failed: {scan.error}", missing)
    return Gate("waiting", f"It waits for the scan of {missing[0]}.", missing)


def loaded_with(read: ReadSession, repo_id: str, kind: hub.RepoKind, path: str, sha256: str) -> list[str]:
    """Paths of other files that whoever loads this one reads too, as far as its scan knows."""
    row = repository.files(read, repo_id, [sha256]).get((sha256, lens_of(kind.value, path)))
    if row is None:
        return []
    folder = path.rpartition("/")[0]
    return [f"{folder}/{name}" if folder else name for name in row.details["loads"]]


def _why(row: FileScan) -> str:
    if row.public_status == Status.ERROR:
        return f"could not be scanned: {row.details['error']}"
    unsafe = next(item for item in row.findings if item["severity"] == Status.UNSAFE.value)
    return f"is unsafe: {unsafe['message']}"


# -- what the outbox says


def on_revision(write: WriteSession, payload: Mapping[str, Any]) -> None:
    """Outbox handler of ``repo.committed`` and ``repo.ref_set``: a revision that was not scanned yet is, in a job."""
    repo = write.get(hub.Repo, payload["repo_id"])
    if repo is None or repository.revision(write, repo.id, payload["revision"]) is not None:
        return
    request_scan(write, repo, payload["revision"])


def on_created(write: WriteSession, payload: Mapping[str, Any]) -> None:
    """Outbox handler of ``repo.created``: the first commit, if it came with one, is scanned as any other."""
    repo = write.get(hub.Repo, payload["repo_id"])
    head = hub.branch_head(write, repo, hub.MAIN) if repo is not None else None
    if repo is not None and head is not None:  # a mirror begins empty; its commits are heard of as they arrive
        on_revision(write, {"repo_id": repo.id, "revision": head})


def on_job_ended(write: WriteSession, payload: Mapping[str, Any]) -> None:
    """Outbox handler of ``job.ended``: what a failed job was to scan, and has not, is said to have failed."""
    if payload["kind"] != kinds.SCAN.name or payload["state"] == "succeeded":
        return
    job = write.get(Job, payload["job_id"])
    if job is None or repository.waiting_job(write, job.payload["repo_id"]) is not None:
        return
    reason = (job.error or {}).get("message") or f"Its job was {payload['state']}."
    for revision in repository.fail_revisions(write, job.payload["repo_id"], reason):
        emit(write, SCANNED, {"repo_id": job.payload["repo_id"], "revision": revision})


def handlers(settings: Settings) -> Handlers:
    """What the outbox tells this room."""
    if not settings.scan_pushes:
        return {}
    return {
        "repo.created": (on_created,),
        "repo.committed": (on_revision,),
        "repo.ref_set": (on_revision,),
        "job.ended": (on_job_ended,),
    }


def _blank(repo_id: str, commit_id: str) -> dict[str, Any]:
    return {
        "repo_id": repo_id,
        "revision": commit_id,
        "job_id": None,
        "version": "",
        "status": Status.QUEUED.value,
        "public_status": Status.QUEUED.value,
        "files": 0,
        "issues": [],
        "error": "",
        "finished_at": None,
    }
