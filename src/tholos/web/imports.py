"""Making a model that was pushed deployable, from its page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from tholos.accounts.dependencies import CurrentActor
from tholos.hub.names import MAIN
from tholos.imports import service
from tholos.imports.report import Corrections
from tholos.kit.http import ServicesDep
from tholos.tasks.signature import TaskId
from tholos.web.repos import MODEL, At

models = APIRouter(prefix=MODEL, include_in_schema=False)
Names = Annotated[str, Form(max_length=100_000)]


@models.post("/import")
def import_model(
    at: At,
    actor: CurrentActor,
    services: ServicesDep,
    task: Annotated[TaskId | None, Form()] = None,
    label_names: Names = "",
    input_names: Names = "",
    output_name: Annotated[str, Form(max_length=300)] = "",
    data: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Starts the job, and leads to it. Fields that are left empty are found out, or guessed."""
    said = Corrections(
        task=task,
        label_names=_words(label_names),
        input_names=_words(input_names),
        output_name=output_name.strip(),
        data=data.strip(),
    )
    job = service.start_import(services, actor, at.name, MAIN, said)
    return RedirectResponse(f"/jobs/{job.id}", 303)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text.strip() else ()
