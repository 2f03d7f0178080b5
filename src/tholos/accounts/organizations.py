"""Organizations: accounts that belong to their members, who act for them by role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from tholos.accounts import repository
from tholos.accounts.authorization import Action, Actor, OrganizationRole, Scope, authorize, hidden
from tholos.accounts.errors import (
    LastOrganizationAdmin,
    MemberNotFound,
    MissingScope,
    NameTaken,
    OrganizationNotFound,
    TooManyMembers,
    TooManyMemberships,
)
from tholos.accounts.limits import reach
from tholos.accounts.models import Account, Membership
from tholos.accounts.names import check_namespace
from tholos.accounts.service import get_user, record_audit, require_whole
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, storable
from tholos.kit.errors import Forbidden, InvalidInput, NotAuthenticated
from tholos.kit.ids import new_id
from tholos.kit.paging import Page, decode_cursor, encode_cursor

MAX_FULL_NAME = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A user in an organization."""

    account: Account
    role: OrganizationRole
    since: datetime


def create(write: WriteSession, actor: Actor, name: str, full_name: str = "", *, max_memberships: int) -> Account:
    """Makes an organization whose first admin is the actor.

    Raises InvalidName, NameReserved, NameTaken (names are unique over users and organizations, whatever their case),
    InvalidInput, TooManyMemberships, MissingScope, TokenLimited.
    """
    _require_person(actor)
    check_namespace(name)
    _check_full_name(full_name)
    taken = NameTaken(f"The name {name!r} is taken.", next="Choose another name.", name=name)
    if repository.account_by_name(write, name) or repository.is_reserved(write, name):
        raise taken
    now = utcnow()
    organization = Account(
        id=new_id("acc"),
        name=name,
        name_key=name.lower(),
        kind="organization",
        full_name=full_name.strip(),
        is_admin=False,
        disabled_at=None,
        created_at=now,
    )
    write.add(organization)
    try:
        write.flush()
    except IntegrityError as error:  # two at once: the unique index decides
        raise taken from error
    _check_memberships(write, actor.account_id, actor.name, max_memberships)
    write.add(
        Membership(
            organization_id=organization.id, account_id=actor.account_id, role=OrganizationRole.ADMIN, created_at=now
        )
    )
    record_audit(write, actor, "organization.create", organization.name)
    write.flush()
    return organization


def get(read: ReadSession, name: str) -> Account:
    """The organization of that name, whatever its case; that there is one is no secret. Raises OrganizationNotFound."""
    account = repository.account_by_name(read, name)
    if account is None or account.kind != "organization":
        raise hidden(OrganizationNotFound, f"organization {name[:100]}")
    return account


def page(
    read: ReadSession, actor: Actor, cursor: str | None, limit: int
) -> Page[tuple[Account, OrganizationRole | None]]:
    """The actor's organizations by name, each with the actor's role; for an administrator all. Raises BadCursor."""
    query = select(Account).where(Account.kind == "organization").order_by(Account.name_key).limit(limit + 1)
    if not actor.has_admin_power:
        query = query.where(Account.id.in_(sorted(actor.memberships)))
    if cursor:
        query = query.where(Account.name_key > decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query))
    found = [(account, actor.memberships.get(account.id)) for account in rows[:limit]]
    return Page(found, encode_cursor(rows[limit - 1].name_key) if len(rows) > limit else None)


def of_user(read: ReadSession, actor: Actor, user_id: str) -> list[tuple[Account, OrganizationRole]]:
    """The organizations of a user by name, as far as the actor belongs to them too (an administrator sees all)."""
    query = select(Account, Membership.role).join(Membership, Membership.organization_id == Account.id)
    query = query.where(Membership.account_id == user_id).order_by(Account.name_key)
    if not actor.has_admin_power:
        query = query.where(Account.id.in_(sorted(actor.memberships)))
    return [(account, role) for account, role in read.execute(query)]


def update(write: WriteSession, actor: Actor, name: str, *, full_name: str) -> Account:
    """Changes what an organization calls itself. Its admins only. Raises OrganizationNotFound, Forbidden."""
    organization = _administered(write, actor, name)
    _check_full_name(full_name)
    organization.full_name = full_name.strip()
    record_audit(write, actor, "organization.update", organization.name)
    write.flush()
    return organization


# -- members


def members(read: ReadSession, actor: Actor, name: str) -> list[Member]:
    """Who belongs to an organization, by name. Members only. Raises OrganizationNotFound, Forbidden."""
    organization = get(read, name)
    if not sees_members(actor, organization):
        if actor.is_anonymous:
            raise NotAuthenticated("Sign in to see an organization's members.", next="Send a token of a member's.")
        raise Forbidden(
            f"Only members of {organization.name} see who belongs to it.", next="Ask one of its admins to add you."
        )
    query = select(Account, Membership).join(Membership, Membership.account_id == Account.id)
    rows = read.execute(query.where(Membership.organization_id == organization.id).order_by(Account.name_key))
    return [Member(account, membership.role, membership.created_at) for account, membership in rows]


