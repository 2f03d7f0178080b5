"""Pages of organizations and of namespaces: who belongs to one, and what lies in it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts import organizations
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Action, OrganizationRole, may
from tholos.accounts.dependencies import CurrentActor, Cursor, Read
from tholos.hub import service as hub
from tholos.hub.collaborators import remove_member
from tholos.hub.organizations import delete_organization
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page
from tholos.web.repos import address

router = APIRouter(include_in_schema=False)
pages = APIRouter(include_in_schema=False)
"""At the root, below which every other page has its name: to be matched last."""
_PAGE = 30
Name = Annotated[str, Form(max_length=96)]


@router.get("/organizations")
def show_organizations(request: Request, actor: CurrentActor, read: Read, cursor: Cursor = None) -> Response:
    """The reader's organizations."""
    found = organizations.page(read, actor, cursor, _PAGE)
    return page(request, "organizations.html", actor, organizations=found.items, next_cursor=found.next_cursor)


@router.post("/organizations")
def create_organization(
    actor: CurrentActor, services: ServicesDep, name: Name, full_name: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Makes an organization."""
    with services.database.write() as write:
        made = organizations.create(
            write, actor, name.strip(), full_name, max_memberships=services.settings.max_memberships
        )
    return _to(made.name)


@router.post("/organizations/{organization}/members")
def change_member(
    organization: str,
    actor: CurrentActor,
    services: ServicesDep,
    user: Name,
    role: Annotated[OrganizationRole, Form()] = OrganizationRole.READ,
) -> Response:
    """Adds a member, or gives one another role."""
    settings = services.settings
    with services.database.write() as write:
        organizations.set_member(
            write,
            actor,
            organization,
            user.strip(),
            role,
            max_members=settings.max_members,
            max_memberships=settings.max_memberships,
        )
    return _to(organization)


@router.post("/organizations/{organization}/members/remove")
def take_out(organization: str, actor: CurrentActor, services: ServicesDep, user: Name) -> Response:
    """Takes a member out, or leaves."""
    with services.database.write() as write:
        remove_member(write, actor, organization, user)
    return RedirectResponse("/organizations", 303) if user.lower() == actor.name.lower() else _to(organization)


@router.post("/organizations/{organization}/delete")
def delete(organization: str, actor: CurrentActor, services: ServicesDep) -> Response:
    """Deletes an organization that owns nothing."""
    with services.database.write() as write:
        delete_organization(write, actor, organization)
    return RedirectResponse("/organizations", 303)


@pages.get("/{namespace}")
def show_namespace(
    request: Request, namespace: str, actor: CurrentActor, read: Read, cursor: Cursor = None
) -> Response:
    """A user or an organization: what of it the reader may see, and to members who the members are."""
    account = accounts.get_account(read, namespace)
    belongs = account.kind == "organization" and organizations.sees_members(actor, account)
    found = hub.list_repos(read, actor, owner=account.name, cursor=cursor, limit=_PAGE)
    return page(
        request,
        "namespace.html",
        actor,
        account=account,
        members=organizations.members(read, actor, account.name) if belongs else [],
        administers_it=account.kind == "organization" and may(actor, Action.ADMIN, account),
        roles=[role.value for role in OrganizationRole],
        repos=found.items,
        next_cursor=found.next_cursor,
        address=address,
    )


def _to(organization: str) -> Response:
    return RedirectResponse(f"/{quote(organization)}", 303)
