"""HTTP of compiling."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tholos.accounts.dependencies import CurrentActor
from tholos.accounts.errors import MissingScope
from tholos.hub import service as hub
from tholos.hub.errors import AmbiguousRevision, RepoNotFound, RevisionNotFound
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import Forbidden, responses
from tholos.kit.http import ServicesDep
from tholos.optimization import service
from tholos.optimization.errors import NothingToCompile
from tholos.runtimes.errors import BrokenModel

router = APIRouter(prefix="/api/v1", tags=["optimization"])


class CompileIn(BaseModel, extra="forbid"):
    """The model to compile."""

    model: str = Field(max_length=200, examples=["ada/penguins"])
    revision: str = Field(hub.MAIN, max_length=300, description="Branch, tag or commit id.")


@router.post(
    "/compile",
    status_code=202,
    responses=responses(
        [RepoNotFound, RevisionNotFound, AmbiguousRevision, Forbidden, MissingScope, NothingToCompile, BrokenModel]
    ),
)
def compile_model(body: CompileIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that compiles a model revision to ONNX and commits it as a child revision, if it is at parity."""
    return JobOut.of(service.start(services, actor, model=body.model, revision=body.revision))
