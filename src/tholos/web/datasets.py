"""The page of a dataset's data: its profile, column by column, and its rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tholos.accounts.dependencies import OptionalActor, Read
from tholos.data import service as data
from tholos.data.schemas import ProfileOut
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page
from tholos.web.repos import DATASET, At

router = APIRouter(prefix=DATASET, include_in_schema=False)
_ROWS = 25
_LONGEST_TEXT = 160


@router.get("/data")
def show_data(
    request: Request,
    at: At,
    actor: OptionalActor,
    read: Read,
    services: ServicesDep,
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
) -> Response:
    """What a dataset's newest revision holds."""
    found = at.open(read, actor)
    profile = ProfileOut.of(data.describe(services, actor, at.name, found.ref))
    shown = None
    if profile.state == "ready":
        shown = data.rows(
            services,
            actor,
            at.name,
            found.ref,
            split=None,
            offset=offset,
            limit=_ROWS,
            max_characters=_LONGEST_TEXT,
        )
    values = {"profile": profile, "shown": shown, "offset": offset, "page_size": _ROWS, **found.values}
    return page(request, "data.html", actor, tab="data", **values)
