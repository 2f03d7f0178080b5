"""Use cases of pull requests: a proposal `refs/pr/N`, what it would change, and its way into the branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tholos.accounts.authorization import Action, Actor, may
from tholos.accounts.service import record_audit
from tholos.community import repository
from tholos.community.discussions import (
    COMMENT,
    DISCUSSION,
    At,
    DiscussionView,
    add_discussion,
    change_status,
    checked_title,
    get_discussion,
    held,
    label,
    rendered,
    told,
)
from tholos.community.errors import DiscussionClosed, NotAPullRequest, TooManyPullRequests
from tholos.community.models import Discussion
from tholos.hub import service as hub
from tholos.hub.errors import CommitRace, NothingToMerge
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import Forbidden, Unprocessable
from tholos.kit.services import Services

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Opened:
    """A pull request that was just opened, and the revision at its head."""

    view: DiscussionView
    revision: hub.Revision


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a pull request would change: its head, and the files over which a merge would fail.

    ``conflicts`` is None where they cannot be listed.
    """

    head: str
    conflicts: tuple[str, ...] | None


def open_pull(
    services: Services,
    actor: Actor,
    kind: hub.RepoKind,
    name: str,
    *,
    title: str,
    text: str = "",
    branch: str = hub.MAIN,
) -> Opened:
    """Opens a pull request for a branch, as a draft without a commit.

    Raises RepoNotFound, RevisionNotFound, NotAuthenticated, MissingScope, TokenLimited, TooManyPullRequests,
    InvalidTitle, InvalidComment.
    """
    title = checked_title(title)
    with services.database.read() as read:
        repo = hub.get_proposable(read, actor, kind, name)
        _require_turn(read, services, actor, repo)
        start = _branch_head(read, repo, branch)
    html = rendered(repo, text)
    with services.database.write() as write:
        repo = hub.get_proposable(write, actor, kind, name)
        made = add_discussion(write, actor, repo, title=title, text=text, html=html, branch=branch)
        hub.add_proposal(write, repo, made.number, start.commit_id)
        return Opened(DiscussionView(repo, made, actor.name), start)


def propose(
    services: Services,
    actor: Actor,
    kind: hub.RepoKind,
    name: str,
    operations: Sequence[hub.Operation],
    message: str,
    *,
    branch: str = hub.MAIN,
    parent: str | None = None,
    limits: hub.CommitLimits | None = None,
) -> Opened:
    """Opens a pull request with a commit, in one transaction: its message is title and first comment.

    ``parent`` is the id of the revision that it is made on, by default the head of the branch. Raises as `open_pull`
    and `hub.prepare_commit`.
    """
    first, _, rest = message.strip().partition("\n")
    title = checked_title(first[:200])
    with services.database.read() as read:
        repo = hub.get_proposable(read, actor, kind, name)
        _require_turn(read, services, actor, repo)
        head = _branch_head(read, repo, branch).commit_id
    start = parent or head
    text = rest.strip()
    html = rendered(repo, text)
    prepared = hub.prepare_commit(
        services.database,
        services.blobs,
        actor,
        repo,
        operations,
        message,
        limits=limits,
        proposal=hub.Proposal(hub.proposal_ref(0), start),
    )
    with services.database.write() as write:
        repo = hub.get_proposable(write, actor, kind, name)
        made = add_discussion(write, actor, repo, title=title, text=text, html=html, branch=branch)
        hub.add_proposal(write, repo, made.number, start)
        revision = hub.land(write, replace(prepared, ref=hub.proposal_ref(made.number)))
        if revision.commit_id != prepared.parent:
            note_commit(write, actor, repo, made, revision.commit_id, revision.message)
        return Opened(DiscussionView(repo, made, actor.name), revision)


