"""The page of what an account stores and may store."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tholos.accounts.dependencies import CurrentActor, Read
from tholos.hub import usage
from tholos.hub.quotas import Quota
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page
from tholos.web.repos import address

router = APIRouter(include_in_schema=False)


@router.get("/usage")
def show_usage(request: Request, actor: CurrentActor, read: Read, services: ServicesDep) -> Response:
    """What the reader stores, and an administrator what the whole server does."""
    found = usage.of_account(read, actor, actor.name, Quota.default(services.settings))
    total = usage.total(read, actor) if actor.has_admin_power else None
    return page(request, "usage.html", actor, found=found, total=total, address=address)
