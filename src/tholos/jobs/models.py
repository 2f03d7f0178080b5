"""Tables of the queue: jobs, the revisions they read and wrote, and the figures they reported on the way.

enqueue ──▶ queued ──claim──▶ running ──▶ succeeded | failed | cancelled
              ▲                  │
              └── lost, killed ──┘   (attempts left; a stopped runner gives the attempt back)

queued ──cancel──▶ cancelled                    failed, cancelled ──retry──▶ queued
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tholos.accounts.authorization import Role, Visibility
from tholos.accounts.limits import started_with
from tholos.accounts.models import Account
from tholos.jobs.errors import JobNotFound
from tholos.kit.database import Base, Json, UtcDateTime
from tholos.kit.errors import NotFound

URN_LENGTH = 200


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen unless someone retries the job."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Direction(StrEnum):
    """Which way a revision stands to a job."""

    INPUT = "input"
    OUTPUT = "output"


def _stored_by_value(kind: type[StrEnum]) -> Enum:
    return Enum(
        kind, native_enum=False, length=16, values_callable=lambda members: [member.value for member in members]
    )


class Job(Base):
    """A durable unit of work. A Resource that only its owner may see: a user, or the members of an organization."""

    __tablename__ = "jobs"
    __table_args__ = (
        # The claim asks for the oldest due job; without the predicate it would wade through every job that ever ran.
        Index(
            "ix_jobs_due",
            "available_at",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        # Runners look for expired leases and for their own orphans among the few jobs that run.
        Index(
            "ix_jobs_leased",
            "lease_until",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        # An owner's jobs, newest first: the list everybody looks at.
        Index("ix_jobs_owner", "owner_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[JobState] = mapped_column(_stored_by_value(JobState), default=JobState.QUEUED)
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    actor_id: Mapped[str | None] = mapped_column(String(40))
    """The account whose rights the work has: who started it; None (in old rows): the owner's."""
    key_id: Mapped[str | None] = mapped_column(String(40))
    """The key it was started with: the work is kept within its limits."""
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    """What to do, in the words of the kind."""
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """What the work returned, once it succeeded."""
    error: Mapped[dict[str, str] | None] = mapped_column(Json)
    """``code``, ``message`` and ``next`` of the last failure; a queued job may carry the one it is retried after."""

    attempt: Mapped[int] = mapped_column(default=0)
    """Attempts begun and counted; 0 before the first."""
    max_attempts: Mapped[int]
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    """Rises with every claim; only the run that holds the current number may write a result."""
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Not claimed before (the database's clock)."""
    runner: Mapped[str | None] = mapped_column(String(128))
    """Who runs it, while it runs."""
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until when the runner answers for it (the database's clock)."""
    process: Mapped[str | None] = mapped_column(String(100))
    """Identity of the child process on the runner's machine (``jobs.processes``)."""
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    fraction: Mapped[float] = mapped_column(default=0.0)
    """Progress from 0 to 1."""
    step: Mapped[str] = mapped_column(String(200), default="")
    """What it is doing now, for people."""
    cpu_seconds: Mapped[float] = mapped_column(default=0.0)
    """Processor time of all attempts together."""
    peak_memory_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    """Largest resident memory of any attempt."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the latest attempt began."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    owner: Mapped[Account] = relationship(lazy="raise_on_sql")
    edges: Mapped[list[JobEdge]] = relationship(lazy="raise_on_sql", order_by="JobEdge.position", passive_deletes="all")

    @property
    def visibility(self) -> Visibility:
        return "private"

    @property
    def grants(self) -> Mapping[str, Role]:
        return {}

    @property
    def label(self) -> str:
        return f"job {self.id}"

    @property
    def not_found(self) -> type[NotFound]:
        return JobNotFound

    @property
    def covered_by(self) -> tuple[str, ...]:
        whole = f"{self.owner.name_key}/*"
        return (whole,) if self.key_id is None else (started_with(self.key_id), whole)


class JobEdge(Base):
    """A job read or wrote something, named by its URN. Together these rows are the lineage of everything."""

    __tablename__ = "job_edges"
    __table_args__ = (
        # Lineage walks from a revision to the jobs that read it, and to the one that wrote it.
        Index("ix_job_edges_urn", "urn", "direction"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    direction: Mapped[Direction] = mapped_column(_stored_by_value(Direction), primary_key=True)
    urn: Mapped[str] = mapped_column(String(URN_LENGTH), primary_key=True)
    """``rev:{repo_id}@{40 hex}`` or ``dep:{deployment_id}``."""
    role: Mapped[str] = mapped_column(String(64), primary_key=True)
    """What it was to the job: ``data``, ``model``, ``teacher`` …"""
    label: Mapped[str] = mapped_column(Text)
    """What people called it at the time, e.g. ``dataset me/penguins@1a2b3c4``."""
    position: Mapped[int]
    """Keeps the order in which the edges were given."""


class LineageLink(Base):
    """Something was made from a revision without a job: a deployment from the revision that it serves."""

    __tablename__ = "lineage_links"
    __table_args__ = (
        # Lineage walks both ways; the primary key serves the way up.
        Index("ix_lineage_links_source_urn", "source_urn"),
    )

    target_urn: Mapped[str] = mapped_column(String(URN_LENGTH), primary_key=True)
    source_urn: Mapped[str] = mapped_column(String(URN_LENGTH), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    """What made it, as a job's kind would say: ``serving.deploy``."""
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    source_label: Mapped[str] = mapped_column(Text)
    target_label: Mapped[str] = mapped_column(Text)


class JobMetric(Base):
    """One point of a series that a job reported, e.g. the loss after step 300."""

    __tablename__ = "job_metrics"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    value: Mapped[float | None]
    """None where the work reported NaN or an infinity, which JSON cannot say."""
