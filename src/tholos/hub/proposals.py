"""Proposals: what a pull request is to the hub, a ref `refs/pr/N` that takes no right to write the repo.

Whoever is signed in and may read a repo may propose a change to it. What is sent for that becomes the repo's content,
as any upload does; which proposal is whose is for the room to say that keeps the pull requests.
"""

from __future__ import annotations

from typing import Protocol

from tholos.accounts.authorization import Action, Actor, Scope, may
from tholos.accounts.errors import MissingScope, TokenLimited
from tholos.accounts.limits import reach
from tholos.hub import repository
from tholos.hub.models import Ref, Repo
from tholos.hub.names import HEADS, PULLS, RepoKind
from tholos.hub.repos import get_repo
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, storable
from tholos.kit.errors import NotAuthenticated
from tholos.kit.services import Services


class Proposals(Protocol):
    """What the room that keeps the pull requests says of pushes to `refs/pr/N`."""

    def check(self, read: ReadSession, actor: Actor, repo: Repo, number: int) -> None:
        """Lets pass who may change what is proposed there; raises otherwise."""

    def hold(self, write: WriteSession, actor: Actor, repo: Repo, number: int) -> None:
        """As `check`, and holds the pull request until the transaction ends. Before the repo and its refs are held."""

    def note(self, write: WriteSession, actor: Actor, repo: Repo, number: int, commit_id: str, message: str) -> None:
        """Notes that the pull request, which is held, is at a commit now that was pushed."""


def proposal_ref(number: int) -> str:
    """Full name of the ref of the pull request with this number."""
    return f"{PULLS}{number}"


def proposal_number(ref: str) -> int | None:
    """The number of the pull request that a ref (by its full name) belongs to; None where it belongs to none."""
    digits = ref.removeprefix(PULLS)
    is_number = digits != ref and digits.isascii() and digits.isdigit() and len(digits) < 10
    return int(digits) if is_number else None


def require_proposer(actor: Actor) -> None:
    """Raises NotAuthenticated or MissingScope unless somebody asks, with a token that may write."""
    if actor.is_anonymous:
        raise NotAuthenticated("Sign in to take part.", next="Send `Authorization: Bearer <token>`.")
    if Scope.WRITE not in actor.scopes:
        raise MissingScope(
            "This token has no 'write' scope.",
            next="Use a token with the scope: `tholos keys create --scope write`.",
            scope=Scope.WRITE.value,
        )


def require_word(actor: Actor, repo: Repo) -> None:
    """Lets pass who may say something about a repo that they may read, in their account's name.

    A token that is limited may where its limits let it write. Raises NotAuthenticated, MissingScope, TokenLimited.
    """
    require_proposer(actor)
    if actor.limits is not None and reach(actor.limits, repo.covered_by) != "write":
        raise TokenLimited(
            f"This token may say nothing about {repo.label} in your name.",
            next="Use a token that is not limited, or whose limits let it write there.",
        )


def get_proposable(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> Repo:
    """The repo "namespace/name", if the actor may propose a change to it.

    Raises InvalidName, RepoNotFound, NotAuthenticated, MissingScope, TokenLimited.
    """
    repo = get_repo(read, actor, kind, name)
    require_word(actor, repo)
    return repo


def upload_limit(services: Services, actor: Actor, repo: Repo) -> int:
    """Bytes that one file may have which this actor sends to the repo."""
    settings = services.settings
    if may(actor, Action.WRITE, repo):
        return settings.max_blob_bytes
    return min(settings.max_blob_bytes, settings.max_proposed_bytes)


def add_proposal(write: WriteSession, repo: Repo, number: int, commit_id: str) -> Ref:
    """Makes the ref of a new pull request."""
    ref = Ref(repo_id=repo.id, name=proposal_ref(number), commit_id=commit_id, updated_at=utcnow())
    write.add(ref)
    write.flush()
    return ref


def proposal(read: ReadSession, repo: Repo, number: int) -> Ref | None:
    """The ref of a pull request."""
    return repository.ref(read, repo.id, proposal_ref(number))


def branch_head(read: ReadSession, repo: Repo, branch: str) -> str | None:
    """Id of the revision at the head of a branch; None where there is no such branch."""
    ref = repository.ref(read, repo.id, HEADS + branch) if storable(branch) and len(branch) <= 200 else None
    return ref.commit_id if ref else None


def list_proposals(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> list[tuple[int, str]]:
    """Number and head of every pull request of a repo, by number. Raises RepoNotFound."""
    repo = get_repo(read, actor, kind, name)
    numbered = ((proposal_number(ref.name), ref.commit_id) for ref in repository.refs(read, repo.id))
    return sorted((number, commit_id) for number, commit_id in numbered if number is not None)
