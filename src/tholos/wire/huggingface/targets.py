"""What an upload is meant for: a branch, a pull request that is there, or one that is about to be opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tholos.accounts.authorization import Action, Actor
from tholos.community import service as community
from tholos.community.errors import DiscussionNotFound
from tholos.hub import service as hub
from tholos.hub.errors import RevisionNotFound
from tholos.kit.database import ReadSession
from tholos.wire.huggingface.call import Call

_HEADS: Final = "refs/heads/"
_PULLS: Final = "refs/pr/"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a commit is to go: to ``branch``, to the pull request ``pull``, or (``opens``) to a new one for it."""

    branch: str
    pull: int | None = None
    opens: bool = False

    @property
    def rev(self) -> str:
        """What it is made on."""
        return f"{_PULLS}{self.pull}" if self.pull is not None else f"{_HEADS}{self.branch}"

    @property
    def proposes(self) -> bool:
        """Whether it takes no right to write the repo."""
        return self.opens or self.pull is not None


def target_of(call: Call) -> Target:
    """The target that the address names. Raises RevisionNotFound, InvalidInput."""
    if call.text("create_pr") and call.flag("create_pr"):
        # clients that have not settled on a branch write its name as Python does
        return Target(hub.MAIN if call.rev == "None" else call.rev.removeprefix(_HEADS), opens=True)
    if not call.rev.startswith(_PULLS):
        return Target(call.rev.removeprefix(_HEADS))
    number = hub.proposal_number(call.rev)
    if number is None:
        raise RevisionNotFound(f'There is no pull request "{call.rev[:100]}".', next="Write it as refs/pr/<number>.")
    return Target(hub.MAIN, pull=number)


def committable(call: Call, read: ReadSession, actor: Actor, target: Target) -> hub.Repo:
    """The repo of the address, if the actor may commit to that target.

    Raises RepoNotFound, Forbidden, and for pull requests RevisionNotFound, NotAPullRequest, DiscussionClosed.
    """
    if target.opens:
        return hub.get_proposable(read, actor, call.kind, call.repo_name)
    if target.pull is not None:
        at = community.At(call.kind, call.repo_name, target.pull)
        try:
            return community.changeable_pull(read, actor, at).repo
        except DiscussionNotFound as error:
            raise RevisionNotFound(error.message, next=error.next) from error
    return hub.get_repo(read, actor, call.kind, call.repo_name, Action.WRITE)
