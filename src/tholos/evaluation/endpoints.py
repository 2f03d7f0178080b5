"""HTTP of evaluations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, OptionalActor, Read
from tholos.accounts.errors import MissingScope
from tholos.data.errors import SplitNotFound
from tholos.evaluation import service
from tholos.evaluation.comparison import compare
from tholos.evaluation.errors import (
    EvaluationNotFound,
    NotAModel,
    NotComparable,
    NotEvaluable,
    NotEvaluated,
    PlotNotFound,
)
from tholos.evaluation.schemas import ComparisonOut, EvaluateIn, EvaluationDetail, EvaluationOut, EvaluationPage
from tholos.hub.errors import AmbiguousRevision, RepoNotFound, RevisionNotFound
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import responses
from tholos.kit.http import ServicesDep
from tholos.kit.paging import BadCursor

router = APIRouter(prefix="/api/v1", tags=["evaluation"])

# What an evaluation found never changes; but whether one may see it does, so that no shared cache may keep it.
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
_MEDIA: dict[service.PlotFormat, str] = {"json": "application/json", "svg": "image/svg+xml"}
# An SVG that is opened as a page of its own may run nothing and load nothing.
_INERT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


@router.post(
    "/evaluate",
    status_code=202,
    responses=responses(
        [RepoNotFound, RevisionNotFound, AmbiguousRevision, SplitNotFound, NotAModel, NotEvaluable, MissingScope]
    ),
)
def evaluate(body: EvaluateIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that measures a model revision on one split of a dataset revision."""
    return JobOut.of(
        service.start(
            services,
            actor,
            model=body.model,
            revision=body.revision,
            dataset=body.dataset,
            dataset_revision=body.dataset_revision,
            split=body.split,
        )
    )


@router.get("/evaluations", responses=responses([RepoNotFound, RevisionNotFound, BadCursor]))
def list_evaluations(
    *,
    actor: OptionalActor,
    read: Read,
    model: Annotated[str | None, Query(max_length=200, description="Only of this model.")] = None,
    revision: Annotated[str | None, Query(max_length=300, description="Only of this revision of the model.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> EvaluationPage:
    """Evaluations of the models that you may read, newest first."""
    page = service.page(read, actor, model=model, revision=revision, cursor=cursor, limit=limit)
    return EvaluationPage(items=[EvaluationOut.of(view) for view in page.items], next_cursor=page.next_cursor)


@router.get("/evaluations/{evaluation_id}", responses=responses([EvaluationNotFound]))
def show_evaluation(evaluation_id: str, actor: OptionalActor, read: Read, services: ServicesDep) -> EvaluationDetail:
    """An evaluation with the figures of each label, the confusion matrix, the calibration or the residuals."""
    view = service.get(read, actor, evaluation_id)
    return EvaluationDetail.of_report(view, service.report_of(services.blobs, view.evaluation))


@router.get(
    "/evaluations/{evaluation_id}/plots/{name}.{form}",
    response_class=FileResponse,
    responses=responses([EvaluationNotFound, PlotNotFound]),
)
def show_plot(
    evaluation_id: str, name: str, form: service.PlotFormat, actor: OptionalActor, read: Read, services: ServicesDep
) -> FileResponse:
    """A plot as a Vega-Lite specification (json) or as a picture (svg)."""
    path = service.plot_path(read, services.blobs, actor, evaluation_id, name, form)
    return FileResponse(path, media_type=_MEDIA[form], headers=_FOREVER | _INERT)


@router.get(
    "/evaluations/{evaluation_id}/predictions",
    response_class=FileResponse,
    responses=responses([EvaluationNotFound, RepoNotFound]),
)
def download_predictions(evaluation_id: str, actor: OptionalActor, read: Read, services: ServicesDep) -> FileResponse:
    """The answer to every row as Parquet: row, actual, predicted, a probability for each label."""
    path = service.predictions_path(read, services.blobs, actor, evaluation_id)
    return FileResponse(
        path,
        media_type="application/vnd.apache.parquet",
        filename=f"{evaluation_id}.parquet",
        headers=_FOREVER,
    )


@router.get("/compare", responses=responses([RepoNotFound, RevisionNotFound, NotAModel, NotEvaluated, NotComparable]))
def compare_models(
    actor: OptionalActor,
    services: ServicesDep,
    a: Annotated[str, Query(max_length=500, examples=["ada/penguins@main"])],
    b: Annotated[str, Query(max_length=500, examples=["ada/penguins@v2"])],
) -> ComparisonOut:
    """Two model revisions on the data that both were evaluated on: which is better, and is it more than chance?"""
    return ComparisonOut.of(compare(services.database, services.blobs, actor, a, b))
