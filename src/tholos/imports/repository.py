"""Queries on reports."""

from __future__ import annotations

from sqlalchemy import select

from tholos.imports.models import ModelReport
from tholos.jobs.models import Job
from tholos.kit.database import ReadSession, WriteSession


def report_of(read: ReadSession, repo_id: str, revision: str) -> ModelReport | None:
    """The report on a revision, if one was made."""
    return read.get(ModelReport, (repo_id, revision))


def put_report(write: WriteSession, report: ModelReport) -> None:
    """Records a report in place of an earlier one on the same revision."""
    write.merge(report)


def job_payload(read: ReadSession, job_id: str) -> dict[str, str] | None:
    """What a job was to do, if it exists."""
    return read.scalars(select(Job.payload).where(Job.id == job_id)).first()
