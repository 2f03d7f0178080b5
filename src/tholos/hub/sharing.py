"""HTTP of what is shared: organizations with their members, and collaborators of a repo."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tholos.accounts import errors as accounts
from tholos.accounts import organizations
from tholos.accounts.authorization import Actor, OrganizationRole, Role
from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, OptionalActor, Read
from tholos.accounts.models import Account
from tholos.accounts.organizations import Member
from tholos.hub import collaborators as sharing
from tholos.hub import errors
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.collaborators import Collaborator
from tholos.hub.organizations import delete_organization
from tholos.kit.clock import isoformat
from tholos.kit.database import ReadSession
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep
from tholos.kit.paging import BadCursor

router = APIRouter(prefix="/api/v1", tags=["hub"])

_ORGANIZATION = "/organizations/{organization}"
_MEMBER = f"{_ORGANIZATION}/members/{{user}}"
_COLLABORATOR = f"{REPO}/collaborators/{{user}}"
_CHANGES: list[type[TholosError]] = [accounts.OrganizationNotFound, Forbidden]
_REPO_CHANGES: list[type[TholosError]] = [accounts.InvalidName, errors.RepoNotFound, Forbidden]


class OrganizationOut(BaseModel):
    """An organization; ``role`` is yours in it, ``members`` how many there are, for those who may know."""

    name: str
    full_name: str
    role: OrganizationRole | None
    members: int | None
    created_at: str

    @classmethod
    def of(cls, read: ReadSession, actor: Actor, account: Account) -> OrganizationOut:
        return cls.all_of(read, actor, [account])[0]

    @classmethod
    def all_of(cls, read: ReadSession, actor: Actor, found: list[Account]) -> list[OrganizationOut]:
        """The wire shapes of several, in one query."""
        counts = organizations.count_members(read, found)
        return [
            cls(
                name=account.name,
                full_name=account.full_name or account.name,
                role=actor.memberships.get(account.id),
                members=counts[account.id] if organizations.sees_members(actor, account) else None,
                created_at=isoformat(account.created_at),
            )
            for account in found
        ]


class OrganizationPage(BaseModel):
    items: list[OrganizationOut]
    next_cursor: str | None


class CreateOrganization(BaseModel, extra="forbid"):
    """A new organization."""

    name: str = Field(examples=["acme"])
    full_name: Annotated[str, Field(max_length=organizations.MAX_FULL_NAME)] = ""


class UpdateOrganization(BaseModel, extra="forbid"):
    """What an organization calls itself."""

    full_name: Annotated[str, Field(max_length=organizations.MAX_FULL_NAME)]


class MemberOut(BaseModel):
    """A member of an organization."""

    name: str
    role: OrganizationRole
    since: str

    @classmethod
    def of(cls, member: Member) -> MemberOut:
        return cls(name=member.account.name, role=member.role, since=isoformat(member.since))


class MemberList(BaseModel):
    items: list[MemberOut]


class SetMember(BaseModel, extra="forbid"):
    """A member's role."""

    role: OrganizationRole


class CollaboratorOut(BaseModel):
    """A collaborator of a repo."""

    name: str
    role: Role
    since: str

    @classmethod
    def of(cls, found: Collaborator) -> CollaboratorOut:
        return cls(name=found.account.name, role=found.role, since=isoformat(found.since))


class CollaboratorList(BaseModel):
    items: list[CollaboratorOut]


class SetCollaborator(BaseModel, extra="forbid"):
    """A collaborator's role."""

    role: Role


