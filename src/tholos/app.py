"""The HTTP application, put together in one place."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from tholos.accounts import endpoints as accounts
from tholos.community import endpoints as community
from tholos.data import endpoints as data
from tholos.evaluation import endpoints as evaluation
from tholos.gateway.gateway import Gateway
from tholos.gateway.openapi import PATHS
from tholos.gateway.routes import routes as gateway_routes
from tholos.hub import endpoints as hub
from tholos.hub.forwarding import forward
from tholos.hub.mirror import endpoints as mirrors
from tholos.hub.popularity import writing_downloads
from tholos.imports import endpoints as imports
from tholos.jobs import endpoints as jobs
from tholos.kit.errors import TholosError
from tholos.kit.http import BodyLimit, RequestIdentity, add_routes, install_errors
from tholos.kit.services import Services
from tholos.optimization import endpoints as optimization
from tholos.scanning import endpoints as scanning
from tholos.serving import endpoints as serving
from tholos.training import endpoints as training
from tholos.web import routes as web
from tholos.web.failures import error_page
from tholos.wire import routes as wire

ROOMS = (accounts, jobs, hub, mirrors, community, scanning, data, imports, training, optimization, evaluation, serving)

# Exactly these addresses: a branch may be called "x/blobs/y", and its body is bounded like any other.
_UPLOAD = re.compile(r"/api/v1/(?:models|datasets|algorithms)/[^/]+/[^/]+/(?:blobs/[^/]+|commits)")


def create_app(services: Services) -> FastAPI:
    """The whole application over ``services``; one per gateway process."""
    gateway = Gateway(services)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with gateway.running(), writing_downloads(services.database, services.downloads):
            yield

    app = FastAPI(
        title="Tholos",
        version=version("tholos"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.gateway = gateway
    app.openapi = partial(_openapi, app.openapi)  # type: ignore[method-assign]  # as FastAPI documents it
    app.router.routes.extend(gateway_routes(gateway, services.settings.max_predict_bytes))
    for room in ROOMS:
        add_routes(app, room.router)
    wire.install(app)
    web.install(app)
    install_errors(app, _way_or_page)
    app.add_middleware(BodyLimit, max_bytes=services.settings.max_request_bytes, exempt=_counts_for_itself)
    app.add_middleware(RequestIdentity)
    return app


async def _way_or_page(request: Request, error: TholosError, request_id: str) -> Response | None:
    """The way to a repo that has another name now, or else the error as a page for those who look with a browser."""
    return forward(request, error) or await error_page(request, error, request_id)


def _openapi(of_the_rooms: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The rooms' document, with the gateway's routes, which stand beside FastAPI."""
    document = of_the_rooms()
    document["paths"] |= PATHS
    return document


def _counts_for_itself(path: str) -> bool:
    """Uploads, commits and predictions have limits of their own."""
    return path.startswith("/predict/") or wire.counts_for_itself(path) or _UPLOAD.fullmatch(path) is not None
