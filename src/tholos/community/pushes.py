"""`git push` to pull requests: what their author, or who may write the repo, sends to `refs/pr/N`."""

from __future__ import annotations

from tholos.accounts.authorization import Action, Actor, may
from tholos.community import repository
from tholos.community.discussions import At, held
from tholos.community.pulls import authorize_push, changeable_pull, note_commit
from tholos.hub import service as hub
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.services import Services


def begin_push(services: Services, actor: Actor, kind: hub.RepoKind, name: str) -> hub.Repo:
    """The repo that the actor may push something to: anything, or what an open pull request of theirs proposes.

    Raises RepoNotFound, Forbidden, NotAuthenticated, MissingScope, TokenLimited, InvalidName.
    """
    with services.database.read() as read:
        repo = hub.get_repo(read, actor, kind, name)
        if not may(actor, Action.WRITE, repo) and repository.count_open_pulls(read, repo.id, actor.account_id):
            hub.require_word(actor, repo)
            return repo
    return hub.begin_push(services, actor, kind, name)


class PushedProposals:
    """Decides about pushes to pull requests, as about every other commit to them (`hub.Proposals`)."""

    def check(self, read: ReadSession, actor: Actor, repo: hub.Repo, number: int) -> None:
        """Raises DiscussionNotFound, NotAPullRequest, Forbidden, DiscussionClosed, MissingScope, TokenLimited."""
        changeable_pull(read, actor, At(repo.kind, repo.full_name, number))

    def hold(self, write: WriteSession, actor: Actor, repo: hub.Repo, number: int) -> None:
        """As `check`; and DiscussionFull."""
        authorize_push(actor, *held(write, actor, At(repo.kind, repo.full_name, number)))

    def note(
        self, write: WriteSession, actor: Actor, repo: hub.Repo, number: int, commit_id: str, message: str
    ) -> None:
        """Shows the new head in the discussion, and tells who watches."""
        found = repository.discussion(write, repo.id, number)
        assert found is not None  # it is held
        note_commit(write, actor, repo, found, commit_id, message)
