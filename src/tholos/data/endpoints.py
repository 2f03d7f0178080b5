"""HTTP of datasets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, OptionalActor
from tholos.accounts.errors import AccountNotFound, InvalidName, MissingScope
from tholos.data import errors, service
from tholos.data.schemas import ImportIn, ProfileOut, RowsOut, SourceOut, SourcePage, SplitIn
from tholos.hub.errors import AmbiguousRevision, RepoNotFound, RevisionNotFound
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep
from tholos.kit.paging import BadCursor

router = APIRouter(prefix="/api/v1", tags=["data"])

_REV_ERRORS: list[type[TholosError]] = [InvalidName, RepoNotFound, RevisionNotFound, AmbiguousRevision]
_WRITE_ERRORS: list[type[TholosError]] = [*_REV_ERRORS, Forbidden, MissingScope]

Namespace = Annotated[str, Path(max_length=200)]
Name = Annotated[str, Path(max_length=200)]
Revision = Annotated[str, Query(max_length=300, description="Branch, tag or commit id.")]


@router.get("/data/sources", responses=responses([BadCursor]))
def list_sources(
    _actor: CurrentActor,
    search: Annotated[str, Query(max_length=200, description="Part of a name or title.")] = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> SourcePage:
    """Real data sets that the server's Python packages carry."""
    page = service.sources(search, cursor, limit)
    return SourcePage(items=[SourceOut.of(sample) for sample in page.items], next_cursor=page.next_cursor)


@router.post(
    "/data/import",
    status_code=202,
    responses=responses(
        [errors.SourceNotFound, errors.SamplesNotInstalled, InvalidName, AccountNotFound, Forbidden, MissingScope]
    ),
)
def import_source(body: ImportIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Makes a dataset from a source: a job commits its files and a card."""
    return JobOut.of(service.start_import(services, actor, body.source, body.name))


@router.post(
    "/datasets/{namespace}/{name}/splits",
    status_code=202,
    responses=responses([*_WRITE_ERRORS, errors.BadSplit, errors.ColumnNotFound]),
)
def split_dataset(
    namespace: Namespace, name: Name, body: SplitIn, actor: CurrentActor, services: ServicesDep
) -> JobOut:
    """Splits the rows: a job commits the assignment to the dataset."""
    return JobOut.of(
        service.start_split(
            services, actor, f"{namespace}/{name}", body.revision, split_name=body.name, spec=body.spec()
        )
    )


@router.get("/datasets/{namespace}/{name}/profile", responses=responses(_REV_ERRORS))
def show_profile(
    namespace: Namespace, name: Name, actor: OptionalActor, services: ServicesDep, revision: Revision = "main"
) -> ProfileOut:
    """Types, missing values, ranges, categories and histograms of a revision, and its splits."""
    return ProfileOut.of(service.describe(services, actor, f"{namespace}/{name}", revision))


@router.post("/datasets/{namespace}/{name}/profile", status_code=202, responses=responses(_WRITE_ERRORS))
def read_again(
    namespace: Namespace, name: Name, actor: CurrentActor, services: ServicesDep, revision: Revision = "main"
) -> JobOut:
    """Reads a revision again whose data could not be read; a push does the first reading by itself."""
    return JobOut.of(service.start_view(services, actor, f"{namespace}/{name}", revision))


@router.get(
    "/datasets/{namespace}/{name}/rows",
    responses=responses(
        [
            *_REV_ERRORS,
            errors.ProfilePending,
            errors.Unreadable,
            errors.NoDataFiles,
            errors.SplitNotFound,
            errors.SplitOutOfDate,
        ]
    ),
)
def show_rows(
    *,
    namespace: Namespace,
    name: Name,
    actor: OptionalActor,
    services: ServicesDep,
    revision: Revision = "main",
    split: Annotated[str | None, Query(max_length=100, description='A subset ("train"), or "split/subset".')] = None,
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Limit = DEFAULT_LIMIT,
    max_characters: Annotated[int | None, Query(ge=1, description="Cut longer strings.")] = None,
) -> RowsOut:
    """Rows of a revision, or of a subset of its split."""
    found = service.rows(
        services,
        actor,
        f"{namespace}/{name}",
        revision,
        split=split,
        offset=offset,
        limit=limit,
        max_characters=max_characters,
    )
    return RowsOut.of(found, offset)
