"""Pages of jobs: the list, and one job with its live log and progress."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts.dependencies import CurrentActor, Cursor, Read
from tholos.jobs import service
from tholos.jobs.folders import log_path, read_log
from tholos.jobs.schemas import JobOut, Series
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page

router = APIRouter(include_in_schema=False)
_PAGE = 30


@router.get("/jobs")
def show_jobs(request: Request, actor: CurrentActor, read: Read, cursor: Cursor = None) -> Response:
    """The reader's jobs, newest first."""
    found = service.page(read, actor, cursor=cursor, limit=_PAGE)
    return page(request, "jobs.html", actor, jobs=found.items, next_cursor=found.next_cursor)


@router.get("/jobs/{job_id}")
def show_job(request: Request, job_id: str, actor: CurrentActor, read: Read, services: ServicesDep) -> Response:
    """One job. The script on the page follows it live; without scripts the page shows it as it is now."""
    job = service.get(read, actor, job_id)
    series = Series.all_of(service.metrics(read, actor, job_id))
    log = read_log(log_path(services.settings.jobs_dir, job_id), 0)
    return page(
        request,
        "job.html",
        actor,
        job=job,
        wire=JobOut.of(job),
        series=series,
        log=log,
        log_text=log.text.decode(errors="replace"),
    )


@router.post("/jobs/{job_id}")
def change_job(
    job_id: str, actor: CurrentActor, services: ServicesDep, action: Annotated[str, Form(pattern="^(cancel|retry)$")]
) -> Response:
    """Cancels or retries."""
    with services.database.write() as write:
        (service.cancel if action == "cancel" else service.retry)(write, actor, job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303)
