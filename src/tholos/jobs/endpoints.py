"""HTTP of jobs."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, Read
from tholos.accounts.errors import AccountNotFound, MissingScope
from tholos.jobs import service
from tholos.jobs.errors import JobEnded, JobNotFound, JobNotRetryable
from tholos.jobs.events import JobStream
from tholos.jobs.folders import log_path, read_log
from tholos.jobs.models import JobState
from tholos.jobs.schemas import JobOut, JobPage, Series, SeriesList
from tholos.kit.errors import responses
from tholos.kit.http import ServicesDep
from tholos.kit.paging import BadCursor

router = APIRouter(prefix="/api/v1", tags=["jobs"])

_OFFSET = re.compile(r"[0-9]{1,18}")
Offset = Annotated[int, Query(ge=0, le=1 << 62, description="Bytes of the log to leave out.")]


@router.get("/jobs", responses=responses([AccountNotFound, BadCursor]))
def list_jobs(
    *,
    actor: CurrentActor,
    read: Read,
    owner: Annotated[str | None, Query(description="Only jobs of this account.")] = None,
    state: JobState | None = None,
    kind: Annotated[str | None, Query(description='Only this kind, e.g. "training.train".')] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> JobPage:
    """Your jobs, newest first; an administrator sees everyone's."""
    page = service.page(read, actor, owner=owner, state=state, kind=kind, cursor=cursor, limit=limit)
    return JobPage(items=[JobOut.of(job) for job in page.items], next_cursor=page.next_cursor)


@router.get("/jobs/{job_id}", responses=responses([JobNotFound]))
def show_job(job_id: str, actor: CurrentActor, read: Read) -> JobOut:
    """A job: its state, progress, result or error, and what it read and wrote."""
    return JobOut.of(service.get(read, actor, job_id))


@router.post("/jobs/{job_id}/cancel", responses=responses([JobNotFound, JobEnded, MissingScope]))
def cancel_job(job_id: str, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Cancels a job: at once while it is queued; a running one ends as soon as its process has."""
    with services.database.write() as write:
        return JobOut.of(service.cancel(write, actor, job_id))


@router.post("/jobs/{job_id}/retry", responses=responses([JobNotFound, JobNotRetryable, MissingScope]))
def retry_job(job_id: str, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Runs a failed or cancelled job again."""
    with services.database.write() as write:
        return JobOut.of(service.retry(write, actor, job_id))


@router.get("/jobs/{job_id}/metrics", responses=responses([JobNotFound]))
def show_metrics(job_id: str, actor: CurrentActor, read: Read) -> SeriesList:
    """The series that a job reports on the way, such as a loss by step."""
    return SeriesList(items=Series.all_of(service.metrics(read, actor, job_id)))


@router.get("/jobs/{job_id}/log", response_class=Response, responses=responses([JobNotFound]))
def read_job_log(job_id: str, actor: CurrentActor, services: ServicesDep, offset: Offset = 0) -> Response:
    """A piece of a job's log as plain text. Ask again from ``X-Next-Offset``; no text means that is all so far."""
    with services.database.read() as read:
        service.get(read, actor, job_id)
    piece = read_log(log_path(services.settings.jobs_dir, job_id), offset)
    return Response(
        piece.text, media_type="text/plain; charset=utf-8", headers={"X-Next-Offset": str(piece.next_offset)}
    )


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses=responses([JobNotFound]))
def stream_job(
    job_id: str,
    actor: CurrentActor,
    services: ServicesDep,
    offset: Offset = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """A job's events as they happen (server-sent): ``progress``, ``log``, and at last ``end`` with the job.

    A stream is cut after some minutes; browsers connect again by themselves and get the log from where they were.
    """
    with services.database.read() as read:
        service.get(read, actor, job_id)
    if last_event_id is not None and _OFFSET.fullmatch(last_event_id):
        offset = int(last_event_id)
    stream = JobStream(
        services.database, services.settings.jobs_dir, actor, job_id, offset, services.settings.job_stream_s
    )
    return StreamingResponse(
        stream.events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
