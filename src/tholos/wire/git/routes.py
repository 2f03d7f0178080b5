"""The addresses of git: below a repo's own, with or without ``.git`` at its end."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from functools import cache
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.hub import service as hub
from tholos.hub.errors import RepoNotFound, UploadIncomplete
from tholos.hub.mirror.through import through
from tholos.hub.pktlines import BadFrame
from tholos.kit.errors import InvalidInput, PayloadTooLarge
from tholos.kit.http import ServicesDep, add_routes
from tholos.kit.services import Services
from tholos.wire.git import fetching, pushing
from tholos.wire.git.access import GitRoute, git_actor

_FRESH: Final = {"cache-control": "no-cache, max-age=0, must-revalidate", "expires": "Fri, 01 Jan 1980 00:00:00 GMT"}
_MODERN = re.compile(r"(?:.*:)?version=2(?::.*)?")
_PUSH = re.compile(r"/(?:datasets/|algorithms/)?[^/]+/[^/]+/git-receive-pack")


class DumbProtocol(InvalidInput):
    """Only git's smart HTTP is spoken here."""

    code = "dumb_protocol"


class RequestTooLarge(PayloadTooLarge):
    """The git request is larger than the server takes."""

    code = "git_request_too_large"


def _actor(request: Request, services: ServicesDep) -> Actor:
    return git_actor(request, services)


_ActorDep = Annotated[Actor, Depends(_actor)]


def counts_for_itself(path: str) -> bool:
    """Whether this is the address of a push, which has a limit of its own."""
    return _PUSH.fullmatch(path) is not None


def install(app: FastAPI) -> None:
    """Adds git's addresses for every kind of repo."""
    for router in _routers():
        add_routes(app, router)


@cache
def _routers() -> list[APIRouter]:
    return [_router(kind) for kind in hub.RepoKind]


def _router(kind: hub.RepoKind) -> APIRouter:
    """The routes for repos of one kind."""
    prefix = "" if kind is hub.RepoKind.MODEL else f"/{kind.plural}"
    routes = APIRouter(prefix=f"{prefix}/{{namespace}}/{{name}}", route_class=GitRoute, include_in_schema=False)

    @routes.get("/info/refs")
    def info_refs(
        namespace: str, name: str, request: Request, actor: _ActorDep, services: ServicesDep, service: str = ""
    ) -> Response:
        full_name = _full_name(namespace, name)
        if service == "git-upload-pack":
            through(services, actor, kind, full_name)
        try:
            refs = _refs(services, actor, kind, full_name, service)
        except RepoNotFound:
            if there := _moved(services, actor, kind, full_name):
                # git asks on at the new address, for all that follows
                return RedirectResponse(f"{prefix}/{there}.git/info/refs?{request.url.query}", 301)
            raise
        if service == "git-upload-pack":
            return _content(service, "advertisement", fetching.advertisement(refs, modern=_modern(request)))
        if service == "git-receive-pack":
            return _content(service, "advertisement", pushing.advertisement(refs))
        raise DumbProtocol(next="Use a git client of version 1.6.6 or newer.")

    @routes.post("/git-upload-pack")
    async def upload_pack(
        namespace: str, name: str, request: Request, actor: _ActorDep, services: ServicesDep
    ) -> Response:
        def repo_and_refs() -> tuple[hub.Repo, list[hub.GitRef]]:
            with services.database.read() as read:
                repo, refs = hub.git_refs(read, actor, kind, _full_name(namespace, name))
                hub.require_content(read, actor, repo)
                return repo, refs

        repo, refs = await run_in_threadpool(repo_and_refs)
        body = await _body(request, services)
        pieces = fetching.answer(services, repo, refs, body, modern=_modern(request))
        return StreamingResponse(pieces, headers=_FRESH, media_type="application/x-git-upload-pack-result")

    @routes.post("/git-receive-pack")
    async def receive_pack(
        namespace: str, name: str, request: Request, actor: _ActorDep, services: ServicesDep
    ) -> Response:
        repo = await run_in_threadpool(community.begin_push, services, actor, kind, _full_name(namespace, name))
        file = await pushing.spool(services, _chunks(request), zipped=_zipped(request))
        pieces = await run_in_threadpool(pushing.answer, services, actor, repo, file)
        return StreamingResponse(pieces, headers=_FRESH, media_type="application/x-git-receive-pack-result")

    return routes


def _refs(services: Services, actor: Actor, kind: hub.RepoKind, full_name: str, service: str) -> list[hub.GitRef]:
    if service == "git-receive-pack":
        community.begin_push(services, actor, kind, full_name)
    with services.database.read() as read:
        repo, refs = hub.git_refs(read, actor, kind, full_name)
        if service != "git-receive-pack":
            hub.require_content(read, actor, repo)
        return refs


def _moved(services: Services, actor: Actor, kind: hub.RepoKind, full_name: str) -> str | None:
    with services.database.read() as read:
        return hub.moved_to(read, actor, kind, full_name)


def _full_name(namespace: str, name: str) -> str:
    return f"{namespace}/{name.removesuffix('.git')}"


def _modern(request: Request) -> bool:
    return _MODERN.fullmatch(request.headers.get("git-protocol", "")) is not None


def _content(service: str, kind: str, body: bytes) -> Response:
    return Response(body, headers=_FRESH, media_type=f"application/x-{service}-{kind}")


def _zipped(request: Request) -> bool:
    return request.headers.get("content-encoding", "").lower() in ("gzip", "x-gzip")


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise UploadIncomplete("The client left before the push was complete.", next="Push again.") from None


async def _body(request: Request, services: Services) -> bytes:
    """The body of a fetch, which names objects and is small. Raises RequestTooLarge, BadFrame, UploadIncomplete."""
    limit = services.settings.max_request_bytes
    inflater = zlib.decompressobj(31) if _zipped(request) else None
    body = bytearray()
    async for chunk in _chunks(request):
        try:
            body += inflater.decompress(chunk, limit + 1 - len(body)) if inflater else chunk
        except zlib.error:
            raise BadFrame("The body is not gzip, as it says.", next="Use a git client.") from None
        if len(body) > limit:
            raise RequestTooLarge(f"The request has more than {limit:,} bytes.", next="Fetch fewer branches at once.")
    return bytes(body)
