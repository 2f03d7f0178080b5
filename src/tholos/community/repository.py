"""Queries of the community."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Select, func, select

from tholos.accounts.models import Account
from tholos.community.models import CommentEdit, Discussion, DiscussionEvent, EventKind
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.ids import new_id

StatusFilter = Literal["all", "open", "closed", "draft", "merged"]
TypeFilter = Literal["all", "discussion", "pull_request"]
_STATUSES: dict[StatusFilter, tuple[str, ...]] = {
    "open": ("open", "draft"),
    "closed": ("closed", "merged"),
    "draft": ("draft",),
    "merged": ("merged",),
}
_LARGEST = 2**31 - 1


def discussion(read: ReadSession, repo_id: str, number: int) -> Discussion | None:
    if not 0 < number <= _LARGEST:  # PostgreSQL takes no larger one even in a question
        return None
    return read.scalar(select(Discussion).where(Discussion.repo_id == repo_id, Discussion.number == number))


def locked_discussion(write: WriteSession, discussion_id: str) -> Discussion | None:
    """The discussion, held against other writers until the transaction ends."""
    query = select(Discussion).where(Discussion.id == discussion_id).with_for_update()
    return write.scalar(query.execution_options(populate_existing=True))


def next_number(write: WriteSession, repo_id: str) -> int:
    """The number of the next discussion, for a caller that holds the repo's lock."""
    return (write.scalar(select(func.max(Discussion.number)).where(Discussion.repo_id == repo_id)) or 0) + 1


def discussions(
    read: ReadSession,
    repo_id: str,
    *,
    kind: TypeFilter,
    status: StatusFilter,
    author: str,
    below: int | None,
    offset: int,
    limit: int,
) -> list[Discussion]:
    """Newest first; only those with a number under ``below``."""
    query = _filtered(select(Discussion), repo_id, kind, status, author)
    if below is not None:
        query = query.where(Discussion.number < min(max(below, 0), _LARGEST))
    return list(read.scalars(query.order_by(Discussion.number.desc()).offset(offset).limit(limit)))


def count(read: ReadSession, repo_id: str, kind: TypeFilter, status: StatusFilter, author: str = "") -> int:
    query = _filtered(select(func.count()).select_from(Discussion), repo_id, kind, status, author)
    return read.scalar(query) or 0


def count_open_pulls(read: ReadSession, repo_id: str, account_id: str) -> int:
    """How many open pull requests (drafts, too) of an account a repo has."""
    query = _filtered(select(func.count()).select_from(Discussion), repo_id, "pull_request", "open", "")
    return read.scalar(query.where(Discussion.author_id == account_id)) or 0


def _filtered(query: Select[Any], repo_id: str, kind: TypeFilter, status: StatusFilter, author: str) -> Select[Any]:
    query = query.where(Discussion.repo_id == repo_id)
    if kind != "all":
        query = query.where(Discussion.is_pull_request == (kind == "pull_request"))
    if status != "all":
        query = query.where(Discussion.status.in_(_STATUSES[status]))
    if author:
        accounts = select(Account.id).where(Account.name_key == author.lower())
        query = query.where(Discussion.author_id.in_(accounts))
    return query


def events(read: ReadSession, discussion_id: str, after: int, limit: int) -> list[DiscussionEvent]:
    """What happened after that position, oldest first."""
    query = select(DiscussionEvent).where(
        DiscussionEvent.discussion_id == discussion_id, DiscussionEvent.position > after
    )
    return list(read.scalars(query.order_by(DiscussionEvent.position).limit(limit)))


def event(read: ReadSession, discussion_id: str, event_id: str) -> DiscussionEvent | None:
    found = read.get(DiscussionEvent, event_id[:40])
    return found if found is not None and found.discussion_id == discussion_id and found.id == event_id else None


def commit_event(read: ReadSession, discussion_id: str, commit_id: str) -> DiscussionEvent | None:
    query = select(DiscussionEvent).where(
        DiscussionEvent.discussion_id == discussion_id, DiscussionEvent.commit_id == commit_id
    )
    return read.scalar(query.limit(1))


def add_event(
    write: WriteSession,
    found: Discussion,
    author_id: str,
    kind: EventKind,
    *,
    details: dict[str, str] | None = None,
    commit_id: str | None = None,
    text: str = "",
    html: str = "",
) -> DiscussionEvent:
    """Appends to a discussion that the caller holds locked."""
    found.events += 1
    found.updated_at = utcnow()
    made = DiscussionEvent(
        id=new_id("evt"),
        discussion_id=found.id,
        position=found.events,
        kind=kind,
        author_id=author_id,
        details=details or {},
        commit_id=commit_id,
        text=text,
        html=html,
        created_at=found.updated_at,
    )
    write.add(made)
    write.flush()
    return made


def edits(read: ReadSession, event_ids: Sequence[str]) -> dict[str, list[CommentEdit]]:
    """What these comments said before, oldest first."""
    found: dict[str, list[CommentEdit]] = {}
    for start in range(0, len(event_ids), 500):
        query = select(CommentEdit).where(CommentEdit.event_id.in_(event_ids[start : start + 500]))
        for edit in read.scalars(query.order_by(CommentEdit.event_id, CommentEdit.position)):
            found.setdefault(edit.event_id, []).append(edit)
    return found


def names(read: ReadSession, account_ids: Iterable[str]) -> dict[str, str]:
    """The accounts' names by id."""
    query = select(Account.id, Account.name).where(Account.id.in_(sorted(set(account_ids))))
    return dict(read.execute(query).all())
