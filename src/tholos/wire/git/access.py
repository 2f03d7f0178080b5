"""Who is asking, as git says it; and refusals, as git shows them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from tholos.accounts import service as accounts
from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.accounts.dependencies import bearer_token
from tholos.accounts.errors import InvalidName, InvalidToken
from tholos.hub.errors import GatedRepo
from tholos.kit.errors import NotAuthenticated, NotFound, TholosError
from tholos.kit.services import Services

_CHALLENGE = 'Basic realm="Tholos", charset="UTF-8"'


def git_actor(request: Request, services: Services) -> Actor:
    """Whom the password (or, where there is none, the user name) of Basic or a Bearer token belongs to.

    A browser's cookie counts for nothing here. Raises InvalidToken, TokenExpired, AccountDisabled.
    """
    if "authorization" not in request.headers:
        return ANONYMOUS
    token = bearer_token(request) or _password(request.headers["authorization"])
    if not token:
        raise InvalidToken(
            "The sign-in carries no token.", next="Give a Tholos token as the password; the user name is your choice."
        )
    with services.database.read() as read:
        return accounts.authenticate(read, token)


def refusal(error: TholosError, *, anonymous: bool) -> Response:
    """An error as git prints it: plain text. Whoever is not signed in is asked to, and learns nothing else."""
    status, headers = error.status, {"cache-control": "no-cache"}
    if isinstance(error, NotAuthenticated) or (anonymous and isinstance(error, NotFound | InvalidName | GatedRepo)):
        status, headers["www-authenticate"] = NotAuthenticated.status, _CHALLENGE
        if anonymous:
            error = NotAuthenticated(
                error.message if isinstance(error, GatedRepo) else "Sign in to see whether this repo exists.",
                next="Give a Tholos token as the password; the user name is your choice.",
            )
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    return Response(f"{error.message}\n{error.next}\n", status, headers, media_type="text/plain; charset=utf-8")


class GitRoute(APIRoute):
    """A route whose errors are written for git."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except TholosError as error:
                return refusal(error, anonymous="authorization" not in request.headers)

        return answer


def _password(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # not ASCII, not base64, or not UTF-8 within
        return ""
    return password or user
