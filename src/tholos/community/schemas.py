"""Wire shapes of the community."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tholos.community.discussions import MAX_COMMENT, MAX_TITLE, DiscussionView, EventView
from tholos.community.models import DeliveryState, EventKind, Status, WebhookDelivery
from tholos.community.pulls import Proposed
from tholos.community.webhooks import Watched, WebhookView
from tholos.hub import service as hub
from tholos.hub.schemas import AddOperation, DeleteOperation
from tholos.kit.clock import isoformat

Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE)]
Text = Annotated[str, Field(max_length=MAX_COMMENT, description="Markdown.")]


class ProposalOut(BaseModel):
    """What a pull request proposes."""

    branch: str = Field(description="The branch that it is meant for.")
    ref: str = Field(description="Where its commits are.", examples=["refs/pr/3"])
    head: str
    merge_commit: str | None
    conflicts: list[str] | None = Field(
        description="Files over which a merge would fail; null where they cannot be listed."
    )

    @classmethod
    def of(cls, view: DiscussionView, proposed: Proposed) -> ProposalOut:
        found = view.discussion
        return cls(
            branch=str(found.branch),
            ref=hub.proposal_ref(found.number),
            head=proposed.head,
            merge_commit=found.merge_commit,
            conflicts=None if proposed.conflicts is None else list(proposed.conflicts),
        )


class DiscussionOut(BaseModel):
    """A discussion or pull request."""

    number: int
    repo: str
    kind: hub.RepoKind
    title: str
    status: Status
    is_pull_request: bool
    author: str
    created_at: str
    updated_at: str
    proposal: ProposalOut | None = Field(None, description="Of a pull request that was asked for by itself.")

    @classmethod
    def of(cls, view: DiscussionView, proposed: Proposed | None = None) -> DiscussionOut:
        found = view.discussion
        return cls(
            number=found.number,
            repo=view.repo.full_name,
            kind=view.repo.kind,
            title=found.title,
            status=found.status,
            is_pull_request=found.is_pull_request,
            author=view.author,
            created_at=isoformat(found.created_at),
            updated_at=isoformat(found.updated_at),
            proposal=ProposalOut.of(view, proposed) if proposed else None,
        )


class DiscussionPage(BaseModel):
    items: list[DiscussionOut]
    next_cursor: str | None
    total: int


class EditOut(BaseModel):
    """What a comment said before."""

    text: str
    written_at: str


class DiscussionEventOut(BaseModel):
    """One thing that happened: a comment, a commit, another title, another status."""

    id: str
    kind: EventKind
    author: str
    created_at: str
    text: str = Field(description="A comment's Markdown; empty where it is hidden.")
    html: str = Field(description="The same as HTML that is safe to show.")
    hidden: bool
    edits: list[EditOut] = Field(description="What the comment said before, oldest first.")
    commit: str | None
    details: dict[str, str]

    @classmethod
    def of(cls, view: EventView) -> DiscussionEventOut:
        event = view.event
        return cls(
            id=event.id,
            kind=event.kind,
            author=view.author,
            created_at=isoformat(event.created_at),
            text=event.text,
            html=event.html,
            hidden=event.hidden_at is not None,
            edits=[EditOut(text=edit.text, written_at=isoformat(edit.written_at)) for edit in view.edits],
            commit=event.commit_id,
            details=event.details,
        )


class DiscussionEventPage(BaseModel):
    items: list[DiscussionEventOut]
    next_cursor: str | None


class OpenDiscussion(BaseModel, extra="forbid"):
    """A new discussion or, as a draft without a commit, a new pull request."""

    title: Title
    text: Text = ""
    pull_request: bool = False
    branch: Annotated[str, Field(max_length=200)] = Field(hub.MAIN, description="What a pull request is meant for.")


class UpdateDiscussion(BaseModel, extra="forbid"):
    """What to change; what is left out stays."""

    title: Title | None = None
    status: Literal["open", "closed"] | None = None
    text: Text = Field("", description="A last word to a change of status.")


class CommentIn(BaseModel, extra="forbid"):
    text: Text


class MergeIn(BaseModel, extra="forbid"):
    text: Text = ""


class PullCommitIn(BaseModel, extra="forbid"):
    """A commit to a pull request: all of it lands or none."""

    message: str
    parent: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    operations: list[Annotated[AddOperation | DeleteOperation, Field(discriminator="op")]]


class FileDiffOut(BaseModel):
    """A file that differs; sizes in bytes, null where it was or is not there."""

    path: str
    size_before: int | None
    size_after: int | None
    patch: str | None = Field(description="As git writes it; null for what is no text or too long.")


class DiffOut(BaseModel):
    """What a pull request changes."""

    files: list[FileDiffOut]
    total: int = Field(description="Files that differ; the first 300 are shown.")
    text: str = Field(description="All of it as git writes it.")

    @classmethod
    def of(cls, diff: hub.Diff) -> DiffOut:
        files = [
            FileDiffOut(
                path=file.path,
                size_before=file.size_before,
                size_after=file.size_after,
                patch=file.text if file.lines is not None else None,
            )
            for file in diff.files
        ]
        return cls(files=files, total=diff.total, text=diff.text)


class WatchedItem(BaseModel, extra="forbid"):
    """A repo by its kind and name, or all repos of a user or org."""

    type: Annotated[str, Field(max_length=16, examples=["model", "user"])]
    name: Annotated[str, Field(max_length=200, examples=["ada/penguins", "ada"])]

    def item(self) -> Watched:
        return Watched(self.type, self.name)


Domains = Annotated[list[Literal["repo", "discussion"]], Field(min_length=1, max_length=2)]


class CreateWebhook(BaseModel, extra="forbid"):
    """A new webhook."""

    url: Annotated[str, Field(max_length=2000)]
    watched: Annotated[list[WatchedItem], Field(min_length=1, max_length=100)]
    domains: Domains = ["repo", "discussion"]
    secret: Annotated[str, Field(max_length=200, description="Sent with each delivery as X-Webhook-Secret.")] = ""


class UpdateWebhook(BaseModel, extra="forbid"):
    """What to change; what is left out stays."""

    url: Annotated[str, Field(max_length=2000)] | None = None
    watched: Annotated[list[WatchedItem], Field(min_length=1, max_length=100)] | None = None
    domains: Domains | None = None
    secret: Annotated[str, Field(max_length=200)] | None = None
    disabled: bool | None = None


class WebhookOut(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    watched: list[WatchedItem]
    domains: list[str]
    has_secret: bool
    disabled: bool
    created_at: str

    @classmethod
    def of(cls, view: WebhookView) -> WebhookOut:
        found = view.webhook
        return cls(
            id=found.id,
            url=found.url,
            watched=[WatchedItem(type=item.type, name=item.name) for item in view.watched],
            domains=found.domains,
            has_secret=bool(found.sealed_secret),
            disabled=found.disabled_at is not None,
            created_at=isoformat(found.created_at),
        )


class WebhookPage(BaseModel):
    items: list[WebhookOut]
    next_cursor: str | None = None


class DeliveryOut(BaseModel):
    """One thing that a webhook was told, and what came of it."""

    id: str
    event: str = Field(examples=["update repo.content"])
    state: DeliveryState
    attempts: int
    status_code: int | None = Field(description="What the receiver answered last.")
    error: str
    duration_ms: int | None
    created_at: str
    next_at: str | None = Field(description="When it is sent next, while it is pending.")
    payload: dict[str, Any]

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> DeliveryOut:
        return cls(
            id=delivery.id,
            event=delivery.event,
            state=delivery.state,
            attempts=delivery.attempts,
            status_code=delivery.status_code,
            error=delivery.error,
            duration_ms=delivery.duration_ms,
            created_at=isoformat(delivery.created_at),
            next_at=isoformat(delivery.next_at) if delivery.state == "pending" else None,
            payload=delivery.payload,
        )


class DeliveryPage(BaseModel):
    items: list[DeliveryOut]
    next_cursor: str | None
