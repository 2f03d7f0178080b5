"""The page on which a repo is shared: its collaborators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts.authorization import Role
from tholos.accounts.dependencies import CurrentActor, Read
from tholos.hub.collaborators import collaborators, remove_collaborator, set_collaborator
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page
from tholos.web.repos import ALGORITHM, DATASET, MODEL, At

algorithms = APIRouter(prefix=ALGORITHM, include_in_schema=False)
datasets = APIRouter(prefix=DATASET, include_in_schema=False)
models = APIRouter(prefix=MODEL, include_in_schema=False)
User = Annotated[str, Form(max_length=96)]


@algorithms.get("/collaborators")
@datasets.get("/collaborators")
@models.get("/collaborators")
def show_collaborators(request: Request, at: At, actor: CurrentActor, read: Read) -> Response:
    """Who works on the repo besides its owner."""
    found = collaborators(read, actor, at.kind, at.name)
    values = at.open(read, actor).values
    roles = [role.value for role in Role]
    return page(request, "collaborators.html", actor, tab="collaborators", collaborators=found, roles=roles, **values)


@algorithms.post("/collaborators")
@datasets.post("/collaborators")
@models.post("/collaborators")
def change_collaborator(
    request: Request,
    at: At,
    actor: CurrentActor,
    services: ServicesDep,
    user: User,
    role: Annotated[Role, Form()] = Role.READER,
) -> Response:
    """Gives a user a role."""
    with services.database.write() as write:
        most = services.settings.max_collaborators
        set_collaborator(write, actor, at.kind, at.name, user.strip(), role, most=most)
    return RedirectResponse(request.url.path, 303)


@algorithms.post("/collaborators/remove")
@datasets.post("/collaborators/remove")
@models.post("/collaborators/remove")
def drop_collaborator(request: Request, at: At, actor: CurrentActor, services: ServicesDep, user: User) -> Response:
    """Takes a user's role back."""
    with services.database.write() as write:
        remove_collaborator(write, actor, at.kind, at.name, user)
    return RedirectResponse(request.url.path.removesuffix("/remove"), 303)
