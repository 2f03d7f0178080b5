"""What the server answers about discussions, pull requests and webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tholos.sdk.decoding import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Result):
    """What a pull request proposes: from ``ref`` into ``branch``.

    ``conflicts`` are the files over which a merge would fail, None where they cannot be listed.
    """

    branch: str
    ref: str
    head: str
    merge_commit: str | None = None
    conflicts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discussion(Result):
    """A discussion or pull request; ``status`` is "draft", "open", "closed" or "merged"."""

    number: int
    repo: str
    kind: str
    title: str
    status: str
    is_pull_request: bool
    author: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentEdit(Result):
    """What a comment said before it was edited."""

    text: str
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscussionEvent(Result):
    """What happened: ``kind`` is "comment", "commit", "title-change" or "status-change"."""

    id: str
    kind: str
    author: str
    created_at: datetime | None = None
    text: str = ""
    html: str = ""
    hidden: bool = False
    edits: tuple[CommentEdit, ...] = ()
    commit: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff(Result):
    """A file that differs, with its sizes in bytes; ``patch`` is None for what is no text or too long."""

    path: str
    size_before: int | None = None
    size_after: int | None = None
    patch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff(Result):
    """What a pull request changes; ``text`` is all of it as git writes it."""

    files: tuple[FileDiff, ...]
    total: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedItem(Result):
    """What a webhook watches: a repo by its kind, or all repos of a user or org."""

    type: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Result):
    """An address that is told of what happens."""

    id: str
    url: str
    watched: tuple[WatchedItem, ...] = ()
    domains: tuple[str, ...] = ()
    has_secret: bool = False
    disabled: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Result):
    """One thing that a webhook was told; ``state`` is "pending", "delivered" or "failed"."""

    id: str
    event: str
    state: str
    attempts: int = 0
    status_code: int | None = None
    error: str = ""
    duration_ms: int | None = None
    created_at: datetime | None = None
    next_at: datetime | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
