"""The HTTP edge that every room shares: one error shape, request ids, body limits.

Middleware is plain ASGI: Starlette's ``BaseHTTPMiddleware`` breaks streaming and cancellation.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tholos.kit.errors import (
    InvalidInput,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    TholosError,
)
from tholos.kit.ids import new_id
from tholos.kit.logs import get_logger
from tholos.kit.services import Services

ErrorPage = Callable[[Request, TholosError, str], Awaitable[Response | None]]
"""Renders an error for a person's browser, or returns None where the request wants JSON."""


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
"""The parameter type by which an endpoint asks for the server's services."""

REQUEST_ID = "x-request-id"
_SAME_FOR_ALL = "/static/"  # files of the pages, which are no secret
_TRACE_ID = "x-amzn-trace-id"  # by this name the clients of the Hugging Face Hub send theirs, and show what comes back
_ACCEPTABLE_ID = re.compile(r"[\w.-]{1,80}", re.ASCII)
log = get_logger("http")


class InternalError(TholosError):
    """Something in Tholos went wrong."""

    code = "internal_error"
    status = 500


class RouteNotFound(NotFound):
    """There is nothing at this address."""

    code = "route_not_found"


class InvalidRequest(InvalidInput):
    """The request does not fit the API's schema."""

    code = "invalid_request"


class BodyTooLarge(PayloadTooLarge):
    """The request's body is larger than this route takes."""

    code = "body_too_large"


def error_parts(error: TholosError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """The error's one wire shape: ``{"error": {code, message, next, details}, "request_id"}``, and its headers."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return orjson.dumps({"error": error.to_dict(), "request_id": request_id}, default=str), headers


def error_response(error: TholosError, request_id: str) -> Response:
    """The error as a JSON response."""
    body, headers = error_parts(error, request_id)
    return Response(body, error.status, {REQUEST_ID: request_id, **headers}, media_type="application/json")


def add_routes(app: FastAPI, router: APIRouter) -> None:
    """Adds the routes of a router as they are, with the prefix and the tags that they were made with.

    ``include_router`` would make each of them anew, for every application, while its first requests wait.
    """
    app.router.routes.extend(router.routes)


def install_errors(app: FastAPI, page: ErrorPage) -> None:
    """Makes every failure, foreseen or not, answer in the one shape; ``page`` serves those who look with a browser."""

    async def answer(request: Request, error: TholosError) -> Response:
        request_id = str(request.scope.get("tholos.request_id", ""))
        return await page(request, error, request_id) or error_response(error, request_id)

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, TholosError)
        return await answer(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await answer(request, _invalid_request(error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await answer(request, _http_error(error, request))

    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("unforeseen error", path=request.url.path, exc_info=error)
        return await answer(request, InternalError(next="Try again; if it stays, look up the request id in the log."))

    app.add_exception_handler(TholosError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unforeseen)


def _invalid_request(error: RequestValidationError) -> InvalidRequest:
    problems = [
        {"where": ".".join(str(part) for part in problem["loc"]), "problem": problem["msg"]}
        for problem in error.errors()[:20]
    ]
    first = problems[0]
    return InvalidRequest(
        f"{first['where']}: {first['problem']}.", next="See /api/docs for what this address takes.", problems=problems
    )


def _http_error(error: HTTPException, request: Request) -> TholosError:
    path = request.url.path[:200]
    if error.status_code == HTTPStatus.NOT_FOUND:
        return RouteNotFound(f"There is nothing at {path}.", next="See /api/docs for every address.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return MethodNotAllowed(f"{path} does not take {request.method}.", next=f"Use {allowed}.")
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return InvalidRequest(f"The request could not be read: {error.detail}.", next="Send valid JSON in UTF-8.")
    raise error


class RequestIdentity:
    """Gives each request an id (the caller's, if it sent a sane one), answers with it, and logs the request.

    No cache that several people share may keep an answer that does not say so itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get(REQUEST_ID) or headers.get(_TRACE_ID, "")
        request_id = offered if _ACCEPTABLE_ID.fullmatch(offered) else new_id("req")
        scope["tholos.request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                answered[REQUEST_ID] = request_id
                if not scope["path"].startswith(_SAME_FOR_ALL):
                    answered.setdefault("cache-control", "private, no-cache")  # it may depend on who asks
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                elapsed_ms = round((time.perf_counter() - started) * 1000, 2)
                log.debug("request", method=scope["method"], path=scope["path"], status=status, ms=elapsed_ms)


class BodyLimit:
    """Refuses a body over ``max_bytes``, early by its announced length and else as it streams.

    Paths that ``exempt`` names count for themselves.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, exempt: Callable[[str], bool]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._exempt(scope["path"]):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._max_bytes:
            await error_response(self._too_large(), scope.get("tholos.request_id", ""))(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The request's body is over {self._max_bytes:,} bytes.",
            next="Send less at once, upload it as a file, or raise THOLOS_MAX_REQUEST_BYTES.",
            max_bytes=self._max_bytes,
        )


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a body that an endpoint reads by itself, for ``openapi_extra``: definitions stand in place."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def place(value: Any) -> Any:
        if isinstance(value, dict):
            if name := str(value.get("$ref", "")).removeprefix("#/$defs/"):
                return place(definitions[name])
            # A discriminator's mapping only repeats by reference what the alternatives say in place.
            return {key: place(inner) for key, inner in value.items() if key != "discriminator"}
        return [place(inner) for inner in value] if isinstance(value, list) else value

    placed: dict[str, Any] = place(schema)
    return placed
