"""HTTP of mirrors."""

from __future__ import annotations

from fastapi import APIRouter, Response

from tholos.accounts.dependencies import CurrentActor, Read
from tholos.accounts.errors import AccountNotFound, InvalidName
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.errors import RepoExists, RepoNotFound
from tholos.hub.mirror import service
from tholos.hub.mirror.errors import (
    MirrorNotFound,
    UpstreamBroken,
    UpstreamNotAllowed,
    UpstreamNotFound,
    UpstreamUnavailable,
)
from tholos.hub.mirror.schemas import MirrorOut, Mirrors, OrderIn, StartMirror
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import Forbidden, InvalidInput, TholosError, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["mirrors"])

_ERRORS: list[type[TholosError]] = [InvalidName, RepoNotFound, MirrorNotFound]


@router.get("/mirrors")
def list_mirrors(actor: CurrentActor, read: Read) -> Mirrors:
    """Mirrors that you may read."""
    return Mirrors(items=[MirrorOut.of(view) for view in service.list_mirrors(read, actor)])


@router.post(
    "/mirrors",
    status_code=202,
    responses=responses(
        [
            *(InvalidName, InvalidInput, UpstreamNotAllowed, AccountNotFound, Forbidden, RepoNotFound, RepoExists),
            *(UpstreamNotFound, UpstreamUnavailable, UpstreamBroken),
        ]
    ),
)
def start_mirror(body: StartMirror, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Makes a repo follow a repo of another hub: a job fetches its history and files.

    The other hub is asked for its branches first; where it has none, or does not answer, nothing is made here.
    """
    job = service.start_mirror(
        services, actor, body.kind, body.source, base=body.url, target=body.target, order=body.order()
    )
    return JobOut.of(job)


@router.get(f"{REPO}/mirror", responses=responses(_ERRORS))
def show_mirror(address: AddressDep, actor: CurrentActor, read: Read) -> MirrorOut:
    """What a mirror follows, how far it is, and what keeps it from following."""
    return MirrorOut.of(service.get_mirror(read, actor, address.kind, address.name))


@router.post(f"{REPO}/mirror", status_code=202, responses=responses([*_ERRORS, Forbidden]))
def sync_mirror(address: AddressDep, body: OrderIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Brings a mirror level with its upstream: a job."""
    return JobOut.of(service.sync_mirror(services, actor, address.kind, address.name, body.order()))


@router.delete(f"{REPO}/mirror", status_code=204, responses=responses([*_ERRORS, Forbidden]))
def detach_mirror(address: AddressDep, actor: CurrentActor, services: ServicesDep) -> Response:
    """Lets a mirror be a repo of its own."""
    with services.database.write() as write:
        service.detach_mirror(write, actor, address.kind, address.name)
    return Response(status_code=204)