def commit_to_pull(
    services: Services,
    actor: Actor,
    at: At,
    operations: Sequence[hub.Operation],
    message: str,
    *,
    parent: str | None = None,
    limits: hub.CommitLimits | None = None,
) -> tuple[hub.Repo, hub.Revision]:
    """Adds a commit to a pull request: its author, or who may write the repo.

    Raises RepoNotFound, RevisionNotFound, Forbidden, DiscussionClosed, CommitRace, and as `hub.prepare_commit`.
    """
    database = services.database
    for attempt in range(1, _ATTEMPTS + 1):
        with database.read() as read:
            view = changeable_pull(read, actor, at)
        proposal = hub.Proposal(hub.proposal_ref(at.number))
        prepared = hub.prepare_commit(
            database,
            services.blobs,
            actor,
            view.repo,
            operations,
            message,
            parent=parent,
            limits=limits,
            proposal=proposal,
        )
        try:
            with database.write() as write:
                repo, found = held(write, actor, at)
                authorize_push(actor, repo, found)
                revision = hub.land(write, prepared)
                if revision.commit_id != prepared.parent:
                    note_commit(write, actor, repo, found, revision.commit_id, revision.message)
                return repo, revision
        except CommitRace:
            if parent is not None or attempt == _ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


def changeable_pull(read: ReadSession, actor: Actor, at: At) -> DiscussionView:
    """A pull request to which the actor may commit now.

    Raises RepoNotFound, DiscussionNotFound, NotAPullRequest, NotAuthenticated, MissingScope, Forbidden,
    DiscussionClosed.
    """
    view = get_discussion(read, actor, at)
    hub.require_word(actor, view.repo)
    authorize_push(actor, view.repo, view.discussion)
    return view


def authorize_push(actor: Actor, repo: hub.Repo, found: Discussion) -> None:
    """Raises NotAPullRequest, Forbidden or DiscussionClosed unless the actor may change what is proposed."""
    _require_pull(repo, found)
    if found.author_id != actor.account_id and not may(actor, Action.WRITE, repo):
        raise Forbidden(
            f"{label(repo, found)} is another's.", next="Open one of your own: everybody who may read the repo can."
        )
    if found.is_over:
        raise DiscussionClosed(f"{label(repo, found)} is {found.status}.", next="Open it again, or open a new one.")


