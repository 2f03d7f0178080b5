"""The front page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tholos.accounts.dependencies import CurrentActor, Read
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.kit.http import ServicesDep
from tholos.serving import service as serving
from tholos.serving.schemas import DeploymentOut
from tholos.web.rendering import page
from tholos.web.repos import address

router = APIRouter(include_in_schema=False)
_LATEST = 6


@router.get("/")
def show_home(request: Request, actor: CurrentActor, read: Read, services: ServicesDep) -> Response:
    """What the reader worked on last."""

    def latest(kind: hub.RepoKind) -> list[hub.Repo]:
        return hub.list_repos(read, actor, kind=kind, cursor=None, limit=_LATEST).items

    deployments = serving.list_deployments(read, services.database, actor, None, _LATEST).items
    return page(
        request,
        "home.html",
        actor,
        models=latest(hub.RepoKind.MODEL),
        datasets=latest(hub.RepoKind.DATASET),
        deployments=[DeploymentOut.of(view) for view in deployments],
        jobs=jobs.page(read, actor, limit=_LATEST).items,
        address=address,
    )
