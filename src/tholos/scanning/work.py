"""What this room's jobs do, in their child process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tholos.hub import service as hub
from tholos.hub.repository import held_repo
from tholos.hub.trees import TreeEntry, page
from tholos.jobs.context import JobContext, Publish
from tholos.kit.clock import utcnow
from tholos.kit.database import WriteSession
from tholos.kit.outbox import emit
from tholos.scanning import repository
from tholos.scanning.findings import Report, Status, worst
from tholos.scanning.models import RevisionScan
from tholos.scanning.repository import Key
from tholos.scanning.sandbox import Content, Sandbox, ScanLimits
from tholos.scanning.scanner import VERSION, lens_of
from tholos.scanning.service import SCANNED, request_scan

_PAGE: Final = 2000
_BATCH: Final = 100
_SLICE_S: Final = 120.0
"""Seconds after which a job lets those of other repos have their turn."""
_MAX_ISSUES: Final = 1000
_NICE: Final = 10
_RESCANNED: Final = 100
_IN_A_TRANSACTION: Final = 20
_SEVERITY: Final = (Status.UNSAFE.value, Status.ERROR.value, Status.SUSPICIOUS.value, Status.SAFE.value)


class _OutOfTime(Exception):
    """The slice is over; what was found is recorded."""


def scan_repo(ctx: JobContext) -> Publish:
    """Scans the revisions of a repo that wait, the newest first; goes to the end of the queue when it takes long."""
    os.nice(_NICE)
    deadline = time.monotonic() + _SLICE_S
    scanned = revisions = 0
    with ctx.database.read() as read:
        repo = read.get(hub.Repo, ctx.payload["repo_id"])
    if repo is None:
        return lambda _write: {"revisions": 0, "files": 0}
    while time.monotonic() < deadline:
        with ctx.database.read() as read:
            waiting = repository.next_queued(read, repo.id)
        if waiting is None:
            break
        try:
            scanned += _scan_revision(ctx, repo, waiting, deadline)
        except _OutOfTime:
            break
        revisions += 1
    done = scanned

    def publish(write: WriteSession) -> dict[str, Any]:
        current = held_repo(write, repo.id)
        left = repository.next_queued(write, repo.id) if current is not None else None
        if current is not None and left is not None and repository.waiting_job(write, repo.id) is None:
            request_scan(write, current, left.revision)
        return {"repo": repo.full_name, "revisions": revisions, "files": done, "more": left is not None}

    return publish


def rescan_all(ctx: JobContext) -> Publish:
    """Asks for a scan of every branch and tag whose verdict is another version's."""
    force = bool(ctx.payload.get("force"))
    place: tuple[str, str] | None = ("", "")
    asked = 0
    while place is not None:
        ctx.progress(0.0, f"{asked:,} revisions asked for")
        with ctx.database.read() as read:
            found, place = repository.outdated(read, VERSION, place, _RESCANNED, force=force)
        for start in range(0, len(found), _IN_A_TRANSACTION):
            with ctx.database.write() as write:
                for target in found[start : start + _IN_A_TRANSACTION]:
                    if (repo := held_repo(write, target.repo.id)) is not None:
                        request_scan(write, repo, target.revision)
        asked += len(found)
    return lambda _write: {"revisions": asked, "version": VERSION}