def merge(services: Services, actor: Actor, at: At, text: str = "") -> DiscussionView:
    """Brings a pull request into its branch by a commit of two parents; who may write the repo.

    One that was merged before is returned as it is: a client that lost the answer asks again.

    Raises RepoNotFound, DiscussionNotFound, NotAPullRequest, Forbidden, DiscussionClosed, MergeConflict,
    NothingToMerge, CommitRace, InvalidComment.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        with services.database.read() as read:
            view = get_discussion(read, actor, at, Action.WRITE)
            _require_open(view)
            proposal = hub.proposal(read, view.repo, at.number)
        if view.discussion.status == "merged":
            return view
        assert proposal is not None  # it was made with the pull request, and nothing removes it
        source = proposal.commit_id
        html = rendered(view.repo, text)
        prepared = hub.prepare_merge(
            services.database,
            services.blobs,
            actor,
            view.repo,
            source=source,
            branch=str(view.discussion.branch),
            message=_merge_message(view),
        )
        try:
            with services.database.write() as write:
                return _land_merge(write, actor, at, prepared, text, html)
        except CommitRace:  # the branch or the proposal has moved: once more, with what there is now
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


def proposed(read: ReadSession, view: DiscussionView) -> Proposed:
    """What a pull request would change, and whether it could be merged now."""
    found = view.discussion
    proposal = hub.proposal(read, view.repo, found.number)
    assert proposal is not None
    if found.status == "merged":
        return Proposed(proposal.commit_id, ())
    try:
        return Proposed(proposal.commit_id, hub.conflicts_of(read, view.repo, proposal.commit_id, str(found.branch)))
    except NothingToMerge:
        return Proposed(proposal.commit_id, ())
    except Unprocessable:
        return Proposed(proposal.commit_id, None)


def diff_of(read: ReadSession, blobs: BlobStore, actor: Actor, view: DiscussionView) -> hub.Diff:
    """What a pull request changes since it left its branch.

    Raises NotAPullRequest, GatedRepo (a diff quotes the files), and Unprocessable where it is too much.
    """
    found, repo = view.discussion, view.repo
    _require_pull(repo, found)
    hub.require_content(read, actor, repo)
    proposal = hub.proposal(read, repo, found.number)
    assert proposal is not None
    head = hub.revision_of(read, repo, proposal.commit_id)
    into = hub.branch_head(read, repo, str(found.branch))
    if found.merge_commit is not None:
        merged = hub.revision_of(read, repo, found.merge_commit)
        # a merge that changed nothing is the branch as it was
        into = merged.parent_id if head.commit_id in merged.parents else merged.commit_id
    base = hub.merge_base(read, repo, into, head.commit_id) if into else head.parent_id
    before = hub.revision_of(read, repo, base).tree_id if base else hub.EMPTY_TREE_ID
    return hub.diff(read, blobs, before, head.tree_id)


def _land_merge(
    write: WriteSession, actor: Actor, at: At, prepared: hub.PreparedCommit, text: str, html: str
) -> DiscussionView:
    repo, found = held(write, actor, at, last_word=True)
    view = DiscussionView(repo, found, repository.names(write, [found.author_id])[found.author_id])
    _require_open(view)
    if found.status == "merged":
        return view
    proposal = hub.proposal(write, repo, found.number)
    if proposal is None or proposal.commit_id != prepared.merged:
        raise CommitRace(f"{label(repo, found)} has moved.", next="Look at what was added, then merge again.")
    revision = hub.land(write, prepared)
    if html:
        said = repository.add_event(write, found, actor.account_id, "comment", text=text.strip(), html=html)
        told(write, repo, found, "create", COMMENT, said)
    found.merge_commit = revision.commit_id
    change_status(write, actor, repo, found, "merged")
    return view


def _require_open(view: DiscussionView) -> None:
    _require_pull(view.repo, view.discussion)
    if view.discussion.status == "closed":
        raise DiscussionClosed(f"{label(view.repo, view.discussion)} is closed.", next="Open it again, then merge it.")


def _require_turn(read: ReadSession, services: Services, actor: Actor, repo: hub.Repo) -> None:
    """Refuses one more pull request of somebody who may not write the repo and has many open: it is others' room."""
    most = services.settings.max_open_pull_requests
    if not may(actor, Action.WRITE, repo) and repository.count_open_pulls(read, repo.id, actor.account_id) >= most:
        raise TooManyPullRequests(
            f"You have {most} open pull requests in {repo.label}.",
            next="Wait until they are merged, or close some.",
            max_open=most,
        )


def _require_pull(repo: hub.Repo, found: Discussion) -> None:
    if not found.is_pull_request:
        raise NotAPullRequest(f"{label(repo, found)} proposes no change.", next="Open a pull request.")


def note_commit(
    write: WriteSession, actor: Actor, repo: hub.Repo, found: Discussion, commit_id: str, message: str
) -> None:
    """Notes a new head in the discussion, which is held, unless it had been the head before."""
    if repository.commit_event(write, found.id, commit_id):
        return
    details = {"subject": message.partition("\n")[0][:200]}
    repository.add_event(write, found, actor.account_id, "commit", details=details, commit_id=commit_id)
    record_audit(write, actor, "pull.commit", repo.label, {"number": found.number, "revision": commit_id})
    told(write, repo, found, "update", DISCUSSION)


def _branch_head(read: ReadSession, repo: hub.Repo, branch: str) -> hub.Revision:
    return hub.revision_of(read, repo, f"refs/heads/{branch}")


def _merge_message(view: DiscussionView) -> str:
    found = view.discussion
    return f"{found.title} (#{found.number})\n\nMerges the pull request of {view.author}."
