"""HTTP of imports: what a model is, and make it deployable."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tholos.accounts.dependencies import CurrentActor, OptionalActor
from tholos.accounts.errors import InvalidName, MissingScope
from tholos.hub.errors import AmbiguousRevision, GatedRepo, RepoNotFound, RevisionNotFound
from tholos.imports import service
from tholos.imports.errors import NothingToImport
from tholos.imports.schemas import DescriptionOut, ModelImportIn
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["imports"])

_REV_ERRORS: list[type[TholosError]] = [InvalidName, RepoNotFound, RevisionNotFound, AmbiguousRevision]
_WRITE_ERRORS: list[type[TholosError]] = [*_REV_ERRORS, GatedRepo, NothingToImport, Forbidden, MissingScope]

Namespace = Annotated[str, Path(max_length=200)]
Name = Annotated[str, Path(max_length=200)]
Revision = Annotated[str, Query(max_length=300, description="Branch, tag or commit id.")]


@router.get("/models/{namespace}/{name}/description", responses=responses([*_REV_ERRORS, GatedRepo]))
def show_description(
    namespace: Namespace, name: Name, actor: OptionalActor, services: ServicesDep, revision: Revision = "main"
) -> DescriptionOut:
    """Format, task, signature and runtime of a revision's model, and of each fact whether it was read or guessed."""
    return DescriptionOut.of(service.describe(services, actor, f"{namespace}/{name}", revision))


@router.post("/models/{namespace}/{name}/description", status_code=202, responses=responses(_WRITE_ERRORS))
def describe_again(
    namespace: Namespace, name: Name, actor: CurrentActor, services: ServicesDep, revision: Revision = "main"
) -> JobOut:
    """Describes a revision anew, or one beside main; a push to main does that by itself."""
    return JobOut.of(service.start_describe(services, actor, f"{namespace}/{name}", revision))


@router.post("/models/{namespace}/{name}/import", status_code=202, responses=responses(_WRITE_ERRORS))
def import_model(
    namespace: Namespace, name: Name, body: ModelImportIn, actor: CurrentActor, services: ServicesDep
) -> JobOut:
    """Makes what was pushed deployable: a job commits its description, with what the body corrects."""
    return JobOut.of(service.start_import(services, actor, f"{namespace}/{name}", body.revision, body.corrections()))
