"""Signing in and out of the pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts import service as accounts
from tholos.accounts.dependencies import SESSION_COOKIE, OptionalActor, refuse_cross_origin
from tholos.kit.errors import TholosError
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page

router = APIRouter(include_in_schema=False)
_DAY_S = 86_400


@router.get("/login")
def show_login(request: Request, actor: OptionalActor, next: str = "/") -> Response:  # noqa: A002 - the address's word
    """The sign-in form; a reader who is signed in goes straight on."""
    if not actor.is_anonymous:
        return RedirectResponse(_local(next), 303)
    return page(request, "login.html", error=None, next=_local(next))


@router.post("/login")
def login(
    request: Request,
    services: ServicesDep,
    token: Annotated[str, Form(max_length=500)],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Signs a browser in with an API key."""
    refuse_cross_origin(request)
    try:
        with services.database.write() as write:
            secret = accounts.open_session(write, token.strip(), services.settings.session_days)
    except TholosError as error:
        return page(request, "login.html", error=error, next=_local(next), status=error.status)
    response = RedirectResponse(_local(next), 303)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=int(services.settings.session_days * _DAY_S),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
def logout(request: Request, services: ServicesDep) -> Response:
    """Signs the browser out, here and on the server."""
    refuse_cross_origin(request)
    if secret := request.cookies.get(SESSION_COOKIE):
        with services.database.write() as write:
            accounts.close_session(write, secret)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _local(address: str) -> str:
    """``address`` if it stays on this site, else the front page: a sign-in must not lead elsewhere."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"
