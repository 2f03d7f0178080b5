"""What endpoints ask FastAPI for: the actor, a read session, a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Query, Request
from fastapi.security import HTTPBearer

from tholos.accounts import service
from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.accounts.errors import CrossOriginRefused
from tholos.kit.database import ReadSession
from tholos.kit.errors import NotAuthenticated
from tholos.kit.http import ServicesDep
from tholos.kit.paging import DEFAULT_LIMIT, MAX_LIMIT

SESSION_COOKIE = "tholos_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer tholos_…`")


def _read(services: ServicesDep) -> Iterator[ReadSession]:
    with services.database.read() as read:
        yield read


# `scope="function"`: the session ends before the response streams, or slow downloads would take every connection.
Read = Annotated[ReadSession, Depends(_read, scope="function")]


def bearer_token(request: Request) -> str | None:
    """The token of an ``Authorization: Bearer`` header, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def refuse_cross_origin(request: Request) -> None:
    """Raises CrossOriginRefused for a browser's unsafe request that another site caused.

    Browsers name the relation in ``Sec-Fetch-Site``; older ones send ``Origin``. Programs send neither.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return
    if site is None and origin is not None and urlsplit(origin).netloc == request.headers.get("host"):
        return
    raise CrossOriginRefused(next="Repeat the action from Tholos's own pages.")


def optional_actor(
    request: Request, services: ServicesDep, _documented: Annotated[object, Depends(_bearer)] = None
) -> Actor:
    """The signed-in actor by token or session cookie, else ANONYMOUS. Raises InvalidToken on a bad token."""
    if token := bearer_token(request):
        with services.database.read() as read:
            return service.authenticate(read, token)
    if cookie := request.cookies.get(SESSION_COOKIE):
        with services.database.read() as read:
            actor = service.authenticate_session(read, cookie)
        if actor is not None:
            refuse_cross_origin(request)
            return actor
    return ANONYMOUS


def current_actor(actor: Annotated[Actor, Depends(optional_actor)]) -> Actor:
    """The signed-in actor. Raises NotAuthenticated."""
    if actor.is_anonymous:
        raise NotAuthenticated(next="Send `Authorization: Bearer <token>`, or run `tholos login`.")
    return actor


OptionalActor = Annotated[Actor, Depends(optional_actor)]
CurrentActor = Annotated[Actor, Depends(current_actor)]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items in the answer.")]
__all__ = [
    "DEFAULT_LIMIT",
    "SESSION_COOKIE",
    "CurrentActor",
    "Cursor",
    "Limit",
    "OptionalActor",
    "Read",
    "bearer_token",
    "optional_actor",
    "refuse_cross_origin",
]
