"""The one function that decides who may do what.

A room makes its rows Resources and asks ``authorize`` before it does anything; what one may not see answers exactly as
what does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeVar

from tholos.accounts.errors import MissingScope
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
    ADMIN = "admin"
    """Change who may do what, or delete."""


class Role(StrEnum):
    """What a grant gives to an account that is not the owner."""

    READER = "reader"
    WRITER = "writer"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: an account, and what its key or session allows."""

    account_id: str
    name: str
    is_admin: bool = False
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str | None = None

    @property
    def is_anonymous(self) -> bool:
        return not self.account_id

    @property
    def has_admin_power(self) -> bool:
        return self.is_admin and Scope.ADMIN in self.scopes

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


R = TypeVar("R", bound=Resource)

_GRANTED: dict[Role, frozenset[Action]] = {
    Role.READER: frozenset({Action.READ, Action.PREDICT}),
    Role.WRITER: frozenset({Action.READ, Action.PREDICT, Action.WRITE}),
}


# Owners delete and share what is theirs with any key that may write: the scope "admin" is about others' things.
_SCOPES = {
    Action.READ: Scope.READ,
    Action.WRITE: Scope.WRITE,
    Action.PREDICT: Scope.PREDICT,
    Action.ADMIN: Scope.WRITE,
}


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
    raise Forbidden(
        f"You may not {action} {resource.label}.", next="Ask its owner, or work on a copy in your own namespace."
    )


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


def _allowed(actor: Actor, resource: Resource) -> frozenset[Action]:
    if not actor.is_anonymous and (actor.has_admin_power or actor.account_id == resource.owner_id):
        return frozenset(Action)
    granted = _GRANTED[role] if (role := resource.grants.get(actor.account_id)) else frozenset()
    if resource.visibility == "public":
        granted |= {Action.READ} if actor.is_anonymous else {Action.READ, Action.PREDICT}
    return granted
