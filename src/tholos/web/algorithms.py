"""The page of an algorithm repo: what it says of itself, a form to train with it, and the models made with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tholos.accounts.authorization import Actor
from tholos.accounts.dependencies import CurrentActor, OptionalActor
from tholos.hub import service as hub
from tholos.hub.errors import ContentDeleted, GatedRepo
from tholos.kit.errors import TholosError
from tholos.kit.http import ServicesDep
from tholos.kit.services import Services
from tholos.training import service as training
from tholos.training import shared
from tholos.training.algorithm import Parameter
from tholos.training.errors import BrokenDescription
from tholos.training.request import TrainingRequest
from tholos.web.rendering import page
from tholos.web.repos import ALGORITHM, At, RepoAt, address

router = APIRouter(prefix=ALGORITHM, include_in_schema=False)
_PARAMETER = "param."


@router.get("/train")
def show_training(request: Request, at: At, actor: OptionalActor, services: ServicesDep) -> Response:
    """The description, the form and the models."""
    return _page(request, services, actor, at)


@router.post("/train")
async def train(request: Request, at: At, actor: CurrentActor, services: ServicesDep) -> Response:
    """Starts the training that the form asks for; what is wrong with it is said on the same page."""
    async with request.form(max_files=0, max_fields=200) as form:
        asked = {name: value for name, value in form.items() if isinstance(value, str)}
        return await run_in_threadpool(_train, request, services, actor, at, asked)


def _train(request: Request, services: Services, actor: Actor, at: RepoAt, asked: Mapping[str, str]) -> Response:
    revision = asked.get("revision", "").strip() or hub.MAIN
    try:
        job = training.submit_training(
            services,
            actor,
            TrainingRequest(
                algorithm=f"{at.name}@{revision}",
                target=asked.get("target", "").strip() or None,
                params=_params(asked),
                seed=_value(asked.get("seed", "").strip() or "0"),
            ),
            dataset=asked.get("dataset", "").strip(),
            name=asked.get("name", "").strip() or None,
        )
    except TholosError as error:
        return _page(request, services, actor, at, values=dict(asked), failure=error)
    return RedirectResponse(f"/jobs/{job.id}", 303)


def _params(asked: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that were filled in; what cannot be read goes on as text, so that the error names it."""
    given = {name.removeprefix(_PARAMETER): text for name, text in asked.items() if name.startswith(_PARAMETER)}
    return {name: _value(text) for name, text in given.items() if text.strip()}


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float | bool) else text


def _page(request: Request, services: Services, actor: Actor, at: RepoAt, **asked: Any) -> Response:
    with services.database.read() as read:
        found = at.open(read, actor)
        described: shared.SharedAlgorithm | None = None
        problem: TholosError | None = None
        try:
            described = shared.resolve(read, services.blobs, actor, f"{at.name}@{found.revision.commit_id}")
        except (BrokenDescription, ContentDeleted, GatedRepo) as error:
            problem = error  # the page says what is wrong with it
        made = hub.made_from(read, actor, found.repo)
        values = {
            "algorithm": described.description if described else None,
            "problem": problem,
            "made": made,
            "address": address,
            "values": asked.get("values", {}),
            "failure": asked.get("failure"),
            "control": _control,
            "unconfined": services.settings.allow_unsandboxed_algorithms,
        }
        return page(request, "algorithm.html", actor, tab="train", **values, **found.values)


def _control(item: Parameter) -> str:
    """The kind of control that a parameter is asked by."""
    return {"int": "number", "float": "number", "choice": "select", "bool": "select"}[item.type]
