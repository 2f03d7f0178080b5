"""The page of a model's measurements: evaluations with their plots, and every other recorded figure."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tholos.accounts.dependencies import OptionalActor, Read
from tholos.evaluation import service as evaluation
from tholos.evaluation.schemas import EvaluationOut
from tholos.hub import service as hub
from tholos.web.rendering import page
from tholos.web.repos import MODEL, At

router = APIRouter(prefix=MODEL, include_in_schema=False)
_LATEST = 20


@router.get("/measurements")
def show_measurements(request: Request, at: At, actor: OptionalActor, read: Read) -> Response:
    """What was measured of a model, newest first."""
    found = at.open(read, actor)
    views = evaluation.page(read, actor, model=at.name, limit=_LATEST).items
    evaluations = [EvaluationOut.of(view) for view in views]
    _, measured = hub.measurements(read, actor, at.kind, at.name, None)
    shown = {name for one in evaluations for name in one.metrics}
    others = [one for one in reversed(measured) if one.fact.metric not in shown]
    values = {"evaluations": evaluations, "facts": others, **found.values}
    return page(request, "measurements.html", actor, tab="measurements", **values)
