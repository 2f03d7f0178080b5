"""The wire shapes of mirrors."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from tholos.hub.mirror.service import MirrorView, Order
from tholos.hub.names import RepoKind


class OrderIn(BaseModel):
    """What to fetch."""

    revisions: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="Branches, tags or commits whose files to fetch; none: those of every branch and tag.",
    )
    content: bool = Field(True, description="Whether to fetch large files now; else each when somebody asks for it.")
    all_history: bool = Field(False, description="Fetch the large files of every revision.")
    prune: bool = Field(False, description="Delete branches and tags that are gone upstream.")

    def order(self) -> Order:
        """As the use cases have it."""
        return Order(tuple(self.revisions), self.content, self.all_history, self.prune)


class StartMirror(OrderIn):
    """A repo to follow."""

    kind: RepoKind = RepoKind.MODEL
    source: str = Field(max_length=200, description='Its name upstream, "namespace/name".')
    url: str = Field("", max_length=500, description="Base URL of the other hub; empty: the operator's upstream.")
    target: str = Field("", max_length=200, description="Its name here; empty: the same, or in your own namespace.")


class MirrorRefOut(BaseModel):
    """A branch or tag as the mirror last put it; ``note`` says why it does not follow the upstream."""

    name: str
    commit: str
    note: str


class MirrorOut(BaseModel):
    """A mirror. ``waiting_files`` of ``waiting_bytes`` are fetched when somebody asks for them."""

    kind: RepoKind
    name: str
    url: str
    source: str
    automatic: bool
    checked_at: datetime | None
    error: str
    waiting_files: int
    waiting_bytes: int
    refs: list[MirrorRefOut]

    @classmethod
    def of(cls, view: MirrorView) -> MirrorOut:
        """The wire shape."""
        return cls(
            kind=view.repo.kind,
            name=view.repo.full_name,
            url=view.mirror.base,
            source=view.mirror.source,
            automatic=view.mirror.automatic,
            checked_at=view.mirror.checked_at,
            error=view.mirror.error,
            waiting_files=view.waiting,
            waiting_bytes=view.waiting_bytes,
            refs=[MirrorRefOut(name=ref.name, commit=ref.oid, note=ref.note) for ref in view.refs],
        )


class Mirrors(BaseModel):
    """Mirrors by name."""

    items: list[MirrorOut]
