"""Every page, in the order in which addresses are matched."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from tholos.kit.http import add_routes
from tholos.web import (
    access,
    algorithms,
    community,
    datasets,
    deployments,
    home,
    imports,
    jobs,
    measurements,
    mirrors,
    namespaces,
    reference,
    repos,
    scans,
    search,
    session,
    sharing,
    storage,
    tokens,
    webhooks,
)
from tholos.web.rendering import STATIC

_DATASETS = (
    datasets.router,
    access.datasets,
    scans.datasets,
    mirrors.datasets,
    sharing.datasets,
    community.datasets,
    repos.datasets,
)
_ALGORITHMS = (
    algorithms.router,
    access.algorithms,
    scans.algorithms,
    mirrors.algorithms,
    sharing.algorithms,
    community.algorithms,
    repos.algorithms,
)
_MODELS = (
    measurements.router,
    imports.models,
    access.models,
    deployments.models,
    scans.models,
    mirrors.models,
    sharing.models,
    community.models,
    repos.models,
)


def install(app: FastAPI) -> None:
    """Adds the pages to the application, after every route that is not a page.

    Models' addresses begin at the root (``/namespace/name``) and come last: they would match the others.
    """
    app.mount("/static", StaticFiles(directory=STATIC))
    first = (
        session.router,
        tokens.router,
        reference.router,
        home.router,
        storage.router,
        jobs.router,
        deployments.router,
        webhooks.router,
        search.router,
    )
    for router in (*first, namespaces.router, *_DATASETS, *_ALGORITHMS, *_MODELS, namespaces.pages):
        add_routes(app, router)
