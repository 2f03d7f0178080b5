"""HTTP of deployments."""

from __future__ import annotations

from fastapi import APIRouter, Request

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, Read
from tholos.accounts.errors import InvalidName, NameReserved
from tholos.hub.errors import RepoNotFound, RevisionNotFound
from tholos.kit.errors import Forbidden, responses
from tholos.kit.http import ServicesDep
from tholos.runtimes.errors import BrokenModel, PickleRefused, RuntimeNotInstalled
from tholos.scanning.errors import ScanPending, UnsafeRevision
from tholos.serving import service
from tholos.serving.admission import policy_of
from tholos.serving.errors import DeploymentNotFound, NothingToRollBackTo, NotInlineable, NotServable
from tholos.serving.schemas import Deploy, DeploymentOut, DeploymentPage, DeploymentSchema

router = APIRouter(prefix="/api/v1", tags=["deployments"])
_COMMON = [DeploymentNotFound, Forbidden]


@router.post(
    "/deployments",
    responses=responses(
        [
            *(RepoNotFound, RevisionNotFound, NotServable, PickleRefused, BrokenModel, NotInlineable),
            *(InvalidName, NameReserved, Forbidden, UnsafeRevision, ScanPending, RuntimeNotInstalled),
        ]
    ),
)
def deploy(body: Deploy, actor: CurrentActor, services: ServicesDep) -> DeploymentOut:
    """Creates a deployment, or switches the one of that name: the old revision answers until the new one is loaded."""
    view = service.deploy(
        services.database,
        services.blobs,
        actor,
        model=body.model,
        revision=body.revision,
        name=body.name,
        home=body.home,
        visibility=body.visibility,
        policy=policy_of(services.settings, allow_unsafe=body.allow_unsafe),
    )
    return DeploymentOut.of(view)


@router.get("/deployments")
def list_deployments(
    actor: CurrentActor, services: ServicesDep, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> DeploymentPage:
    """The deployments that you may see, newest first."""
    page = service.list_deployments(read, services.database, actor, cursor, limit)
    return DeploymentPage(items=[DeploymentOut.of(view) for view in page.items], next_cursor=page.next_cursor)


@router.get("/deployments/{namespace}/{name}", responses=responses([DeploymentNotFound]))
def get_deployment(namespace: str, name: str, actor: CurrentActor, services: ServicesDep, read: Read) -> DeploymentOut:
    """One deployment. Its state is ready once every gateway answers with the wanted revision."""
    return DeploymentOut.of(service.get(read, services.database, actor, f"{namespace}/{name}"))


@router.delete("/deployments/{namespace}/{name}", status_code=204, responses=responses(_COMMON))
def delete_deployment(namespace: str, name: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Removes a deployment; requests in flight are answered."""
    service.delete(services.database, actor, f"{namespace}/{name}")


@router.post(
    "/deployments/{namespace}/{name}/rollback", responses=responses([*_COMMON, NothingToRollBackTo, UnsafeRevision])
)
def rollback(namespace: str, name: str, actor: CurrentActor, services: ServicesDep) -> DeploymentOut:
    """Goes back to the revision before."""
    return DeploymentOut.of(service.rollback(services.database, services.blobs, actor, f"{namespace}/{name}"))


@router.post("/deployments/{namespace}/{name}/stop", responses=responses(_COMMON))
def stop(namespace: str, name: str, actor: CurrentActor, services: ServicesDep) -> DeploymentOut:
    """Unloads a deployment's model; it keeps its name and can be started again."""
    return DeploymentOut.of(service.set_wanted(services.database, actor, f"{namespace}/{name}", "stopped"))


@router.post("/deployments/{namespace}/{name}/start", responses=responses(_COMMON))
def start(namespace: str, name: str, actor: CurrentActor, services: ServicesDep) -> DeploymentOut:
    """Starts a stopped deployment."""
    return DeploymentOut.of(service.set_wanted(services.database, actor, f"{namespace}/{name}", "running"))


@router.get("/deployments/{namespace}/{name}/schema", responses=responses([DeploymentNotFound]))
def schema(
    namespace: str, name: str, *, actor: CurrentActor, services: ServicesDep, read: Read, request: Request
) -> DeploymentSchema:
    """What the deployment takes: its signature, a JSON Schema of the body, an example, and a curl command."""
    view = service.get(read, services.database, actor, f"{namespace}/{name}")
    version, model = service.description(services.blobs, view)
    base_url = services.settings.public_url or str(request.base_url)
    return DeploymentSchema.of(view, version, model, base_url.rstrip("/"))
