"""Bringing a mirror level with its upstream, from its page."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from tholos.accounts.dependencies import CurrentActor
from tholos.hub.mirror.service import Order, sync_mirror
from tholos.kit.http import ServicesDep
from tholos.web.repos import ALGORITHM, DATASET, MODEL, At

models = APIRouter(prefix=MODEL, include_in_schema=False)
datasets = APIRouter(prefix=DATASET, include_in_schema=False)
algorithms = APIRouter(prefix=ALGORITHM, include_in_schema=False)


@algorithms.post("/mirror")
@datasets.post("/mirror")
@models.post("/mirror")
def sync(at: At, actor: CurrentActor, services: ServicesDep) -> Response:
    """Starts the job, and leads to it."""
    job = sync_mirror(services, actor, at.kind, at.name, Order())
    return RedirectResponse(f"/jobs/{job.id}", 303)
