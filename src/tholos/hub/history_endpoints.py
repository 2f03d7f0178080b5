"""HTTP of large files as such, and of histories made anew."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, Read
from tholos.accounts.errors import InvalidName
from tholos.hub import errors, lfsfiles, rewriting
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.repos import get_repo
from tholos.hub.schemas import RevisionOut, Sha256
from tholos.kit.clock import isoformat
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["hub"])

_ERRORS: list[type[TholosError]] = [InvalidName, errors.RepoNotFound, Forbidden]
_Sha256s = Annotated[list[Sha256], Field(min_length=1, max_length=lfsfiles.MAX_AT_ONCE)]


class LfsFileOut(BaseModel):
    """A large file of some revision; `ref` is a branch or tag whose head has it."""

    sha256: str
    size: int
    path: str
    ref: str | None
    pushed_at: str

    @classmethod
    def of(cls, found: lfsfiles.LfsFile) -> LfsFileOut:
        return cls(
            sha256=found.sha256,
            size=found.size,
            path=found.path,
            ref=found.ref,
            pushed_at=isoformat(found.pushed_at),
        )


class LfsFilePage(BaseModel):
    items: list[LfsFileOut]
    next_cursor: str | None


class DeleteLfsFiles(BaseModel, extra="forbid"):
    """Large files to delete for good; `rewrite` also leads branches and tags to revisions without them."""

    sha256: _Sha256s
    rewrite: bool = True


class Deleted(BaseModel):
    """How many files the repo had of those named."""

    deleted: int


class CopyLfsFiles(BaseModel, extra="forbid"):
    """Large files that another repo is to have too; commits there may then name them."""

    kind: RepoKind
    name: Annotated[str, Field(max_length=200)]
    sha256: _Sha256s


class Copied(BaseModel):
    """Those that the repo does not have."""

    missing: list[str]


class Squash(BaseModel, extra="forbid"):
    """A branch whose head is to be its only revision."""

    branch: Annotated[str, Field(max_length=255)] = MAIN
    message: Annotated[str, Field(max_length=10_000)] = "Squash the history"


@router.get(f"{REPO}/lfs-files", responses=responses(_ERRORS))
def list_lfs_files(
    address: AddressDep, actor: CurrentActor, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> LfsFilePage:
    """The large files of all revisions, by SHA-256; for who may write to the repo."""
    found = lfsfiles.list_lfs_files(read, actor, address.kind, address.name, cursor=cursor, limit=limit)
    return LfsFilePage(items=[LfsFileOut.of(item) for item in found.items], next_cursor=found.next_cursor)


@router.post(f"{REPO}/lfs-files/delete", responses=responses([*_ERRORS, errors.CommitRace]))
def delete_lfs_files(address: AddressDep, body: DeleteLfsFiles, actor: CurrentActor, services: ServicesDep) -> Deleted:
    """Deletes large files for good, from every revision. The owner only; this cannot be undone."""
    count = lfsfiles.delete_lfs_files(services, actor, address.kind, address.name, body.sha256, rewrite=body.rewrite)
    return Deleted(deleted=count)


@router.post(f"{REPO}/lfs-files/copy", responses=responses([*_ERRORS, errors.GatedRepo, errors.QuotaExceeded]))
def copy_lfs_files(address: AddressDep, body: CopyLfsFiles, actor: CurrentActor, services: ServicesDep) -> Copied:
    """Lets another repo have large files of this one, without their bytes being sent."""
    missing = lfsfiles.duplicate_lfs_files(
        services, actor, (address.kind, address.name), (body.kind, body.name), body.sha256
    )
    return Copied(missing=missing)


@router.post(
    f"{REPO}/squash",
    responses=responses([*_ERRORS, errors.RevisionNotFound, errors.InvalidCommit]),
)
def squash(address: AddressDep, body: Squash, actor: CurrentActor, services: ServicesDep) -> RevisionOut:
    """Makes the head of a branch its only revision; the others stay, addressed by their ids alone."""
    made = rewriting.squash_branch(services, actor, address.kind, address.name, body.branch, body.message)
    with services.database.read() as read:
        return RevisionOut.of(get_repo(read, actor, address.kind, address.name), made)
