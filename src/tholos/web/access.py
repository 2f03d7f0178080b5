"""Pages of gated repos: asking for access, and the owner's: who has asked, and the repo's name."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tholos.accounts.dependencies import CurrentActor, Cursor, Read
from tholos.hub import service as hub
from tholos.kit.errors import InvalidInput
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page
from tholos.web.repos import ALGORITHM, DATASET, MODEL, At, address

algorithms = APIRouter(prefix=ALGORITHM, include_in_schema=False)
datasets = APIRouter(prefix=DATASET, include_in_schema=False)
models = APIRouter(prefix=MODEL, include_in_schema=False)
_PAGE: Final = 50
_MAX_FIELDS: Final = 100
_GATES: Final[dict[str, hub.Gate | Literal[False]]] = {"no": False, "auto": "auto", "manual": "manual"}


@algorithms.post("/ask-access")
@datasets.post("/ask-access")
@models.post("/ask-access")
async def ask_access(request: Request, at: At, actor: CurrentActor, services: ServicesDep) -> Response:
    """Sends the form of a gated repo; its fields have the questions as their names."""
    form = await request.form(max_files=0, max_fields=_MAX_FIELDS)
    sent = {name: value for name, value in form.items() if isinstance(value, str)}

    def ask() -> str:
        with services.database.read() as read:
            repo = hub.get_repo(read, actor, at.kind, at.name)
            questions = hub.gate_form(read, services.blobs, repo).questions
        ticked = {question.label for question in questions if question.type == "checkbox"}
        answers: dict[str, Any] = {
            name: value.lower() in ("true", "on", "1") if name in ticked else value for name, value in sent.items()
        }
        hub.request_access(services, actor, at.kind, at.name, answers)
        return address(repo)

    return RedirectResponse(await run_in_threadpool(ask), 303)


@algorithms.post("/ask-access/withdraw")
@datasets.post("/ask-access/withdraw")
@models.post("/ask-access/withdraw")
def withdraw(at: At, actor: CurrentActor, services: ServicesDep) -> Response:
    """Takes a request back."""
    with services.database.write() as write:
        hub.withdraw_access(write, actor, at.kind, at.name)
        return RedirectResponse(address(hub.get_repo(write, actor, at.kind, at.name)), 303)


@algorithms.get("/access")
@datasets.get("/access")
@models.get("/access")
def show_requests(
    request: Request,
    at: At,
    actor: CurrentActor,
    read: Read,
    state: hub.AccessState = "pending",
    cursor: Cursor = None,
) -> Response:
    """The gate, and who has asked; for who may share the repo."""
    found = at.open(read, actor)
    _, requests = hub.list_access(read, actor, at.kind, at.name, state, cursor=cursor, limit=_PAGE)
    values = {"requests": requests.items, "next_cursor": requests.next_cursor, "state": state, **found.values}
    return page(request, "access.html", actor, tab="access", **values)


@algorithms.post("/access")
@datasets.post("/access")
@models.post("/access")
def decide(
    at: At,
    actor: CurrentActor,
    services: ServicesDep,
    user: Annotated[str, Form(max_length=96)],
    decision: Annotated[hub.AccessState, Form()],
    reason: Annotated[str, Form(max_length=2000)] = "",
    from_state: Annotated[hub.AccessState, Form()] = "pending",
) -> Response:
    """Accepts or rejects a request, or sets it back."""
    why = reason if decision == "rejected" else ""
    with services.database.write() as write:
        hub.decide_access(write, actor, at.kind, at.name, decision, user=user, reason=why)
        there = address(hub.get_repo(write, actor, at.kind, at.name))
    return RedirectResponse(f"{there}/access?state={from_state}", 303)


@algorithms.post("/access/gate")
@datasets.post("/access/gate")
@models.post("/access/gate")
def set_gate(at: At, actor: CurrentActor, services: ServicesDep, gated: Annotated[str, Form(max_length=8)]) -> Response:
    """Sets the gate."""
    if gated not in _GATES:
        raise InvalidInput("That is no gate.", next="Choose one of those offered.")
    with services.database.write() as write:
        repo = hub.update_repo(write, actor, at.kind, at.name, gated=_GATES[gated])
        return RedirectResponse(f"{address(repo)}/access", 303)


@algorithms.post("/move")
@datasets.post("/move")
@models.post("/move")
def move(at: At, actor: CurrentActor, services: ServicesDep, to: Annotated[str, Form(max_length=200)]) -> Response:
    """Gives the repo another name, maybe in another namespace."""
    with services.database.write() as write:
        quota = hub.Quota.default(services.settings)
        return RedirectResponse(address(hub.move_repo(write, actor, at.kind, at.name, to.strip(), quota)), 303)
