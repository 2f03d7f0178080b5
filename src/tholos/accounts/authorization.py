"""The one function that decides who may do what.

A room makes its rows Resources and asks ``authorize`` before it does anything; what one may not see answers exactly as
what does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeVar

from tholos.accounts.errors import MissingScope, TokenLimited
from tholos.accounts.limits import Limits, Reach, reach
from tholos.kit.errors import Forbidden, NotAuthenticated, NotFound

Visibility = Literal["private", "public"]


class Scope(StrEnum):
    """What an API key was made for. Each stands alone; ``admin`` adds an administrator's powers to an administrator."""

    READ = "read"
    WRITE = "write"
    PREDICT = "predict"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


class Action(StrEnum):
    """What one may do to a resource."""

    READ = "read"
    WRITE = "write"
    PREDICT = "predict"
    CREATE = "create"
    """Make repos in a namespace; the other actions on a namespace are about all that lies in it."""
    ADMIN = "admin"
    """Change who may do what, or delete."""


class Role(StrEnum):
    """What a grant gives to an account that is not the owner: a collaborator's role in one repo."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


class OrganizationRole(StrEnum):
    """What a member may do with everything that belongs to an organization."""

    READ = "read"
    CONTRIBUTOR = "contributor"
    """Reads everything, and makes repos, which they may write to."""
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: an account, and what its key or session allows."""

    account_id: str
    name: str
    is_admin: bool = False
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str | None = None
    memberships: Mapping[str, OrganizationRole] = field(default_factory=dict)
    """The account's role in each organization, by the organization's id."""
    limits: Limits | None = None
    """What the key is limited to; None: to nothing less than its account."""

    @property
    def is_anonymous(self) -> bool:
        return not self.account_id

    @property
    def has_admin_power(self) -> bool:
        return self.is_admin and Scope.ADMIN in self.scopes and self.limits is None

    @property
    def owners(self) -> frozenset[str]:
        """Ids of the accounts whose private things the account sees: its own, and its organizations'."""
        return frozenset() if self.is_anonymous else frozenset({self.account_id, *self.memberships})

    @classmethod
    def system(cls, account_id: str, name: str, *, is_admin: bool = False) -> Actor:
        """The platform acting for an account: a job child acts as the owner of its job, with all that owner may do."""
        return cls(account_id, name, is_admin, ALL_SCOPES if is_admin else ALL_SCOPES - {Scope.ADMIN})


ANONYMOUS = Actor("", "anonymous", scopes=frozenset({Scope.READ}))


class Resource(Protocol):
    """Anything that has an owner and a visibility."""

    @property
    def owner_id(self) -> str:
        """Id of the account that owns it."""

    @property
    def visibility(self) -> Visibility:
        """``private`` (owner, grants, administrators) or ``public`` (everyone may read)."""

    @property
    def grants(self) -> Mapping[str, Role]:
        """Account id to role, for accounts other than the owner."""

    @property
    def label(self) -> str:
        """What to call it in a sentence: "model ada/penguins"."""

    @property
    def not_found(self) -> type[NotFound]:
        """The error raised where it does not exist, and equally where it may not be seen."""

    @property
    def covered_by(self) -> tuple[str, ...]:
        """The limits (`tholos.accounts.limits`) of a token that reach it: "ada/penguins" and "ada/*"."""


R = TypeVar("R", bound=Resource)

_GRANTED: dict[Role, frozenset[Action]] = {
    Role.READER: frozenset({Action.READ, Action.PREDICT}),
    Role.WRITER: frozenset({Action.READ, Action.PREDICT, Action.WRITE}),
    Role.ADMIN: frozenset({Action.READ, Action.PREDICT, Action.WRITE, Action.ADMIN}),
}
_MEMBERS: dict[OrganizationRole, frozenset[Action]] = {
    OrganizationRole.READ: frozenset({Action.READ, Action.PREDICT}),
    OrganizationRole.CONTRIBUTOR: frozenset({Action.READ, Action.PREDICT, Action.CREATE}),
    OrganizationRole.WRITE: frozenset({Action.READ, Action.PREDICT, Action.CREATE, Action.WRITE}),
    OrganizationRole.ADMIN: frozenset(Action),
}
# A limited token shares, moves and deletes nothing, whatever it reaches.
_REACHED: dict[Reach | None, frozenset[Action]] = {
    None: frozenset(),
    "read": frozenset({Action.READ, Action.PREDICT}),
    "write": frozenset({Action.READ, Action.PREDICT, Action.CREATE, Action.WRITE}),
}


