"""The Xet protocol: how today's Hugging Face clients send and fetch large files.

A client asks the hub for a token (`token_answer`), which names the address of this store. The address carries a
generation: clients keep what they have learnt from a store by its address, so a new generation makes them forget.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final, Literal

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tholos.accounts.authorization import Action, Actor, authorize
from tholos.accounts.dependencies import bearer_token
from tholos.hub.downloads import BlobResponse, ByteRange, requested_range
from tholos.hub.errors import UploadIncomplete
from tholos.hub.freshness import xet_generation
from tholos.hub.models import Repo
from tholos.hub.proposals import require_word
from tholos.hub.xet import access, service
from tholos.hub.xet.access import Grant, Link
from tholos.hub.xet.hashing import from_hex
from tholos.hub.xet.reconstruction import Reconstruction, file_recipe, reconstruction
from tholos.hub.xet.shards import MAX_SHARD_BYTES, too_large
from tholos.hub.xet.xorbs import MAX_BODY_BYTES
from tholos.kit.errors import Forbidden, NotAuthenticated, TholosError
from tholos.kit.http import InternalError, RouteNotFound
from tholos.kit.logs import get_logger
from tholos.kit.services import Services
from tholos.kit.signing import InvalidSignature, Signer
from tholos.wire.huggingface.errors import refusal

_PREFIX: Final = "/xet"
_SHARD_INSERTED: Final = 1
log = get_logger("xet")

Endpoint = Callable[[Request], Awaitable[Response]]


class InvalidXetToken(NotAuthenticated):
    """The Xet token was not made by this server, or has expired."""

    code = "invalid_xet_token"


def token_answer(
    services: Services,
    actor: Actor,
    repo: Repo,
    rev: str,
    kind: Literal["read", "write"],
    base_url: str,
    *,
    proposes: bool = False,
) -> Response:
    """The answer to `…/xet-{kind}-token/{rev}` for an actor who has just been signed in.

    ``proposes``: a token that writes is for a pull request, which takes no right to write the repo.
    ``base_url`` is the address of this server as the client reaches it. Raises RepoNotFound, Forbidden, MissingScope.
    """
    writing = kind == "write"
    authorize(actor, Action.WRITE if writing and not proposes else Action.READ, repo)
    if proposes:
        require_word(actor, repo)
    signer = Signer(services.settings)
    token = access.token(signer, Grant(repo.id, rev, may_write=writing, key_id=actor.key_id, proposes=proposes))
    with services.database.read() as read:
        generation = xet_generation(read)
    address = f"{base_url.rstrip('/')}{_PREFIX}/g{generation}"
    expires = access.expiration()
    headers = {
        "x-xet-cas-url": address,
        "x-xet-access-token": token,
        "x-xet-token-expiration": str(expires),
        "cache-control": "no-store",
    }
    return _json({"casUrl": address, "accessToken": token, "exp": expires}, headers)


def advertisement(xet_hash: str, token_url: str) -> dict[str, str]:
    """The headers by which a resolve answer offers a file through Xet.

    ``token_url`` is the absolute address of the repo's `xet-read-token/{commit}`.
    """
    return {"x-xet-hash": xet_hash, "link": f'<{token_url}>; rel="xet-auth"'}


def is_ours(path: str) -> bool:
    """Whether a (decoded) path belongs to this protocol, which bounds its bodies in its own way."""
    return path.startswith(f"{_PREFIX}/")


def routes() -> Mount:
    """All routes of the store, under every generation: an upload may be under way when a new one begins."""
    return Mount(
        f"{_PREFIX}/{{generation}}",
        routes=[
            Route("/v1/xorbs/default/{xorb}", _guarded(_put_xorb), methods=["POST"]),
            Route("/v1/xorbs/default/{xorb}", _guarded(_head_xorb), methods=["HEAD"]),
            Route("/v1/shards", _guarded(_put_shard), methods=["POST"]),
            Route("/shards", _guarded(_put_shard), methods=["POST"]),
            Route("/v1/reconstructions/{file}", _guarded(_reconstruct), methods=["GET"]),
            Route("/data/{signature}", _guarded(_send_xorb), methods=["GET"]),
            Route("/{path:path}", _guarded(_nothing), methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
        ],
    )


async def _put_xorb(request: Request) -> Response:
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdigit() else None
    services = _services(request)
    await service.put_xorb(services, _grant(request), request.path_params["xorb"], _body(request), size)
    return _json({"was_inserted": True})  # always: whether someone else had sent it before is nobody's business


async def _head_xorb(request: Request) -> Response:
    services, xorb, grant = _services(request), request.path_params["xorb"], _grant(request)
    from_hex(xorb)
    size = await run_in_threadpool(service.xorb_size, services, grant, xorb)
    return Response(headers={"content-length": str(size)})


async def _put_shard(request: Request) -> Response:
    grant = _grant(request)
    services = _services(request)
    await run_in_threadpool(_check, services, grant, Action.WRITE)
    parts: list[bytes] = []
    size = 0
    async for part in _body(request):
        size += len(part)
        if size > MAX_SHARD_BYTES:
            raise too_large()
        parts.append(part)
    await service.take_shard(services, grant, b"".join(parts))
    return _json({"result": _SHARD_INSERTED})


async def _reconstruct(request: Request) -> Response:
    grant = _grant(request)
    services = _services(request)
    signer = Signer(services.settings)
    base = f"{services.settings.public_url or request.url.replace(path='', query='')}".rstrip("/")
    address = f"{base}{_PREFIX}/{request.path_params['generation']}/data/"

    def plan() -> bytes:
        recipe = file_recipe(services, grant, request.path_params["file"])
        part = requested_range(request.headers.get("range"), recipe.size) or ByteRange(0, recipe.size)
        found = reconstruction(services.blobs.xorbs, recipe, part)
        return orjson.dumps(_plan(found, lambda xorb, piece: address + _sign(signer, grant, xorb, piece)))

    return Response(await run_in_threadpool(plan), media_type="application/json")


def _plan(found: Reconstruction, address: Callable[[str, ByteRange], str]) -> dict[str, Any]:
    """A reconstruction as the protocol writes it: ranges of chunks exclude their end, ranges of bytes include it."""
    fetch: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}
    terms = []
    for piece in found.pieces:
        term, part = piece.term, piece.bytes
        chunks = {"start": term.start, "end": term.end}
        terms.append({"hash": term.xorb, "unpacked_length": term.length, "range": chunks})
        ranges = fetch.setdefault(term.xorb, {})
        if (term.start, term.end) not in ranges:
            ranges[term.start, term.end] = {
                "range": chunks,
                "url": address(term.xorb, part),
                "url_range": {"start": part.start, "end": part.end - 1},
            }
    return {
        "offset_into_first_range": found.skip,
        "terms": terms,
        "fetch_info": {xorb: list(ranges.values()) for xorb, ranges in fetch.items()},
    }


async def _send_xorb(request: Request) -> Response:
    """Bytes of a xorb, as far as the link allows: other chunks of it may be of what its holder must not read."""
    services = _services(request)
    link = access.read_link(Signer(services.settings), request.path_params["signature"])
    allowed = ByteRange(link.start, link.end)

    def look_up() -> int:
        with services.database.read() as read:
            access.authorized(read, link.grant, Action.READ)
        return services.blobs.xorbs.index(link.xorb).size

    size = await run_in_threadpool(look_up)
    wanted = requested_range(request.headers.get("range"), size)
    if wanted is None or not allowed.start <= wanted.start < wanted.end <= allowed.end:
        raise Forbidden(
            "This link is for other bytes.", next=f"Ask for bytes={allowed.start}-{allowed.end - 1} or a part of it."
        )
    headers = {
        "content-type": "application/octet-stream",
        "content-length": str(wanted.length),
        "content-range": f"bytes {wanted.start}-{wanted.end - 1}/{size}",
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    return BlobResponse(partial(services.blobs.xorbs.open, link.xorb), wanted, 206, headers)


async def _nothing(request: Request) -> Response:
    """What this server does not offer (global deduplication, grants, version 2): clients fall back to what it does."""
    raise RouteNotFound(f"The Xet store has nothing at {request.url.path[:200]}.", next="Use its version 1.")


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Answers every failure as clients read it, after the rest of the body: they write all of it before they read."""

    async def guarded(request: Request) -> Response:
        failure: TholosError
        try:
            return await endpoint(request)
        except TholosError as error:
            failure = error
        except ClientDisconnect:
            failure = UploadIncomplete(next="Repeat the request.")
        except Exception:  # the edge of the process: the client must be told something
            log.exception("unforeseen error", path=request.url.path)
            failure = InternalError(next="Try again; if it stays, look up the request id in the log.")
        await _drain(request)
        return refusal(failure, str(request.scope.get("tholos.request_id", "")))

    return guarded


async def _drain(request: Request) -> None:
    left = MAX_BODY_BYTES
    try:
        async for part in request.stream():
            left -= len(part)
            if left < 0:
                return
    except (ClientDisconnect, RuntimeError):  # it has left, or all was read
        return


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        yield part


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _grant(request: Request) -> Grant:
    token = bearer_token(request)
    if token is None:
        raise InvalidXetToken("This needs a Xet token.", next="Ask the hub for one.")
    try:
        return access.read_token(Signer(_services(request).settings), token)
    except InvalidSignature:
        raise InvalidXetToken(next="Ask the hub for a new one.") from None


def _check(services: Services, grant: Grant, action: Action) -> None:
    with services.database.read() as read:
        access.authorized(read, grant, action)


def _sign(signer: Signer, grant: Grant, xorb: str, part: ByteRange) -> str:
    return access.link(signer, Link(grant, xorb, part.start, part.end))


def _json(content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")
