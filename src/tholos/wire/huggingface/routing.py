"""The protocol as one route of the application: finds the handler, signs the caller in, and words every failure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope, Send

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.accounts.dependencies import optional_actor
from tholos.hub import service as hub
from tholos.hub.errors import RepoNotFound, UploadIncomplete
from tholos.hub.mirror.through import through
from tholos.kit.errors import MethodNotAllowed, TholosError
from tholos.kit.http import InternalError
from tholos.kit.logs import get_logger
from tholos.kit.services import Services
from tholos.wire.huggingface.addresses import Address, decoded, raw_path
from tholos.wire.huggingface.call import Call, read_body
from tholos.wire.huggingface.errors import refusal

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
log = get_logger("wire.huggingface")


class HubRoute(BaseRoute):
    """Every address of the protocol; what is none of them is left to the routes that follow."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the protocol has this address, whatever the method."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = raw_path(scope)
        if not is_ours(path):
            return Match.NONE, {}
        found = any(address.pattern.fullmatch(path) for address in self._addresses)
        return (Match.FULL if found else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; whatever goes wrong before the first byte has left comes out in the protocol's own shape."""
        request = Request(scope, receive)
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await (await self._answer(request))(scope, receive, noted)
        except TholosError as error:
            if begun:
                raise
            await refusal(error, _request_id(scope))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = raw_path(request.scope)
        about_repo = False
        try:
            address, match = self._find(request.method, path)
            names = decoded(match.groupdict())
            about_repo = "name" in names
            return await _handled(request, address, names, path)
        except TholosError as error:
            if isinstance(error, RepoNotFound) and about_repo:
                moved = await run_in_threadpool(_moved, request, names, match)
                if moved is not None:
                    return moved
            return refusal(error, _request_id(request.scope), about_repo=about_repo)
        except ClientDisconnect:  # nobody reads the answer; it is for the log
            left = UploadIncomplete("The client left before all of its body had arrived.", next="Repeat the request.")
            return refusal(left, _request_id(request.scope))
        except Exception:  # the edge of the protocol: a fault, too, has its shape
            log.exception("unforeseen error", path=request.url.path)
            fault = InternalError(next="Try again; if it stays, look up the request id in the log.")
            return refusal(fault, _request_id(request.scope))

    def _find(self, method: str, path: str) -> tuple[Address, re.Match[str]]:
        allowed: set[str] = set()
        for address in self._addresses:
            match = address.pattern.fullmatch(path)
            if match is None:
                continue
            if method in address.methods:
                return address, match
            allowed |= address.methods
        raise MethodNotAllowed(
            f"This address does not take {method}.", next=f"Use {' or '.join(sorted(allowed))}.", allow=sorted(allowed)
        )


def is_ours(path: str) -> bool:
    """Whether a (raw) path may belong to the protocol: a quick look, so that other requests pass by unhindered."""
    if path.startswith("/api/"):
        return not path.startswith(("/api/v1/", "/api/docs", "/api/openapi.json"))
    return "/resolve/" in path or ".git/info/lfs/" in path or path.startswith("/oauth/") or path == "/uploads"


def counts_for_itself(path: str) -> bool:
    """Whether this module bounds the body of a request to this path; its other addresses take none."""
    return is_ours(path) and (path.startswith("/api/") or ".git/info/lfs/" in path)


async def _handled(request: Request, address: Address, names: dict[str, str], path: str) -> Response:
    services: Services = request.app.state.services
    if address.stream is not None:
        actor = await run_in_threadpool(_actor, request, services)
        return await address.stream(Call(request, services, actor, names, path))
    body = b"" if request.method in _BODILESS else await read_body(request, services.settings.max_request_bytes)
    return await run_in_threadpool(_run, request, services, address, names, path, body)


def _run(
    request: Request, services: Services, address: Address, names: dict[str, str], path: str, body: bytes
) -> Response:
    assert address.handle is not None  # an address has one or the other
    call = Call(request, services, _actor(request, services), names, path, body)
    if "name" in names and (request.method in _BODILESS or _asks(path)):
        through(services, call.actor, call.kind, call.repo_name)
    return address.handle(call)


def _asks(path: str) -> bool:
    """Whether a POST to this path only asks for something."""
    return path.endswith("/objects/batch") or "/paths-info/" in path


def _actor(request: Request, services: Services) -> Actor:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return optional_actor(request, services)
    # git-lfs sends the token as the password of any user name.
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        user = password = ""
    with services.database.read() as read:
        return accounts.authenticate(read, password or user)


def _moved(request: Request, names: dict[str, str], match: re.Match[str]) -> Response | None:
    """The way to a repo that has another name now, for those who may see it."""
    services: Services = request.app.state.services
    try:
        actor = _actor(request, services)
        kind = hub.RepoKind(names.get("kinds", "models").removesuffix("s"))
        with services.database.read() as read:
            name = hub.moved_to(read, actor, kind, f"{names['namespace']}/{names['name']}")
    except TholosError:
        return None
    if name is None:
        return None
    there = match.string[: match.start("namespace")] + quote(name) + match.string[match.end("name") :]
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{there}{query}", 307)  # relative: older clients follow no other on a HEAD


def _request_id(scope: Scope) -> str:
    return str(scope.get("tholos.request_id", ""))