# Owners delete and share what is theirs with any key that may write: the scope "admin" is about others' things.
_SCOPES = {
    Action.READ: Scope.READ,
    Action.WRITE: Scope.WRITE,
    Action.PREDICT: Scope.PREDICT,
    Action.CREATE: Scope.WRITE,
    Action.ADMIN: Scope.WRITE,
}

_VERBS = {Action.CREATE: "create in", Action.ADMIN: "administer"}


def may(actor: Actor, action: Action, resource: Resource) -> bool:
    """Whether ``authorize`` would let this pass."""
    return _SCOPES[action] in actor.scopes and action in _allowed(actor, resource)


def authorize(actor: Actor, action: Action, resource: Resource) -> None:
    """Lets the action pass or raises.

    Raises:
        NotFound: (the resource's own class) when the actor may not even know that it exists.
        NotAuthenticated: when nobody is signed in and signing in might help.
        MissingScope: when the account may but its key may not.
        Forbidden: when it may be seen but not that be done.
    """
    allowed = _allowed(actor, resource)
    if not allowed:
        raise hidden(resource.not_found, resource.label)
    if action in allowed:
        if (scope := _SCOPES[action]) not in actor.scopes:
            raise MissingScope(
                f"This token has no '{scope}' scope.",
                next=f"Use a token with the scope: `tholos keys create --scope {scope}`.",
                scope=scope.value,
            )
        return
    if actor.is_anonymous:
        raise NotAuthenticated(f"Sign in to {action} {resource.label}.", next="Send `Authorization: Bearer <token>`.")
    verb = _VERBS.get(action, action.value)
    if actor.limits is not None and action in _own(actor, resource):
        raise TokenLimited(
            f"This token may not {verb} {resource.label}.",
            next="Use a token that is not limited, or whose limits reach it: `tholos keys create --repo …`.",
        )
    raise Forbidden(
        f"You may not {verb} {resource.label}.", next="Ask its owner, or work on a copy in your own namespace."
    )


def entitled(actor: Actor, action: Action, resource: Resource) -> bool:
    """Whether it may be done by right of ownership, a grant or office, and not merely because everybody may."""
    return _SCOPES[action] in actor.scopes and action in _allowed(actor, resource, counting_public=False)


def permitted(actor: Actor, action: Action, found: R | None, missing: type[NotFound], asked: str) -> R:
    """What was found under the name that the caller used, if the action may be done to it; ``asked`` is that name.

    What is missing and what is hidden are both called ``asked``: a resource's own label, in its spelling and with its
    present name, is for those who may see it. Raises ``missing`` and otherwise as `authorize`.
    """
    if found is None or not _allowed(actor, found):
        raise hidden(missing, asked)
    authorize(actor, action, found)
    return found


def hidden(error: type[NotFound], label: str) -> NotFound:
    """The error for something that is not there, or not visible: the two must read alike."""
    steps = f"Check the name, and that you are signed in. {error.hint}".rstrip()
    return error(f"There is no {label}, or you may not see it.", next=steps)


def reaches(actor: Actor, resource: Resource) -> bool:
    """Whether what the account was given counts at all: where its limits do not reach, the token is nobody's."""
    return actor.limits is None or Action.READ in _REACHED[reach(actor.limits, resource.covered_by)]


def _allowed(actor: Actor, resource: Resource, *, counting_public: bool = True) -> frozenset[Action]:
    public = _public(resource) if counting_public else frozenset[Action]()
    if actor.is_anonymous:
        return public
    if actor.limits is not None:
        return (_own(actor, resource) & _REACHED[reach(actor.limits, resource.covered_by)]) | public
    return _own(actor, resource) | (public and public | {Action.PREDICT})


def _own(actor: Actor, resource: Resource) -> frozenset[Action]:
    """What the account itself was given: as owner, member, collaborator or administrator."""
    if actor.has_admin_power or actor.account_id == resource.owner_id:
        return frozenset(Action)
    granted = _GRANTED[role] if (role := resource.grants.get(actor.account_id)) else frozenset()
    member = _MEMBERS[place] if (place := actor.memberships.get(resource.owner_id)) else frozenset()
    return granted | member


def _public(resource: Resource) -> frozenset[Action]:
    return frozenset({Action.READ}) if resource.visibility == "public" else frozenset()
