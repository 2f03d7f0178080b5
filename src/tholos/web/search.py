"""Pages that find repos: a box for words, facets at the side, hits by use."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tholos.accounts.authorization import Actor
from tholos.accounts.dependencies import CurrentActor, Cursor, Read
from tholos.hub import service as hub
from tholos.kit.database import ReadSession
from tholos.web.rendering import page
from tholos.web.repos import address

router = APIRouter(include_in_schema=False)
_PAGE: Final = 30
_FACETS: Final = ("task", "library", "license", "language", "size")
_SHOWN: Final = 12
Words = Annotated[str | None, Query(max_length=300)]


@router.get("/models")
def show_models(
    request: Request,
    actor: CurrentActor,
    read: Read,
    search: Words = None,
    sort: hub.Sort = "trending",
    cursor: Cursor = None,
) -> Response:
    """Models that the reader may see."""
    return _show(request, actor, read, hub.RepoKind.MODEL, search or "", sort, cursor)


@router.get("/datasets")
def show_datasets(
    request: Request,
    actor: CurrentActor,
    read: Read,
    search: Words = None,
    sort: hub.Sort = "trending",
    cursor: Cursor = None,
) -> Response:
    """Datasets that the reader may see."""
    return _show(request, actor, read, hub.RepoKind.DATASET, search or "", sort, cursor)


@router.get("/algorithms")
def show_algorithms(
    request: Request,
    actor: CurrentActor,
    read: Read,
    search: Words = None,
    sort: hub.Sort = "trending",
    cursor: Cursor = None,
) -> Response:
    """Algorithms that the reader may see."""
    return _show(request, actor, read, hub.RepoKind.ALGORITHM, search or "", sort, cursor)


def _show(
    request: Request,
    actor: Actor,
    read: ReadSession,
    kind: hub.RepoKind,
    search: str,
    sort: hub.Sort,
    cursor: str | None,
) -> Response:
    chosen = [(name, value) for name in _FACETS for value in request.query_params.getlist(name) if value]
    wanted = hub.Wanted(text=search, kind=kind, facets=chosen, sort=sort)
    found = hub.search(read, actor, wanted, cursor=cursor, limit=_PAGE)
    here = _Here(search, sort, chosen)
    return page(
        request,
        "repos.html",
        actor,
        kind=kind.value,
        repos=found.page.items,
        documents=hub.documents_of(read, found.page.items),
        counts=found.counts,
        facets=[(name, found.counts.facets[name][:_SHOWN]) for name in _FACETS if found.counts.facets[name]],
        corrections=sorted({word for words in found.corrections.values() for word in words}),
        chosen=chosen,
        search=search,
        sort=sort,
        here_with=here.with_value,
        here_without=here.without_value,
        rest=here.rest,
        next_cursor=found.page.next_cursor,
        address=address,
    )


class _Here:
    """The address of a search, with a filter more or less."""

    def __init__(self, search: str, sort: str, chosen: list[tuple[str, str]]) -> None:
        self._words: list[tuple[str, Any]] = [("search", search)] if search else []
        self._words += [("sort", sort)] if sort != "trending" else []
        self._chosen = chosen

    @property
    def rest(self) -> str:
        """All of it, to follow a cursor."""
        query = urlencode([*self._words, *self._chosen])
        return f"&{query}" if query else ""

    def with_value(self, name: str, value: str) -> str:
        """The query of the same search with one more filter."""
        return "?" + urlencode([*self._words, *self._chosen, (name, value)])

    def without_value(self, name: str, value: str) -> str:
        """The query of the same search with one filter less."""
        return "?" + urlencode([*self._words, *(one for one in self._chosen if one != (name, value))])