@router.get("/organizations", responses=responses([BadCursor]))
def list_organizations(
    actor: CurrentActor, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> OrganizationPage:
    """The organizations that you belong to; an administrator sees all."""
    page = organizations.page(read, actor, cursor, limit)
    items = OrganizationOut.all_of(read, actor, [account for account, _ in page.items])
    return OrganizationPage(items=items, next_cursor=page.next_cursor)


@router.post(
    "/organizations",
    status_code=201,
    responses=responses(
        [
            accounts.InvalidName,
            accounts.NameReserved,
            accounts.NameTaken,
            accounts.TooManyMemberships,
            accounts.TokenLimited,
            accounts.MissingScope,
        ]
    ),
)
def create_organization(body: CreateOrganization, actor: CurrentActor, services: ServicesDep) -> OrganizationOut:
    """Makes an organization; you are its first admin."""
    with services.database.write() as write:
        made = organizations.create(
            write, actor, body.name, body.full_name, max_memberships=services.settings.max_memberships
        )
        role = OrganizationRole.ADMIN
    return OrganizationOut(
        name=made.name,
        full_name=made.full_name or made.name,
        role=role,
        members=1,
        created_at=isoformat(made.created_at),
    )


@router.get(_ORGANIZATION, responses=responses([accounts.OrganizationNotFound]))
def show_organization(organization: str, actor: OptionalActor, read: Read) -> OrganizationOut:
    """An organization."""
    return OrganizationOut.of(read, actor, organizations.get(read, organization))


@router.patch(_ORGANIZATION, responses=responses(_CHANGES))
def update_organization(
    organization: str, body: UpdateOrganization, actor: CurrentActor, services: ServicesDep
) -> OrganizationOut:
    """Changes what an organization calls itself. Its admins only."""
    with services.database.write() as write:
        changed = organizations.update(write, actor, organization, full_name=body.full_name)
        return OrganizationOut.of(write, actor, changed)


@router.delete(_ORGANIZATION, status_code=204, responses=responses([*_CHANGES, accounts.OrganizationNotEmpty]))
def remove_organization(organization: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Deletes an organization that owns nothing. Its admins only."""
    with services.database.write() as write:
        delete_organization(write, actor, organization)


@router.get(f"{_ORGANIZATION}/members", responses=responses(_CHANGES))
def list_members(organization: str, actor: CurrentActor, read: Read) -> MemberList:
    """Who belongs to an organization. Its members only."""
    return MemberList(items=[MemberOut.of(each) for each in organizations.members(read, actor, organization)])


@router.put(
    _MEMBER,
    responses=responses(
        [
            *_CHANGES,
            accounts.AccountNotFound,
            accounts.LastOrganizationAdmin,
            accounts.TooManyMembers,
            accounts.TooManyMemberships,
        ]
    ),
)
def set_member(organization: str, user: str, body: SetMember, actor: CurrentActor, services: ServicesDep) -> MemberOut:
    """Adds a member, or gives one another role. The organization's admins only."""
    settings = services.settings
    with services.database.write() as write:
        return MemberOut.of(
            organizations.set_member(
                write,
                actor,
                organization,
                user,
                body.role,
                max_members=settings.max_members,
                max_memberships=settings.max_memberships,
            )
        )


@router.delete(
    _MEMBER, status_code=204, responses=responses([*_CHANGES, accounts.MemberNotFound, accounts.LastOrganizationAdmin])
)
def remove_member(organization: str, user: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Takes a member out of an organization: its admins anyone, everyone themselves."""
    with services.database.write() as write:
        sharing.remove_member(write, actor, organization, user)


@router.get(f"{REPO}/collaborators", responses=responses(_REPO_CHANGES))
def list_collaborators(address: AddressDep, actor: CurrentActor, read: Read) -> CollaboratorList:
    """Who works on a repo besides its owner. For those who administer it."""
    found = sharing.collaborators(read, actor, address.kind, address.name)
    return CollaboratorList(items=[CollaboratorOut.of(each) for each in found])


@router.put(
    _COLLABORATOR,
    responses=responses(
        [*_REPO_CHANGES, accounts.AccountNotFound, errors.OwnerIsNoCollaborator, errors.TooManyCollaborators]
    ),
)
def set_collaborator(
    address: AddressDep, user: str, body: SetCollaborator, actor: CurrentActor, services: ServicesDep
) -> CollaboratorOut:
    """Gives a user a role in a repo. For those who administer it."""
    with services.database.write() as write:
        found = sharing.set_collaborator(
            write, actor, address.kind, address.name, user, body.role, most=services.settings.max_collaborators
        )
        return CollaboratorOut.of(found)


@router.delete(
    _COLLABORATOR,
    status_code=204,
    responses=responses([*_REPO_CHANGES, accounts.MissingScope, accounts.AccountNotFound, errors.CollaboratorNotFound]),
)
def remove_collaborator(address: AddressDep, user: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Takes a user's role in a repo back: those who administer it anyone's, everyone their own."""
    with services.database.write() as write:
        sharing.remove_collaborator(write, actor, address.kind, address.name, user)
