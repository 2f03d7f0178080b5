"""Use cases of discussions: opened, read, answered, edited, closed. Pull requests are discussions with a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from sqlalchemy import delete

from tholos.accounts.authorization import Action, Actor, hidden, may
from tholos.accounts.service import record_audit
from tholos.community import repository
from tholos.community.errors import (
    CommentHidden,
    CommentNotFound,
    DiscussionClosed,
    DiscussionFull,
    DiscussionNotFound,
    InvalidComment,
    InvalidTitle,
    StatusUnchanged,
)
from tholos.community.models import CommentEdit, Discussion, DiscussionEvent
from tholos.community.repository import StatusFilter, TypeFilter
from tholos.hub import service as hub
from tholos.hub.errors import RepoNotFound
from tholos.hub.rendering import render
from tholos.hub.repository import held_repo, lock_repo
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession, storable
from tholos.kit.errors import Forbidden
from tholos.kit.ids import new_id
from tholos.kit.outbox import emit

MAX_TITLE: Final = 200
MAX_COMMENT: Final = 65_536
MAX_EVENTS: Final = 2000
MAX_EDITS: Final = 100
LAST_WORDS: Final = 100
"""Entries beyond the most, for closing, opening and merging: a full discussion must be able to end."""

Change = Literal["create", "update"]
DISCUSSION: Final = "discussion"
COMMENT: Final = "discussion.comment"


@dataclass(frozen=True, slots=True)
class DiscussionView:
    """A discussion, the repo that it is of, and the name of who opened it."""

    repo: hub.Repo
    discussion: Discussion
    author: str


@dataclass(frozen=True, slots=True)
class EventView:
    """An event, the name of who caused it, and what a comment said before it was edited (oldest first)."""

    event: DiscussionEvent
    author: str
    edits: Sequence[CommentEdit] = ()


@dataclass(frozen=True, slots=True)
class At:
    """The discussion that a request is about: kind and "namespace/name" of its repo, and its number."""

    kind: hub.RepoKind
    name: str
    number: int


def list_discussions(
    read: ReadSession,
    actor: Actor,
    kind: hub.RepoKind,
    name: str,
    *,
    type: TypeFilter = "all",  # noqa: A002 - the wire's own word
    status: StatusFilter = "all",
    author: str = "",
    below: int | None = None,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[DiscussionView], int]:
    """A repo's discussions, newest first, and how many there are in all. Raises RepoNotFound."""
    repo = hub.get_repo(read, actor, kind, name)
    author = author if storable(author) else "\ufffd"  # nobody is called that
    found = repository.discussions(
        read, repo.id, kind=type, status=status, author=author, below=below, offset=offset, limit=limit
    )
    names = repository.names(read, [one.author_id for one in found])
    views = [DiscussionView(repo, one, names[one.author_id]) for one in found]
    return views, repository.count(read, repo.id, type, status, author)


def get_discussion(read: ReadSession, actor: Actor, at: At, action: Action = Action.READ) -> DiscussionView:
    """A discussion of a repo to which the actor may do that. Raises RepoNotFound, Forbidden, DiscussionNotFound."""
    repo = hub.get_repo(read, actor, at.kind, at.name, action)
    return view_of(read, repo, _found(repository.discussion(read, repo.id, at.number), repo, at))


def view_of(read: ReadSession, repo: hub.Repo, discussion: Discussion) -> DiscussionView:
    """The discussion with its author's name."""
    return DiscussionView(repo, discussion, repository.names(read, [discussion.author_id])[discussion.author_id])


def events_of(
    read: ReadSession, discussion: Discussion, *, after: int = 0, limit: int = MAX_EVENTS + LAST_WORDS
) -> list[EventView]:
    """What happened to a discussion that the caller has authorized, oldest first, from a position on."""
    found = repository.events(read, discussion.id, after, limit)
    return _viewed(read, found)


def open_discussion(
    database: Database, actor: Actor, kind: hub.RepoKind, name: str, *, title: str, text: str = ""
) -> DiscussionView:
    """Opens a discussion. Raises RepoNotFound, NotAuthenticated, MissingScope, InvalidTitle, InvalidComment."""
    title = checked_title(title)
    with database.read() as read:
        repo = hub.get_proposable(read, actor, kind, name)
    html = rendered(repo, text)
    with database.write() as write:
        repo = hub.get_proposable(write, actor, kind, name)
        made = add_discussion(write, actor, repo, title=title, text=text, html=html)
        return DiscussionView(repo, made, actor.name)


def comment(database: Database, actor: Actor, at: At, text: str) -> EventView:
    """Adds a comment.

    Raises RepoNotFound, DiscussionNotFound, NotAuthenticated, MissingScope, InvalidComment, DiscussionClosed,
    DiscussionFull.
    """
    html = _html(database, actor, at, text)
    with database.write() as write:
        repo, found = held(write, actor, at)
        if found.status == "closed":
            raise DiscussionClosed(f"{label(repo, found)} is closed.", next="Open it again, or open a new one.")
        made = repository.add_event(write, found, actor.account_id, "comment", text=text.strip(), html=html)
        told(write, repo, found, "create", COMMENT, made)
        return EventView(made, actor.name)


