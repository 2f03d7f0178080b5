"""HTTP of the hub: repos, revisions, refs, cards, measurements, lineage. Content travels in `transfers`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, OptionalActor, Read
from tholos.accounts.errors import AccountNotFound, InvalidName
from tholos.hub import (
    access_endpoints,
    errors,
    history_endpoints,
    searching,
    service,
    sharing,
    transfers,
    usage_endpoints,
)
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.licences import licence_report
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.quotas import Quota
from tholos.hub.rendering import render
from tholos.hub.schemas import (
    CardOut,
    CreateRepo,
    EntryOut,
    LicenceOut,
    LineageOut,
    MeasurementOut,
    MeasurementPage,
    MoveRepo,
    RefOut,
    Refs,
    RepoOut,
    RepoPage,
    RevisionOut,
    RevisionPage,
    SetRef,
    TreePage,
    UpdateRepo,
)
from tholos.hub.storage import endpoints as storage
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep
from tholos.kit.paging import MAX_LIMIT

router = APIRouter(prefix="/api/v1", tags=["hub"])
_PARTS = (transfers, sharing, searching, access_endpoints, usage_endpoints, history_endpoints, storage)
router.routes.extend(route for part in _PARTS for route in part.router.routes)

_REPO_ERRORS: list[type[TholosError]] = [InvalidName, errors.RepoNotFound]
_REV_ERRORS = [*_REPO_ERRORS, errors.RevisionNotFound, errors.AmbiguousRevision]
_REF_ERRORS = [*_REV_ERRORS, errors.InvalidRefName, errors.RefExists, Forbidden]

Revision = Annotated[str, Query(max_length=300, description="Branch, tag or commit id.")]


@router.post(
    "/repos",
    status_code=201,
    responses=responses([InvalidName, AccountNotFound, errors.RepoExists, errors.QuotaExceeded, Forbidden]),
)
def create_repo(body: CreateRepo, actor: CurrentActor, services: ServicesDep) -> RepoOut:
    """Makes a repo, with a first commit that holds `.gitattributes`."""
    repo = service.create_repo(
        services.database,
        services.blobs,
        actor,
        body.kind,
        body.name,
        visibility=body.visibility,
        description=body.description,
        default_quota=Quota.default(services.settings),
    )
    with services.database.read() as read:
        return RepoOut.of(service.view(read, [repo])[0])


@router.get("/repos")
def list_repos(
    *,
    actor: OptionalActor,
    read: Read,
    kind: RepoKind | None = None,
    search: Annotated[str, Query(max_length=200, description="Part of a name or description.")] = "",
    owner: Annotated[str, Query(max_length=96, description="Namespace.")] = "",
    tag: Annotated[str, Query(max_length=200, description="A tag of the card, such as license:mit.")] = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> RepoPage:
    """Repos that you may read, last changed first."""
    found = service.list_repos(read, actor, kind=kind, search=search, owner=owner, tag=tag, cursor=cursor, limit=limit)
    return RepoPage(items=[RepoOut.of(view) for view in service.view(read, found.items)], next_cursor=found.next_cursor)


@router.get(REPO, responses=responses(_REPO_ERRORS))
def get_repo(address: AddressDep, actor: OptionalActor, read: Read) -> RepoOut:
    """A repo."""
    return RepoOut.of(service.view(read, [service.get_repo(read, actor, address.kind, address.name)])[0])


@router.patch(REPO, responses=responses([*_REPO_ERRORS, Forbidden]))
def update_repo(address: AddressDep, body: UpdateRepo, actor: CurrentActor, services: ServicesDep) -> RepoOut:
    """Changes visibility and gate (the owner only) or description."""
    with services.database.write() as write:
        repo = service.update_repo(
            write,
            actor,
            address.kind,
            address.name,
            visibility=body.visibility,
            description=body.description,
            gated=body.gated,
        )
        return RepoOut.of(service.view(write, [repo])[0])


@router.delete(REPO, status_code=204, responses=responses([*_REPO_ERRORS, Forbidden]))
def delete_repo(address: AddressDep, actor: CurrentActor, services: ServicesDep) -> None:
    """Deletes a repo with its revisions and measurements. The owner only."""
    with services.database.write() as write:
        service.delete_repo(write, actor, address.kind, address.name)


@router.post(
    f"{REPO}/move",
    responses=responses([*_REPO_ERRORS, AccountNotFound, errors.RepoExists, errors.QuotaExceeded, Forbidden]),
)
def move_repo(address: AddressDep, body: MoveRepo, actor: CurrentActor, services: ServicesDep) -> RepoOut:
    """Gives a repo another name, maybe in another namespace, for who may make repos there; the old name leads to it."""
    quota = Quota.default(services.settings)
    with services.database.write() as write:
        repo = service.move_repo(write, actor, address.kind, address.name, body.to, quota)
        return RepoOut.of(service.view(write, [repo])[0])


@router.get(f"{REPO}/revisions", responses=responses(_REV_ERRORS))
def list_revisions(
    *,
    address: AddressDep,
    actor: OptionalActor,
    read: Read,
    ref: Revision = MAIN,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> RevisionPage:
    """History, newest first."""
    repo, found = service.list_revisions(read, actor, address.kind, address.name, ref, cursor=cursor, limit=limit)
    return RevisionPage(items=[RevisionOut.of(repo, item) for item in found.items], next_cursor=found.next_cursor)


@router.get(f"{REPO}/revisions/{{rev:path}}", responses=responses(_REV_ERRORS))
def get_revision(address: AddressDep, rev: str, actor: OptionalActor, read: Read) -> RevisionOut:
    """The revision that a branch, tag or (abbreviated) commit id names."""
    return RevisionOut.of(*service.resolve(read, actor, address.kind, address.name, rev))


@router.get(f"{REPO}/tree/{{rev:path}}", responses=responses([*_REV_ERRORS, errors.EntryNotFound, errors.InvalidPath]))
def list_tree(
    *,
    address: AddressDep,
    rev: str,
    actor: OptionalActor,
    read: Read,
    path: Annotated[str, Query(max_length=5000, description="Folder; empty for the root.")] = "",
    recursive: bool = False,
    cursor: Cursor = None,
    limit: Limit = MAX_LIMIT,
) -> TreePage:
    """Files and folders of a revision, in git's order."""
    revision, found = service.tree_page(
        read, actor, address.kind, address.name, rev, path=path, recursive=recursive, cursor=cursor, limit=limit
    )
    return TreePage(
        revision=revision.commit_id,
        items=[EntryOut.of(entry) for entry in found.items],
        next_cursor=found.next_cursor,
    )


