"""Grants: what a Xet client's short-lived token stands for. The rights themselves are looked up at each use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from tholos.accounts.authorization import ANONYMOUS, Action, Actor
from tholos.accounts.service import actor_of_key
from tholos.hub.access import require_content
from tholos.hub.models import Repo
from tholos.hub.proposals import require_word
from tholos.hub.repos import get_repo_by_id
from tholos.kit.database import ReadSession
from tholos.kit.errors import Forbidden
from tholos.kit.signing import Signer

LIFETIME_S: Final = 3600.0
_BEARER: Final = "xet-bearer"
_LINK: Final = "xet-link"


@dataclass(frozen=True, slots=True)
class Grant:
    """One account's access to one repo: ``key_id`` None is nobody in particular, reading a public repo.

    ``proposes``: it writes for pull requests only, and the right to read the repo is enough. What it sends becomes the
    repo's, but no ref moves by it.
    """

    repo_id: str
    rev: str
    may_write: bool
    key_id: str | None
    proposes: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Bytes ``start`` to ``end`` (not included) of a serialized xorb, on the strength of a grant."""

    grant: Grant
    xorb: str
    start: int
    end: int


def token(signer: Signer, grant: Grant) -> str:
    """The grant as a bearer token for an hour."""
    return signer.sign(_BEARER, _claims(grant), LIFETIME_S)


def expiration() -> int:
    """When a token made now expires, in Unix seconds."""
    return int(time.time() + LIFETIME_S)


def read_token(signer: Signer, text: str) -> Grant:
    """The grant of a token. Raises InvalidSignature."""
    return _grant(signer.verify(_BEARER, text))


def link(signer: Signer, wanted: Link) -> str:
    """The signature of a link, for an hour."""
    claims = _claims(wanted.grant) | {"x": wanted.xorb, "s": wanted.start, "e": wanted.end}
    return signer.sign(_LINK, claims, LIFETIME_S)


def read_link(signer: Signer, text: str) -> Link:
    """What a link's signature allows. Raises InvalidSignature."""
    claims = signer.verify(_LINK, text)
    return Link(_grant(claims), str(claims["x"]), int(claims["s"]), int(claims["e"]))


def authorized(read: ReadSession, grant: Grant, action: Action) -> tuple[Actor, Repo]:
    """Who holds the grant and which repo it is for, if the action is still allowed.

    Raises InvalidToken, TokenExpired, AccountDisabled, RepoNotFound, GatedRepo, Forbidden,
    MissingScope.
    """
    if action is Action.WRITE and not grant.may_write:
        raise Forbidden(
            "This Xet token was given for reading.", next="Ask for a token at …/xet-write-token/<revision>."
        )
    actor = ANONYMOUS if grant.key_id is None else actor_of_key(read, grant.key_id)
    if action is Action.WRITE and grant.proposes:
        repo = get_repo_by_id(read, actor, grant.repo_id)
        require_word(actor, repo)
        return actor, repo
    repo = get_repo_by_id(read, actor, grant.repo_id, action)
    if action is Action.READ:
        require_content(read, actor, repo)
    return actor, repo


def _claims(grant: Grant) -> dict[str, Any]:
    return {"r": grant.repo_id, "v": grant.rev, "w": grant.may_write, "k": grant.key_id, "p": grant.proposes}


def _grant(claims: dict[str, Any]) -> Grant:
    return Grant(str(claims["r"]), str(claims["v"]), bool(claims["w"]), claims["k"], bool(claims.get("p")))
