"""The page of a revision's scan."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts.dependencies import CurrentActor, OptionalActor, Read
from tholos.kit.http import ServicesDep
from tholos.scanning import service as scanning
from tholos.web.rendering import page
from tholos.web.repos import ALGORITHM, DATASET, MODEL, At

algorithms = APIRouter(prefix=ALGORITHM, include_in_schema=False)
datasets = APIRouter(prefix=DATASET, include_in_schema=False)
models = APIRouter(prefix=MODEL, include_in_schema=False)


@algorithms.get("/scan/{rev:path}")
@datasets.get("/scan/{rev:path}")
@models.get("/scan/{rev:path}")
def show_scan(request: Request, at: At, actor: OptionalActor, read: Read, services: ServicesDep, rev: str) -> Response:
    """What was found in the files of a revision."""
    found = at.open(read, actor, rev)
    _, files = scanning.describe(read, actor, at.kind, at.name, rev)
    may_write = found.verdict.sees_all and services.settings.scan_pushes
    values = {**found.values, "files": files, "may_write": may_write}
    return page(request, "scan.html", actor, tab="files", **values)


@algorithms.post("/scan/{rev:path}")
@datasets.post("/scan/{rev:path}")
@models.post("/scan/{rev:path}")
def scan_again(at: At, actor: CurrentActor, read: Read, services: ServicesDep, rev: str) -> Response:
    """Scans it anew."""
    found = at.open(read, actor, rev)
    scanning.scan_again(services, actor, at.kind, at.name, rev)
    return RedirectResponse(f"{found.values['base']}/scan/{rev}", 303)
