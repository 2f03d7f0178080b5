"""Tables of the community."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import Base, Json, UtcDateTime

ID = String(40)
OID = String(40)

Status = Literal["draft", "open", "closed", "merged"]
EventKind = Literal["comment", "status-change", "title-change", "commit"]
DeliveryState = Literal["pending", "delivered", "failed"]


class Discussion(Base):
    """A discussion of a repo, or a pull request; they share one line of numbers."""

    __tablename__ = "discussions"
    __table_args__ = (
        Index("uq_discussions_repo_id_number", "repo_id", "number", unique=True),
        # Lists are of one repo, newest first, by what they are and how they stand.
        Index("ix_discussions_repo_id_status", "repo_id", "is_pull_request", "status", "number"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    number: Mapped[int]
    is_pull_request: Mapped[bool]
    title: Mapped[str] = mapped_column(String(200))
    status: Mapped[Status] = mapped_column(String(16))
    author_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    events: Mapped[int]
    """How many things have happened to it."""
    branch: Mapped[str | None] = mapped_column(String(200))
    """The branch that a pull request is meant for."""
    merge_commit: Mapped[str | None] = mapped_column(OID)
    """The revision by which it came into the branch."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def is_over(self) -> bool:
        """Whether nothing can be added to what it proposes or says, as long as nobody opens it again."""
        return self.status in ("closed", "merged")


class DiscussionEvent(Base):
    """One thing that happened to a discussion: a comment, a commit, another title, another status."""

    __tablename__ = "discussion_events"
    __table_args__ = (
        Index("uq_discussion_events_discussion_id_position", "discussion_id", "position", unique=True),
        # "is this commit noted already?"
        Index("ix_discussion_events_commit_id", "discussion_id", "commit_id"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    discussion_id: Mapped[str] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"))
    position: Mapped[int]
    kind: Mapped[EventKind] = mapped_column(String(16))
    author_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    details: Mapped[dict[str, str]] = mapped_column(Json)
    """Of a change of status: ``status``; of title: ``from`` and ``to``; of a commit: ``subject``."""
    commit_id: Mapped[str | None] = mapped_column(OID)
    text: Mapped[str] = mapped_column(Text)
    """A comment's Markdown as it is now; empty once it is hidden."""
    html: Mapped[str] = mapped_column(Text)
    """The same, sanitised."""
    hidden_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CommentEdit(Base):
    """What a comment said before it was edited."""

    __tablename__ = "comment_edits"

    event_id: Mapped[str] = mapped_column(ForeignKey("discussion_events.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Webhook(Base):
    """An address that an account wants to be told at of what happens to repos."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_account_id", "account_id"),)  # a page lists one account's

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    url: Mapped[str] = mapped_column(String(2000))
    domains: Mapped[list[str]] = mapped_column(Json)
    sealed_secret: Mapped[str] = mapped_column(Text)
    """Encrypted; empty where there is none."""
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WatchedItem(Base):
    """A webhook watches a repo, or all repos of an account."""

    __tablename__ = "webhook_watches"
    __table_args__ = (Index("ix_webhook_watches_key", "type", "name_key"),)  # "who watches this?"

    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    type: Mapped[str] = mapped_column(String(16), primary_key=True)
    """``user``, ``org``, or a kind of repo."""
    name_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    """The name in lower case."""
    name: Mapped[str] = mapped_column(String(200))


class WebhookDelivery(Base):
    """One thing that a webhook is to be told, and what came of it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_due", "state", "next_at"),  # the sender asks for nothing else
        Index("ix_webhook_deliveries_webhook_id", "webhook_id", "id"),  # a page lists one webhook's, newest first
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    repo_id: Mapped[str | None] = mapped_column(ID)
    """The repo that it is about, which the webhook's account must be allowed to read; None where it is gone."""
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[DeliveryState] = mapped_column(String(16))
    attempts: Mapped[int]
    status_code: Mapped[int | None]
    """What the address answered last; None where it did not."""
    error: Mapped[str] = mapped_column(String(500))
    duration_ms: Mapped[int | None]
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def event(self) -> str:
        """What it tells, in short: "update discussion.comment"."""
        event = self.payload["event"]
        return f"{event['action']} {event['scope']}"
