"""Wire shapes of scans."""

from __future__ import annotations

from pydantic import BaseModel, Field

from tholos.hub.names import RepoKind
from tholos.kit.clock import isoformat
from tholos.scanning.findings import Finding, Safety, Severity, Status
from tholos.scanning.scanner import VERSION
from tholos.scanning.service import FileVerdict, RevisionVerdict


class FindingOut(BaseModel):
    """Something that was found. It says where a secret lies, never the secret."""

    kind: str = Field(examples=["pickle.import"])
    severity: Severity
    message: str
    next: str
    where: str = Field(description="Line, offset or member; empty for the file as a whole.")
    private: bool = Field(description="Only those who may write to the repo are told.")

    @classmethod
    def of(cls, finding: Finding) -> FindingOut:
        return cls(
            kind=finding.kind,
            severity=finding.severity,
            message=finding.message,
            next=finding.next,
            where=finding.where,
            private=finding.private,
        )


class ImportOut(BaseModel):
    """Something that a pickle imports."""

    module: str
    name: str
    safety: Safety


class FileScanOut(BaseModel):
    """The verdict on a file."""

    path: str
    sha256: str
    status: Status
    findings: list[FindingOut]
    imports: list[ImportOut] = Field(description="What a pickle imports.")
    read_share: float = Field(description="Which part of what matters was read, from 0 to 1.")
    error: str = Field(description="Why it could not be scanned.")
    version: str = Field(description="Version of the scanner; empty while it waits.")

    @classmethod
    def of(cls, verdict: FileVerdict) -> FileScanOut:
        return cls(
            path=verdict.path,
            sha256=verdict.sha256,
            status=verdict.status,
            findings=[FindingOut.of(finding) for finding in verdict.findings],
            imports=[
                ImportOut.model_validate(dict(zip(("module", "name", "safety"), item, strict=True)))
                for item in verdict.imports
            ],
            read_share=verdict.read_share,
            error=verdict.error,
            version=verdict.version,
        )


class ScanOut(BaseModel):
    """The verdict on a revision, and on those of its files that are not safe, or that were asked for."""

    repo: str
    kind: RepoKind
    revision: str
    status: Status
    done: bool = Field(description="False while it waits or runs.")
    files: int = Field(description="How many files the revision has; 0 while it waits.")
    version: str = Field(description="Version of the scanner that gave the verdict.")
    scanner_version: str = Field(description="Version of the scanner now.")
    job_id: str | None = Field(description="The job that scans it, or did; for those who may write to the repo.")
    error: str = Field(description="Why the scan failed.")
    finished_at: str | None
    issues: int = Field(description="How many files are not safe (1,000 at most are counted).")
    items: list[FileScanOut]

    @classmethod
    def of(cls, found: RevisionVerdict, files: list[FileVerdict]) -> ScanOut:
        scan = found.scan
        finished = scan.finished_at if scan is not None and found.is_done else None
        return cls(
            repo=found.repo.full_name,
            kind=found.repo.kind,
            revision=found.revision.commit_id,
            status=found.status,
            done=found.is_done,
            files=scan.files if scan is not None else 0,
            version=scan.version if scan is not None else "",
            scanner_version=VERSION,
            job_id=scan.job_id if scan is not None and found.sees_all else None,
            error=scan.error if scan is not None else "",
            finished_at=isoformat(finished) if finished is not None else None,
            issues=len(found.issues),
            items=[FileScanOut.of(verdict) for verdict in files],
        )


class ScanAll(BaseModel):
    """Which repos to scan again."""

    force: bool = Field(False, description="Also those whose verdict is by the present version of the scanner.")
