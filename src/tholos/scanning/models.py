"""Tables: the verdict on each content in each repo, and on each revision.

Verdicts belong to a repo, never to a content alone: that a content was scanned before must not tell anyone that
somebody else's private repo holds it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import Base, Json, UtcDateTime

ScanState = Literal["queued", "done", "failed"]


class FileScan(Base):
    """What the scan of a content found, as one repo sees it. Whatever lies at other paths shares it."""

    __tablename__ = "file_scans"
    __table_args__ = (Index("ix_file_scans_sha256", "sha256", "lens"),)  # another repo of the owner may have it

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    lens: Mapped[str] = mapped_column(String(64), primary_key=True)
    """What of its name mattered (`scanner.lens_of`)."""
    version: Mapped[str] = mapped_column(String(20))
    """Of the scanner."""
    status: Mapped[str] = mapped_column(String(16))
    public_status: Mapped[str] = mapped_column(String(16))
    """The verdict without what only writers may know."""
    findings: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    """See `findings.Report.details`."""
    scanned_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RevisionScan(Base):
    """The scan of a revision: asked for, and in the end what it came to."""

    __tablename__ = "revision_scans"
    __table_args__ = (
        # "What of this repo waits?", and "is there a job for it?"
        Index("ix_revision_scans_repo_id_state", "repo_id", "state"),
    )

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[ScanState] = mapped_column(String(16))
    job_id: Mapped[str | None] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(16))
    public_status: Mapped[str] = mapped_column(String(16))
    files: Mapped[int]
    issues: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """Files that are not safe, the worst first, 1,000 at most: path, status, public_status."""
    error: Mapped[str] = mapped_column(Text)
    """Why it failed."""
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
