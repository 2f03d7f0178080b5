"""HTTP of the store's upkeep: jobs that collect garbage and check what is there. Administrators only."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tholos.accounts.authorization import Actor
from tholos.accounts.dependencies import CurrentActor
from tholos.accounts.service import record_audit
from tholos.hub import kinds
from tholos.jobs import service as jobs
from tholos.jobs.kinds import JobKind
from tholos.jobs.models import Job
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import Forbidden, responses
from tholos.kit.http import ServicesDep
from tholos.kit.services import Services

router = APIRouter(prefix="/api/v1", tags=["hub"])


class CollectIn(BaseModel):
    """A garbage collection."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Only say what would go.")


class FsckIn(BaseModel):
    """A check of the store and the record."""

    model_config = ConfigDict(extra="forbid")

    quick: bool = Field(False, description="Look at existence and sizes only, and read no file.")
    repair: bool = Field(False, description="Mend what can be mended without losing anything.")


@router.post("/hub/collect", status_code=202, responses=responses([Forbidden]))
def collect(body: CollectIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that removes what nothing leads to any more. Its result counts what went and the bytes freed."""
    return _start(services, actor, kinds.COLLECT, body.model_dump(), "Collect garbage")


@router.post("/hub/fsck", status_code=202, responses=responses([Forbidden]))
def fsck(body: FsckIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that reads back every file and every git object. Its result names what is damaged."""
    return _start(services, actor, kinds.FSCK, body.model_dump(), "Check the store")


@router.post("/hub/pack", status_code=202, responses=responses([Forbidden]))
def pack(actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that cuts files that came whole into chunks that the versions of a repo share.

    Its result says how many bytes the files have and how many their new chunks take. The whole files go when it runs
    again, two hours later or after that.
    """
    return _start(services, actor, kinds.PACK, {}, "Pack the store")


def _start(services: Services, actor: Actor, kind: JobKind, payload: dict[str, Any], title: str) -> JobOut:
    if not actor.has_admin_power:
        raise Forbidden("The store is looked after by administrators.", next="Ask an administrator of this server.")
    with services.database.write() as write:
        record_audit(write, actor, kind.name, "store", payload)
        job: Job = jobs.enqueue(write, actor, kind, payload, title=title)
        return JobOut.of(job)
