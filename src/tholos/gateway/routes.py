"""The HTTP face of the gateway: plain ASGI, no schema machinery between the socket and ``Gateway.submit``."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tholos.accounts.dependencies import SESSION_COOKIE, bearer_token, refuse_cross_origin
from tholos.gateway.errors import BodyTooLarge, UsePost
from tholos.gateway.exchange import JSON, Answer, Exchange, error_answer
from tholos.gateway.gateway import Gateway
from tholos.kit.errors import TholosError
from tholos.kit.ids import new_id
from tholos.kit.logs import get_logger

log = get_logger("gateway.routes")


def routes(gateway: Gateway, max_body_bytes: int) -> Sequence[BaseRoute]:
    """``/predict/{namespace}/{deployment}`` and the health probes, to stand before all other routes."""
    return (
        Route("/predict/{namespace}/{deployment}", PredictRoute(gateway, max_body_bytes)),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", ReadyRoute(gateway), methods=["GET"]),
    )


class PredictRoute:
    """``POST /predict/{namespace}/{deployment}`` as an ASGI application."""

    def __init__(self, gateway: Gateway, max_body_bytes: int) -> None:
        self._gateway = gateway
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope.get("tholos.request_id") or new_id("req")
        try:
            exchange = await self._exchange(Request(scope, receive), request_id)
        except TholosError as error:
            answer = error_answer(error, request_id)
        else:
            answer = await self._gateway.submit(exchange)
        await _send(answer, request_id, send)

    async def _exchange(self, request: Request, request_id: str) -> Exchange:
        namespace, deployment = request.path_params["namespace"], request.path_params["deployment"]
        if request.method != "POST":
            raise UsePost(
                f"Predictions are asked for with POST, not {request.method}.",
                next='POST {"input": …} here; GET '
                f"/api/v1/deployments/{namespace}/{deployment}/schema shows the input and an example.",
                allow=["POST"],
            )
        token = bearer_token(request)
        session = None
        if token is None and "cookie" in request.headers:
            session = request.cookies.get(SESSION_COOKIE)
            if session is not None:
                refuse_cross_origin(request)
        return Exchange(
            namespace=namespace,
            deployment=deployment,
            body=await self._body(request),
            content_type=request.headers.get("content-type", ""),
            request_id=request_id,
            token=token,
            session=session,
        )

    async def _body(self, request: Request) -> bytes:
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._max_body_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > self._max_body_bytes:
                raise self._too_large()
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is over {self._max_body_bytes:,} bytes.",
            next="Send fewer rows at once, or raise THOLOS_MAX_PREDICT_BYTES.",
            max_bytes=self._max_body_bytes,
        )


class ReadyRoute:
    """``GET /health/ready`` as an ASGI application: 200 while this process keeps level with the database, else 503."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready = self._gateway.is_ready
        body = orjson.dumps({"status": "ready" if ready else "not ready"})
        await Response(body, 200 if ready else 503, media_type=JSON)(scope, receive, send)


async def _live(_request: Request) -> Response:
    return Response(b'{"status":"live"}', media_type=JSON)


async def _send(answer: Answer, request_id: str, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id.encode()),
        *((name.encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
    except RuntimeError as error:
        # uvloop's word for a client that has left before uvicorn heard of it: nobody is there to be answered.
        if "closed" not in str(error):
            raise
        log.debug("the client left before its answer")
