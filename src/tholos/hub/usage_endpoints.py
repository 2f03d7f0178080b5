"""HTTP of storage: how much a repo, an account and the whole server hold, and what an account may hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tholos.accounts.dependencies import CurrentActor, OptionalActor, Read
from tholos.accounts.errors import AccountNotFound, InvalidName
from tholos.hub import errors, quotas, usage
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.names import RepoKind
from tholos.hub.quotas import Quota
from tholos.kit.errors import Forbidden, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["hub"])


class UsageOut(BaseModel):
    """Bytes: `logical_bytes` counts every content once per repo, `stored_bytes` what they take when shared pieces are
    kept once and compressed.
    """

    logical_bytes: int
    stored_bytes: int


class RepoUsageOut(UsageOut):
    """What one repo holds, in all its revisions."""

    kind: RepoKind
    name: str

    @classmethod
    def of(cls, found: usage.RepoUsage) -> RepoUsageOut:
        return cls(
            kind=found.repo.kind,
            name=found.repo.full_name,
            logical_bytes=found.usage.logical_bytes,
            stored_bytes=found.usage.stored_bytes,
        )


class AccountUsageOut(UsageOut):
    """What an account holds and may hold; a quota of 0 is without limit."""

    account: str
    repos: int
    max_bytes: int
    max_repos: int
    largest: list[RepoUsageOut] = Field(description="The 100 largest repos, largest first.")

    @classmethod
    def of(cls, found: usage.AccountUsage) -> AccountUsageOut:
        return cls(
            account=found.account.name,
            logical_bytes=found.usage.logical_bytes,
            stored_bytes=found.usage.stored_bytes,
            repos=found.repos,
            max_bytes=found.quota.max_bytes,
            max_repos=found.quota.max_repos,
            largest=[RepoUsageOut.of(each) for each in found.largest],
        )


class SetQuota(BaseModel, extra="forbid"):
    """What an account may hold: null as the settings say, 0 without limit."""

    max_bytes: Annotated[int, Field(ge=0, lt=1 << 60)] | None = None
    max_repos: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None


@router.get(f"{REPO}/usage", responses=responses([InvalidName, errors.RepoNotFound, errors.GatedRepo]))
def show_repo_usage(address: AddressDep, actor: OptionalActor, read: Read) -> RepoUsageOut:
    """How much a repo holds, in all its revisions."""
    return RepoUsageOut.of(usage.of_repo(read, actor, address.kind, address.name))


@router.get("/users/{name}/usage", responses=responses([AccountNotFound, Forbidden]))
def show_account_usage(name: str, actor: CurrentActor, read: Read, services: ServicesDep) -> AccountUsageOut:
    """How much an account holds and may hold; for itself and administrators."""
    return AccountUsageOut.of(usage.of_account(read, actor, name, Quota.default(services.settings)))


@router.put("/users/{name}/quota", responses=responses([AccountNotFound, Forbidden]))
def set_quota(name: str, body: SetQuota, actor: CurrentActor, services: ServicesDep) -> AccountUsageOut:
    """Sets what an account may hold. Administrators only."""
    with services.database.write() as write:
        quotas.set_quota(write, actor, name, max_bytes=body.max_bytes, max_repos=body.max_repos)
    with services.database.read() as read:
        return AccountUsageOut.of(usage.of_account(read, actor, name, Quota.default(services.settings)))


@router.get("/usage", responses=responses([Forbidden]))
def show_total_usage(actor: CurrentActor, read: Read) -> UsageOut:
    """How much all repos hold together. Administrators only."""
    found = usage.total(read, actor)
    return UsageOut(logical_bytes=found.logical_bytes, stored_bytes=found.stored_bytes)