def _scan_revision(ctx: JobContext, repo: hub.Repo, waiting: RevisionScan, deadline: float) -> int:
    """Scans what of a revision has no verdict by this version yet; returns how many contents. Raises _OutOfTime."""
    scanned = count = 0
    issues: list[dict[str, Any]] = []
    statuses: set[str] = set()
    public: set[str] = set()
    for entries in _pages(ctx, repo, waiting.revision):
        files = {entry.path: (entry.sha256, lens_of(repo.kind.value, entry.path)) for entry in entries if entry.sha256}
        sizes = {entry.sha256: entry.size or 0 for entry in entries if entry.sha256}
        known = _known(ctx, repo, {sha256 for sha256, _ in files.values()})
        wanted = [Content(*key, sizes[key[0]]) for key in dict.fromkeys(files.values()) if key not in known]
        ctx.progress(0.0, f"{waiting.revision[:10]}: {count:,} files seen, {len(wanted):,} to scan")
        scanned += _scan(ctx, repo, wanted, known, deadline)
        count += len(files)
        for path, key in files.items():
            status, shown = known[key]
            statuses.add(status)
            public.add(shown)
            if status != Status.SAFE.value:
                issues.append({"path": path, "status": status, "public_status": shown})
        issues = sorted(issues, key=_rank)[:_MAX_ISSUES]
    row = {
        "repo_id": repo.id,
        "revision": waiting.revision,
        "state": "done",
        "job_id": ctx.job_id,
        "version": VERSION,
        "status": worst(map(Status, statuses)).value,
        "public_status": worst(map(Status, public)).value,
        "files": count,
        "issues": issues,
        "error": "",
        "requested_at": waiting.requested_at,
        "finished_at": utcnow(),
    }
    with ctx.database.write() as write:
        if held_repo(write, repo.id) is not None:
            now = repository.revision(write, repo.id, waiting.revision)
            if now is not None and now.requested_at == waiting.requested_at:  # else it was asked for anew meanwhile
                repository.put_revision(write, row)
                emit(write, SCANNED, {"repo_id": repo.id, "revision": waiting.revision})
    return scanned


def _pages(ctx: JobContext, repo: hub.Repo, commit_id: str) -> Iterator[list[TreeEntry]]:
    with ctx.database.read() as read:
        root = hub.revision_of(read, repo, commit_id).tree_id
    after = ""
    while True:
        with ctx.database.read() as read:
            entries = page(read, root, recursive=True, after=after, limit=_PAGE)
            # what was deleted for good, or is still with a mirror's upstream, cannot be looked at
            found = hub.kept(read, repo, entries)
        if entries:
            yield found
        if len(entries) < _PAGE:
            return
        after = entries[-1].path


def _known(ctx: JobContext, repo: hub.Repo, sha256s: set[str]) -> dict[Key, tuple[str, str]]:
    """Verdicts by this version that the repo has, or may take over from where its owner can read them anyway."""
    with ctx.database.read() as read:
        own = repository.files(read, repo.id, sha256s)
        known = {key: (row.status, row.public_status) for key, row in own.items() if row.version == VERSION}
        shared = repository.shared_files(read, repo, sha256s - {key[0] for key in known}, VERSION)
    rows = []
    for key, other in shared.items():
        if key not in known:
            known[key] = (other.status, other.public_status)
            names = ("sha256", "lens", "version", "status", "public_status", "findings", "details")
            rows.append({"repo_id": repo.id, "scanned_at": utcnow(), **{name: getattr(other, name) for name in names}})
    _record(ctx, repo, rows)
    return known


def _scan(
    ctx: JobContext,
    repo: hub.Repo,
    wanted: Sequence[Content],
    known: dict[Key, tuple[str, str]],
    deadline: float,
) -> int:
    limits = ScanLimits(ctx.settings.scan_time_s, ctx.settings.scan_memory_mb)
    sandbox = Sandbox(ctx.blobs.open, limits)
    rows: list[dict[str, Any]] = []
    done = 0
    recorded_at = time.monotonic()
    try:
        for content, report in sandbox.reports(wanted):
            rows.append(_row(repo.id, content, report))
            known[content.sha256, content.lens] = (report.status.value, report.public_status.value)
            done += 1
            ctx.progress(done / len(wanted), f"{done:,} of {len(wanted):,} files scanned")
            if len(rows) >= _BATCH or time.monotonic() - recorded_at > 1.0:
                _record(ctx, repo, rows)
                rows, recorded_at = [], time.monotonic()
            if time.monotonic() > deadline and done < len(wanted):
                raise _OutOfTime
    finally:
        _record(ctx, repo, rows)
    return done


def _record(ctx: JobContext, repo: hub.Repo, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        with ctx.database.write() as write:
            if held_repo(write, repo.id) is not None:
                repository.put_files(write, rows)


def _row(repo_id: str, content: Content, report: Report) -> dict[str, Any]:
    return {
        "repo_id": repo_id,
        "sha256": content.sha256,
        "lens": content.lens,
        "version": VERSION,
        "status": report.status.value,
        "public_status": report.public_status.value,
        "findings": [finding.to_json() for finding in report.findings],
        "details": report.details(),
        "scanned_at": utcnow(),
    }


def _rank(issue: Mapping[str, Any]) -> tuple[int, str]:
    return _SEVERITY.index(issue["status"]), issue["path"]
