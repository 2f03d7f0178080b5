"""What a browser sees when something goes wrong."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.accounts.dependencies import optional_actor
from tholos.kit.errors import NotAuthenticated, TholosError
from tholos.web.rendering import page

_PROGRAMS = ("/api/", "/predict/", "/health/")


async def error_page(request: Request, error: TholosError, request_id: str) -> Response | None:
    """The error as a page, or a way to sign in; None where the request is a program's."""
    if request.url.path.startswith(_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
        return None
    if isinstance(error, NotAuthenticated) and request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/login?next={quote(request.url.path + query, safe='')}", 303)
    actor = await run_in_threadpool(_reader, request)
    return page(request, "error.html", actor, status=error.status, error=error, request_id=request_id)


def _reader(request: Request) -> Actor:
    try:
        return optional_actor(request, request.app.state.services)
    except TholosError:
        return ANONYMOUS  # a bad token is often the very error that is being shown