def edit_comment(database: Database, actor: Actor, at: At, event_id: str, text: str) -> EventView:
    """Changes one's own comment; what it said before is kept.

    Raises RepoNotFound, DiscussionNotFound, CommentNotFound, Forbidden (another's), CommentHidden, InvalidComment.
    """
    html = _html(database, actor, at, text)
    with database.write() as write:
        repo, found = held(write, actor, at, growing=False)
        event = _comment(write, found, event_id)
        if event.author_id != actor.account_id:
            raise Forbidden("Only who wrote a comment may edit it.", next="Answer it with a comment of your own.")
        before = repository.edits(write, [event.id]).get(event.id, [])
        if len(before) >= MAX_EDITS:
            raise DiscussionFull(f"The comment was edited {MAX_EDITS} times.", next="Write another.")
        if text.strip() != event.text:
            written = event.edited_at or event.created_at
            write.add(CommentEdit(event_id=event.id, position=len(before) + 1, text=event.text, written_at=written))
            event.text, event.html, event.edited_at = text.strip(), html, utcnow()
            write.flush()
            told(write, repo, found, "update", COMMENT, event)
        return _viewed(write, [event])[0]


def hide_comment(database: Database, actor: Actor, at: At, event_id: str) -> EventView:
    """Hides a comment for ever, with all that it said: one's own, or any of a repo that one may write.

    Raises RepoNotFound, DiscussionNotFound, CommentNotFound, Forbidden.
    """
    with database.write() as write:
        repo, found = held(write, actor, at, growing=False)
        event = _comment(write, found, event_id, may_be_hidden=True)
        if event.author_id != actor.account_id and not may(actor, Action.WRITE, repo):
            raise Forbidden("You may not hide what others wrote here.", next=f"Ask the owner of {repo.label}.")
        if event.hidden_at is None:
            event.hidden_at, event.text, event.html = utcnow(), "", ""
            write.execute(delete(CommentEdit).where(CommentEdit.event_id == event.id))
            record_audit(write, actor, "discussion.hide", repo.label, {"number": found.number, "comment": event.id})
            write.flush()
            told(write, repo, found, "update", COMMENT, event)
        return _viewed(write, [event])[0]


def rename(database: Database, actor: Actor, at: At, title: str) -> EventView:
    """Gives a discussion another title: its author, or who may write the repo.

    Raises RepoNotFound, DiscussionNotFound, Forbidden, InvalidTitle, DiscussionFull.
    """
    title = checked_title(title)
    with database.write() as write:
        repo, found = held(write, actor, at)
        _authorize_change(actor, repo, found)
        details = {"from": found.title, "to": title}
        found.title = title
        event = repository.add_event(write, found, actor.account_id, "title-change", details=details)
        told(write, repo, found, "update", DISCUSSION)
        return EventView(event, actor.name)


def set_status(
    database: Database, actor: Actor, at: At, status: Literal["open", "closed"], text: str = ""
) -> EventView:
    """Closes or opens a discussion, maybe with a last word: its author, or who may write the repo.

    Opening a draft says that it is ready to be looked at. What was merged stays merged. Raises RepoNotFound,
    DiscussionNotFound, Forbidden, StatusUnchanged, InvalidComment, DiscussionFull.
    """
    html = _html(database, actor, at, text) if text.strip() else ""
    with database.write() as write:
        repo, found = held(write, actor, at, last_word=True)
        _authorize_change(actor, repo, found)
        if found.status in (status, "merged"):
            raise StatusUnchanged(
                f"{label(repo, found)} is {found.status} already.", next="There is nothing to do.", status=found.status
            )
        if html:
            said = repository.add_event(write, found, actor.account_id, "comment", text=text.strip(), html=html)
            told(write, repo, found, "create", COMMENT, said)
        event = change_status(write, actor, repo, found, status)
        return EventView(event, actor.name)


# -- for pull requests, too


def add_discussion(
    write: WriteSession,
    actor: Actor,
    repo: hub.Repo,
    *,
    title: str,
    text: str,
    html: str,
    branch: str | None = None,
) -> Discussion:
    """The row and its first comment; ``branch`` makes it a pull request, a draft."""
    lock_repo(write, repo.id)
    if held_repo(write, repo.id) is None:
        raise hidden(RepoNotFound, repo.label)
    now = utcnow()
    made = Discussion(
        id=new_id("disc"),
        repo_id=repo.id,
        number=repository.next_number(write, repo.id),
        is_pull_request=branch is not None,
        title=title,
        status="open" if branch is None else "draft",
        author_id=actor.account_id,
        events=0,
        branch=branch,
        created_at=now,
        updated_at=now,
    )
    write.add(made)
    write.flush()
    if html:
        repository.add_event(write, made, actor.account_id, "comment", text=text.strip(), html=html)
    record_audit(write, actor, "discussion.open", repo.label, {"number": made.number})
    told(write, repo, made, "create", DISCUSSION)
    return made


