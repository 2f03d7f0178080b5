"""Wire shapes of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from tholos.jobs.models import Direction, Job, JobEdge, JobMetric, JobState
from tholos.kit.clock import isoformat


class Progress(BaseModel):
    """How far a job is: ``fraction`` from 0 to 1, and what it is doing now."""

    fraction: float
    step: str


class JobError(BaseModel):
    """Why a job failed, and what to do about it."""

    code: str
    message: str
    next: str


class EdgeOut(BaseModel):
    """Something that a job read or wrote."""

    urn: str
    role: str
    label: str


class JobOut(BaseModel):
    """A job. ``cpu_seconds`` are of all its attempts, ``started_at`` is the start of the latest."""

    id: str
    kind: str
    title: str
    state: JobState
    owner: str
    progress: Progress
    attempt: int
    max_attempts: int
    cancel_requested: bool
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    inputs: list[EdgeOut]
    outputs: list[EdgeOut]
    created_at: str
    started_at: str | None
    finished_at: str | None
    cpu_seconds: float
    peak_memory_bytes: int

    @classmethod
    def of(cls, job: Job) -> JobOut:
        """The wire shape of a job that was loaded with its owner and edges."""
        return cls(
            id=job.id,
            kind=job.kind,
            title=job.title,
            state=job.state,
            owner=job.owner.name,
            progress=Progress(fraction=job.fraction, step=job.step),
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            cancel_requested=job.cancel_requested_at is not None,
            payload=job.payload,
            result=job.result,
            error=None if job.error is None else JobError.model_validate(job.error),
            inputs=_edges(job.edges, Direction.INPUT),
            outputs=_edges(job.edges, Direction.OUTPUT),
            created_at=isoformat(job.created_at),
            started_at=isoformat(job.started_at) if job.started_at else None,
            finished_at=isoformat(job.finished_at) if job.finished_at else None,
            cpu_seconds=round(job.cpu_seconds, 3),
            peak_memory_bytes=job.peak_memory_bytes,
        )


class JobPage(BaseModel):
    """Some jobs, and where the list goes on."""

    items: list[JobOut]
    next_cursor: str | None


class Point(BaseModel):
    """One point of a series; no value where the job reported NaN or an infinity."""

    step: int
    value: float | None


class Series(BaseModel):
    """A figure that a job reported step by step."""

    name: str
    points: list[Point]

    @classmethod
    def all_of(cls, metrics: Iterable[JobMetric]) -> list[Series]:
        """The series among points that are sorted by name and step."""
        return [
            cls(name=name, points=[Point(step=metric.step, value=metric.value) for metric in group])
            for name, group in groupby(metrics, key=lambda metric: metric.name)
        ]


class SeriesList(BaseModel):
    """Every series of a job."""

    items: list[Series]


def _edges(edges: Iterable[JobEdge], direction: Direction) -> list[EdgeOut]:
    return [EdgeOut(urn=edge.urn, role=edge.role, label=edge.label) for edge in edges if edge.direction is direction]
