"""Where a request goes that was sent to a repo's former name."""

from __future__ import annotations

from urllib.parse import unquote

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from tholos.hub.errors import RepoMoved
from tholos.hub.names import RepoKind
from tholos.kit.errors import TholosError

_API = ["api", "v1"]


def forward(request: Request, error: TholosError) -> Response | None:
    """The same address below the repo's present name, to be asked with the same method and body.

    None where the error is another, or the address is not that repo's: it was named in the query or in the body.
    """
    if not isinstance(error, RepoMoved):
        return None
    parts = request.scope["raw_path"].decode("ascii", "replace").split("/")
    at = request.scope.get("root_path", "").count("/") + 1
    if parts[at : at + 2] == _API:
        kinds, at = parts[at + 2 : at + 3], at + 3
    elif parts[at : at + 1] in ([RepoKind.DATASET.plural], [RepoKind.ALGORITHM.plural]):
        kinds, at = parts[at : at + 1], at + 1
    else:  # models' pages begin at the root
        kinds = [RepoKind.MODEL.plural]
    asked = unquote("/".join(parts[at : at + 2]))
    if kinds != [error.kind.plural] or asked.lower() != error.former.lower():
        return None
    there = "/".join([*parts[:at], error.name, *parts[at + 2 :]])
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{there}{query}", 307)