def change_status(
    write: WriteSession, actor: Actor, repo: hub.Repo, found: Discussion, status: Literal["open", "closed", "merged"]
) -> DiscussionEvent:
    """Sets the status of a discussion that the caller holds, and says so."""
    found.status = status
    record_audit(write, actor, f"discussion.{status}", repo.label, {"number": found.number})
    event = repository.add_event(write, found, actor.account_id, "status-change", details={"status": status})
    told(write, repo, found, "update", DISCUSSION)
    return event


def held(
    write: WriteSession, actor: Actor, at: At, *, growing: bool = True, last_word: bool = False
) -> tuple[hub.Repo, Discussion]:
    """The discussion, held until the transaction ends, by somebody who may say something in it.

    Raises RepoNotFound, DiscussionNotFound, NotAuthenticated, MissingScope, and (if it is to grow) DiscussionFull.
    """
    repo = hub.get_proposable(write, actor, at.kind, at.name)
    seen = _found(repository.discussion(write, repo.id, at.number), repo, at)
    found = _found(repository.locked_discussion(write, seen.id), repo, at)
    if growing and found.events + 2 > MAX_EVENTS + (LAST_WORDS if last_word else 0):
        raise DiscussionFull(f"{label(repo, found)} has {found.events} entries.", next="Open a new one.")
    return repo, found


def told(
    write: WriteSession,
    repo: hub.Repo,
    found: Discussion,
    action: Change,
    scope: str,
    event: DiscussionEvent | None = None,
) -> None:
    """Tells the outbox what happened, in the same transaction."""
    payload = {"repo_id": repo.id, "kind": repo.kind.value, "discussion_id": found.id, "action": action, "scope": scope}
    emit(write, "discussion.changed", payload | ({"event_id": event.id} if event else {}))


def label(repo: hub.Repo, found: Discussion) -> str:
    """How errors and messages call it."""
    return f"{'Pull request' if found.is_pull_request else 'Discussion'} #{found.number} of {repo.label}"


def checked_title(title: str) -> str:
    """The title on one line. Raises InvalidTitle."""
    text = " ".join(title.split()) if storable(title) else ""
    if not text or len(text) > MAX_TITLE:
        raise InvalidTitle(
            f"A title has 1 to {MAX_TITLE} characters, and no NUL.", next="Shorten it; the rest goes into the comment."
        )
    return text


def rendered(repo: hub.Repo, text: str) -> str:
    """A comment as sanitised HTML; nothing where it is blank. Raises InvalidComment."""
    if len(text) > MAX_COMMENT or not storable(text):
        raise InvalidComment(f"A comment has at most {MAX_COMMENT:,} characters, and no NUL.", next="Shorten it.")
    if not text.strip():
        return ""
    prefix = "" if repo.kind is hub.RepoKind.MODEL else f"/{repo.kind.plural}"

    def file(path: str) -> str:
        return f"{prefix}/{repo.full_name}/blob/{hub.MAIN}/{quote(path)}"

    def image(path: str) -> str:
        return f"{prefix}/{repo.full_name}/resolve/{hub.MAIN}/{quote(path)}"

    return render(text.strip(), link=file, image=image)


def _html(database: Database, actor: Actor, at: At, text: str) -> str:
    with database.read() as read:
        repo = hub.get_proposable(read, actor, at.kind, at.name)
    if not text.strip():
        raise InvalidComment("The comment is empty.", next="Write something.")
    return rendered(repo, text)


def _authorize_change(actor: Actor, repo: hub.Repo, found: Discussion) -> None:
    if found.author_id != actor.account_id and not may(actor, Action.WRITE, repo):
        raise Forbidden(
            f"{label(repo, found)} is not yours to change.", next="Ask who opened it, or the owner of the repo."
        )


def _comment(write: WriteSession, found: Discussion, event_id: str, *, may_be_hidden: bool = False) -> DiscussionEvent:
    event = repository.event(write, found.id, event_id) if storable(event_id) else None
    if event is None or event.kind != "comment":
        raise CommentNotFound(next="List the entries of the discussion for the ids of its comments.")
    if event.hidden_at is not None and not may_be_hidden:
        raise CommentHidden(next="Write another comment.")
    return event


def _found(discussion: Discussion | None, repo: hub.Repo, at: At) -> Discussion:
    if discussion is None:
        raise DiscussionNotFound(
            f"{repo.label} has no discussion or pull request #{str(at.number)[:20]}.", next="List them for its number."
        )
    return discussion


def _viewed(read: ReadSession, found: Sequence[DiscussionEvent]) -> list[EventView]:
    names = repository.names(read, [event.author_id for event in found])
    edits = repository.edits(read, [event.id for event in found if event.edited_at])
    return [EventView(event, names[event.author_id], edits.get(event.id, ())) for event in found]
