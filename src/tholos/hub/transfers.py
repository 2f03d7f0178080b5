"""HTTP of content: uploads, commits, downloads. Bodies stream past FastAPI, which would read them into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tholos.accounts.authorization import Action, Actor
from tholos.accounts.dependencies import CurrentActor, OptionalActor, Read
from tholos.accounts.errors import InvalidName
from tholos.hub import errors, service
from tholos.hub.addresses import REPO, Address, AddressDep, FileAddressDep
from tholos.hub.downloads import file_response
from tholos.hub.mirror.following import answering
from tholos.hub.operations import CommitLimits
from tholos.hub.schemas import BlobOut, CommitIn, RevisionOut
from tholos.kit.blobs import BlobMismatch, DiskFull
from tholos.kit.errors import Forbidden, PayloadTooLarge, TholosError, responses
from tholos.kit.http import ServicesDep, body_schema
from tholos.kit.services import Services

router = APIRouter(prefix="/api/v1", tags=["hub"])

_REPO_ERRORS: list[type[TholosError]] = [InvalidName, errors.RepoNotFound, Forbidden]

PullRequest = Annotated[bool, Query(description="It is for a pull request, which takes no right to write the repo.")]


class CommitTooLarge(PayloadTooLarge):
    """The commit's body is larger than the server takes."""

    code = "commit_too_large"


@router.put(
    f"{REPO}/blobs/{{sha256}}",
    status_code=201,
    response_model=BlobOut,
    responses={
        200: {"description": "The repo has this content already.", "model": BlobOut},
        **responses(
            [
                *_REPO_ERRORS,
                BlobMismatch,
                errors.UploadIncomplete,
                errors.BlobTooLarge,
                errors.DiskLow,
                errors.QuotaExceeded,
                DiskFull,
            ]
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_blob(
    address: AddressDep,
    sha256: str,
    request: Request,
    actor: CurrentActor,
    services: ServicesDep,
    pull_request: PullRequest = False,
) -> Response:
    """Uploads content by its SHA-256, so that commits in this repo may name it."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdigit() else None
    upload = await run_in_threadpool(
        service.begin_upload,
        services,
        actor,
        address.kind,
        address.name,
        sha256=sha256,
        size=size,
        proposes=pull_request,
    )
    blob = await service.receive(services, upload, _body(request))
    return JSONResponse(BlobOut.of(blob).model_dump(), 200 if upload.known else 201)


@router.head(f"{REPO}/blobs/{{sha256}}", responses=responses(_REPO_ERRORS))
def has_blob(
    address: AddressDep,
    sha256: str,
    actor: CurrentActor,
    read: Read,
    services: ServicesDep,
    pull_request: PullRequest = False,
) -> Response:
    """Whether the repo has this content already (200) or it is still to be uploaded (404)."""
    if pull_request:
        repo = service.get_proposable(read, actor, address.kind, address.name)
    else:
        repo = service.get_repo(read, actor, address.kind, address.name, Action.WRITE)
    return Response(status_code=200 if service.possessed_sizes(services, read, repo, [sha256]) else 404)


@router.post(
    f"{REPO}/commits",
    status_code=201,
    response_model=RevisionOut,
    responses=responses(
        [
            *_REPO_ERRORS,
            errors.RevisionNotFound,
            errors.InvalidCommit,
            errors.InvalidPath,
            errors.PathConflict,
            errors.EntryNotFound,
            errors.InvalidAttributes,
            errors.BlobNotUploaded,
            errors.PointerToNothing,
            errors.TooManyOperations,
            errors.CommitRace,
            CommitTooLarge,
            errors.QuotaExceeded,
            DiskFull,
        ]
    ),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": body_schema(CommitIn)}}}
    },
)
async def create_commit(
    address: AddressDep, request: Request, actor: CurrentActor, services: ServicesDep
) -> RevisionOut:
    """Adds and deletes files in one commit that names its parent: all of it lands, or none."""
    body = await _bounded_body(request, services.settings.max_commit_bytes)
    return await run_in_threadpool(_commit, services, actor, address, body)


@router.head(f"{REPO}/files/{{rev}}/{{path:path}}", include_in_schema=False)
@router.get(
    f"{REPO}/files/{{rev}}/{{path:path}}",
    response_class=Response,
    responses={
        206: {"description": "The range that was asked for."},
        304: {"description": "Unchanged."},
        **responses(
            [
                InvalidName,
                errors.GatedRepo,
                errors.RepoNotFound,
                errors.RevisionNotFound,
                errors.AmbiguousRevision,
                errors.EntryNotFound,
                errors.ContentDeleted,
                errors.InvalidPath,
                errors.UnsatisfiableRange,
            ]
        ),
    },
    openapi_extra={
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in ("rev", "path")
        ]
    },
)
def get_file(
    *,
    address: AddressDep,
    target: FileAddressDep,
    request: Request,
    actor: OptionalActor,
    services: ServicesDep,
    download: Annotated[bool, Query(description="Always as an attachment.")] = False,
) -> Response:
    """A file of a revision, whole or one range of it. A slash inside the revision is written %2F."""
    with services.database.read() as read:
        repo, revision = service.resolve(read, actor, address.kind, address.name, target.rev)
        service.require_content(read, actor, repo)
        entry = service.file(read, repo, revision.commit_id, target.path)
        service.require_kept(read, repo, entry)
        followed = answering(services, read, repo, entry)
    assert entry.sha256 is not None  # it is a file
    headers: dict[str, Any] = dict(request.headers)
    service.note_download(
        services.downloads,
        actor,
        repo,
        entry.path,
        headers,
        address=request.client.host if request.client else "",
        is_head=request.method == "HEAD",
    )
    return file_response(
        services.blobs,
        entry,
        headers,
        rev=target.rev,
        commit_id=revision.commit_id,
        attachment=download,
        answering=followed,
    )


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect:  # nobody reads the answer; it is for the log
        raise errors.UploadIncomplete(
            "The client left before all of its body had arrived; nothing was kept.", next="Repeat the request."
        ) from None


async def _bounded_body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in _body(request):
        size += len(part)
        if size > limit:
            raise CommitTooLarge(
                f"The commit's body is over {limit:,} bytes.",
                next="Upload large files as blobs first, and name them by their SHA-256.",
                max_bytes=limit,
            )
        parts.append(part)
    return b"".join(parts)


def _commit(services: Services, actor: Actor, address: Address, body: bytes) -> RevisionOut:
    try:
        wanted = CommitIn.model_validate_json(body)
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors(include_input=False)]
        raise RequestValidationError(problems) from error
    settings = services.settings
    with services.database.read() as read:
        repo = service.get_repo(read, actor, address.kind, address.name, Action.WRITE)
    revision = service.commit(
        services.database,
        services.blobs,
        actor,
        repo,
        [operation.operation() for operation in wanted.operations],
        wanted.message,
        branch=wanted.branch,
        parent=wanted.parent,
        limits=CommitLimits.of(settings),
    )
    return RevisionOut.of(repo, revision)