def sees_members(actor: Actor, organization: Account) -> bool:
    """Whether the actor may know who belongs to the organization."""
    if actor.has_admin_power:
        return True
    reached = actor.limits is None or reach(actor.limits, organization.covered_by) is not None
    return organization.id in actor.memberships and reached and Scope.READ in actor.scopes


def count_members(read: ReadSession, organizations: Sequence[Account]) -> dict[str, int]:
    """How many belong to each organization, by its id."""
    query = select(Membership.organization_id, func.count()).group_by(Membership.organization_id)
    counts = dict(read.execute(query.where(Membership.organization_id.in_([each.id for each in organizations]))).all())
    return {each.id: counts.get(each.id, 0) for each in organizations}


def set_member(
    write: WriteSession,
    actor: Actor,
    name: str,
    user: str,
    role: OrganizationRole,
    *,
    max_members: int,
    max_memberships: int,
) -> Member:
    """Adds a user to an organization, or gives a member another role. Its admins only.

    Raises OrganizationNotFound, AccountNotFound, Forbidden, LastOrganizationAdmin, TooManyMembers, TooManyMemberships.
    """
    organization = _administered(write, actor, name)
    account = get_user(write, user)
    membership = write.get(Membership, (organization.id, account.id), populate_existing=True)
    if membership is None:
        if count_members(write, [organization])[organization.id] >= max_members:
            raise TooManyMembers(
                f"{organization.name} has {max_members} members already.",
                next="Remove one, or raise THOLOS_MAX_MEMBERS.",
            )
        _check_memberships(write, account.id, account.name, max_memberships)
        membership = Membership(organization_id=organization.id, account_id=account.id, role=role, created_at=utcnow())
        write.add(membership)
    else:
        if role is not OrganizationRole.ADMIN:
            _keep_an_admin(write, organization, membership)
        membership.role = role
    record_audit(write, actor, "member.set", organization.name, {"user": account.name, "role": role.value})
    write.flush()
    return Member(account, role, membership.created_at)


def remove_member(write: WriteSession, actor: Actor, name: str, user: str) -> tuple[Account, Account]:
    """Takes a user out of an organization: its admins anyone, everyone themselves.

    What the user holds in single repos of the organization is `hub.organizations.remove_member`'s to take back.
    Returns the organization and the user. Raises OrganizationNotFound, MemberNotFound, Forbidden,
    LastOrganizationAdmin, MissingScope, TokenLimited.
    """
    if user.lower() == actor.name.lower() and not actor.is_anonymous:
        _require_person(actor)
        organization = _locked(write, get(write, name))
    else:
        organization = _administered(write, actor, name)
    account = repository.account_by_name(write, user)
    membership = write.get(Membership, (organization.id, account.id), populate_existing=True) if account else None
    if account is None or membership is None:
        raise hidden(MemberNotFound, f"member {user[:100]} of {organization.name}")
    _keep_an_admin(write, organization, membership)
    write.delete(membership)
    record_audit(write, actor, "member.remove", organization.name, {"user": account.name})
    write.flush()
    return organization, account


def _administered(write: WriteSession, actor: Actor, name: str) -> Account:
    organization = get(write, name)
    authorize(actor, Action.ADMIN, organization)
    return _locked(write, organization)


def _locked(write: WriteSession, organization: Account) -> Account:
    """Makes other changes to its members wait: two admins who leave at once must not both be the last but one."""
    write.execute(select(Account.id).where(Account.id == organization.id).with_for_update())
    return organization


def _keep_an_admin(write: WriteSession, organization: Account, leaving: Membership) -> None:
    if leaving.role is not OrganizationRole.ADMIN:
        return
    others = (
        select(func.count())
        .select_from(Membership)
        .join(Account, Account.id == Membership.account_id)
        .where(
            Membership.organization_id == organization.id,
            Membership.role == OrganizationRole.ADMIN,
            Membership.account_id != leaving.account_id,
            Account.disabled_at.is_(None),
        )
    )
    if not write.scalar(others):
        raise LastOrganizationAdmin(
            f"{organization.name} would be left without an admin.", next="Make another member an admin first."
        )


def _check_memberships(write: WriteSession, account_id: str, name: str, most: int) -> None:
    count = write.scalar(select(func.count()).select_from(Membership).where(Membership.account_id == account_id)) or 0
    if count >= most:
        raise TooManyMemberships(
            f"{name} belongs to {most} organizations already.", next="Leave one, or raise THOLOS_MAX_MEMBERSHIPS."
        )


def _require_person(actor: Actor) -> None:
    if actor.is_anonymous:
        raise NotAuthenticated("Sign in to do this.", next="Send `Authorization: Bearer <token>`.")
    require_whole(actor)
    if Scope.WRITE not in actor.scopes:
        raise MissingScope("This needs a token of scope 'write'.", next="Use such a token.", scope="write")


def _check_full_name(text: str) -> None:
    if len(text) > MAX_FULL_NAME or not storable(text) or not (text.isprintable() or not text):
        raise InvalidInput(
            f"A full name is one line of up to {MAX_FULL_NAME} characters.", next="Shorten or correct it."
        )