@router.get(f"{REPO}/refs", responses=responses(_REPO_ERRORS))
def list_refs(address: AddressDep, actor: OptionalActor, read: Read) -> Refs:
    """Branches and tags."""
    found = [RefOut.of(ref) for ref in service.list_refs(read, actor, address.kind, address.name)]
    return Refs(
        branches=[ref for ref in found if ref.kind == "branch"], tags=[ref for ref in found if ref.kind == "tag"]
    )


@router.put(f"{REPO}/branches/{{ref:path}}", responses=responses(_REF_ERRORS))
def set_branch(
    *, address: AddressDep, ref: str, body: SetRef, actor: CurrentActor, services: ServicesDep, response: Response
) -> RefOut:
    """Creates a branch (201), or with `force` moves it (200)."""
    named = service.set_ref(
        services.database,
        services.blobs,
        actor,
        address.kind,
        address.name,
        ref_kind="branch",
        ref_name=ref,
        rev=body.revision,
        force=body.force,
    )
    response.status_code = 201 if named.created else 200
    return RefOut.of(named)


@router.put(f"{REPO}/tags/{{ref:path}}", responses=responses(_REF_ERRORS))
def set_tag(
    *, address: AddressDep, ref: str, body: SetRef, actor: CurrentActor, services: ServicesDep, response: Response
) -> RefOut:
    """Creates a tag (201), or with `force` moves it (200)."""
    named = service.set_ref(
        services.database,
        services.blobs,
        actor,
        address.kind,
        address.name,
        ref_kind="tag",
        ref_name=ref,
        rev=body.revision,
        force=body.force,
    )
    response.status_code = 201 if named.created else 200
    return RefOut.of(named)


@router.delete(
    f"{REPO}/branches/{{ref:path}}",
    status_code=204,
    responses=responses([*_REPO_ERRORS, errors.RevisionNotFound, errors.RefProtected, Forbidden]),
)
def delete_branch(address: AddressDep, ref: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Deletes a branch; not main."""
    with services.database.write() as write:
        service.delete_ref(write, actor, address.kind, address.name, ref_kind="branch", ref_name=ref)


@router.delete(
    f"{REPO}/tags/{{ref:path}}",
    status_code=204,
    responses=responses([*_REPO_ERRORS, errors.RevisionNotFound, Forbidden]),
)
def delete_tag(address: AddressDep, ref: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Deletes a tag."""
    with services.database.write() as write:
        service.delete_ref(write, actor, address.kind, address.name, ref_kind="tag", ref_name=ref)


@router.get(f"{REPO}/card", responses=responses(_REV_ERRORS))
def get_card(address: AddressDep, actor: OptionalActor, services: ServicesDep, rev: Revision = MAIN) -> CardOut:
    """The README.md of a revision: its metadata, and its text as sanitised HTML."""
    with services.database.read() as read:
        repo, revision = service.resolve(read, actor, address.kind, address.name, rev)
        card = service.card_of(read, services.blobs, revision.tree_id)
    files = f"/api/v1/{repo.kind.plural}/{repo.full_name}/files/{revision.commit_id}/"

    def file_address(path: str) -> str:
        return files + quote(path)

    return CardOut.of(revision.commit_id, card, render(card.body, link=file_address, image=file_address))


@router.get(f"{REPO}/licence", responses=responses(_REV_ERRORS))
def get_licence(
    address: AddressDep, actor: OptionalActor, read: Read, services: ServicesDep, rev: Revision = MAIN
) -> LicenceOut:
    """The licences of a revision, and whether they fit those of what it was made from."""
    return LicenceOut.of(licence_report(read, services.blobs, actor, address.kind, address.name, rev))


@router.get(f"{REPO}/measurements", responses=responses(_REV_ERRORS))
def list_measurements(
    address: AddressDep,
    actor: OptionalActor,
    read: Read,
    revision: Annotated[str | None, Query(max_length=300, description="Only of this revision.")] = None,
) -> MeasurementPage:
    """What was measured of a revision, or of all."""
    _, found = service.measurements(read, actor, address.kind, address.name, revision)
    return MeasurementPage(items=[MeasurementOut.of(seen) for seen in found])


@router.get("/lineage", responses=responses([*_REV_ERRORS, errors.InvalidSubject]))
def get_lineage(
    actor: OptionalActor,
    read: Read,
    of: Annotated[str, Query(max_length=600, examples=["model:ada/penguins@main"])],
    depth: Annotated[int, Query(ge=1, le=20, description="Jobs to follow in each direction.")] = 5,
) -> LineageOut:
    """What a revision was made from, and what was made from it."""
    return LineageOut.of(service.lineage(read, actor, service.subject(read, actor, of), depth))
