"""HTTP of search: hits with counts, suggestions, downloads by day, and building the index anew."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from tholos.accounts.dependencies import CurrentActor, Cursor, OptionalActor, Read
from tholos.accounts.errors import InvalidName
from tholos.hub import errors, service
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.names import RepoKind
from tholos.hub.schemas import DayOut, DownloadsOut, FacetValue, HitOut, Rebuild, SearchPage, Suggestions
from tholos.hub.search.service import MAX_FILTERS, MAX_TEXT
from tholos.kit.errors import Forbidden, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["hub"])
_LIMIT = 20
_MAX_LIMIT = 100
_SUGGESTIONS = 8

Values = Annotated[list[str] | None, Query(max_length=MAX_FILTERS, description="All of these.")]
Count = Annotated[int | None, Query(ge=0, lt=1 << 62)]


@router.get("/search")
def search(
    *,
    actor: OptionalActor,
    read: Read,
    q: Annotated[str, Query(max_length=MAX_TEXT, description="Words; a repo must have all of them.")] = "",
    kind: RepoKind | None = None,
    owner: Annotated[str, Query(max_length=96, description="Namespace.")] = "",
    tag: Values = None,
    task: Values = None,
    library: Values = None,
    licence: Annotated[list[str] | None, Query(alias="license", max_length=MAX_FILTERS)] = None,
    language: Values = None,
    size: Values = None,
    min_parameters: Count = None,
    max_parameters: Count = None,
    sort: service.Sort = "trending",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_LIMIT, description="Most hits in the answer.")] = _LIMIT,
) -> SearchPage:
    """Repos that you may read, by words, filters and use, with counts by facet.

    Counts are exact up to 10,000 hits and estimates above. They are of what you may read, and so are the corrections.
    """
    facets = {"task": task, "library": library, "license": licence, "language": language, "size": size}
    wanted = service.Wanted(
        text=q,
        kind=kind,
        owner=owner,
        tags=tag or [],
        facets=[(name, value) for name, values in facets.items() for value in values or []],
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        sort=sort,
    )
    found = service.search(read, actor, wanted, cursor=cursor, limit=limit)
    repos = found.page.items
    documents = service.documents_of(read, repos)
    return SearchPage(
        items=[HitOut.of_document(view, documents.get(view.repo.id)) for view in service.view(read, repos)],
        next_cursor=found.page.next_cursor,
        total=found.counts.total,
        estimated=found.counts.estimated,
        facets={
            name: [FacetValue(value=value, count=count) for value, count in values]
            for name, values in found.counts.facets.items()
        },
        corrections={word: list(words) for word, words in found.corrections.items()},
    )


@router.get("/search/suggestions")
def suggest(actor: OptionalActor, read: Read, q: Annotated[str, Query(max_length=MAX_TEXT)]) -> Suggestions:
    """Words that begin like the last one, the most used first."""
    return Suggestions(items=service.suggest(read, actor, q, _SUGGESTIONS))


@router.post("/search/rebuild", responses=responses([Forbidden]))
def rebuild(actor: CurrentActor, services: ServicesDep) -> Rebuild:
    """Has every repo read anew for the index, in the background. Administrators only."""
    return Rebuild(repos=service.rebuild(services.database, actor))


@router.get(f"{REPO}/downloads", responses=responses([InvalidName, errors.RepoNotFound]))
def get_downloads(address: AddressDep, actor: OptionalActor, read: Read) -> DownloadsOut:
    """How often a repo was downloaded, by day. A few seconds may pass until a download is counted."""
    repo = service.get_repo(read, actor, address.kind, address.name)
    days = service.downloads_by_day(read, repo)
    document = service.documents_of(read, [repo]).get(repo.id)
    return DownloadsOut(
        days=[DayOut(day=day, count=count) for day, count in days],
        total=sum(count for _, count in days),
        all_time=document.downloads_all if document else 0,
    )
