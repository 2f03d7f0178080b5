"""HTTP of scans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from tholos.accounts.dependencies import CurrentActor, OptionalActor, Read
from tholos.accounts.errors import InvalidName, MissingScope
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.errors import AmbiguousRevision, RepoNotFound, RevisionNotFound
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep
from tholos.scanning import service
from tholos.scanning.errors import ScansOff
from tholos.scanning.schemas import ScanAll, ScanOut

router = APIRouter(prefix="/api/v1", tags=["scans"])

_ERRORS: list[type[TholosError]] = [InvalidName, RepoNotFound, RevisionNotFound, AmbiguousRevision]
Revision = Annotated[str, Query(max_length=300, description="Branch, tag or commit id.")]


@router.get(f"{REPO}/scan", responses=responses(_ERRORS))
def get_scan(
    address: AddressDep,
    actor: OptionalActor,
    read: Read,
    revision: Revision = "main",
    path: Annotated[list[str] | None, Query(max_length=200, description="Files to tell of, whatever they are.")] = None,
) -> ScanOut:
    """The verdict on a revision, with what was found in those of its files that are not safe."""
    found, files = service.describe(read, actor, address.kind, address.name, revision, path or ())
    return ScanOut.of(found, files)


@router.post(f"{REPO}/scan", status_code=202, responses=responses([*_ERRORS, Forbidden, MissingScope, ScansOff]))
def scan_again(address: AddressDep, actor: CurrentActor, services: ServicesDep, revision: Revision = "main") -> JobOut:
    """Scans a revision anew, in a job; a push does the first scan by itself."""
    return JobOut.of(service.scan_again(services, actor, address.kind, address.name, revision))


@router.post("/scans", status_code=202, responses=responses([Forbidden, ScansOff]))
def scan_all(body: ScanAll, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Scans every branch and tag whose verdict is by another version of the scanner. Administrators only."""
    return JobOut.of(service.scan_all(services, actor, force=body.force))
