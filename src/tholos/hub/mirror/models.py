"""Tables of mirrors.

A row of `repo_promises` says: this repo's history names that content through Git LFS, the upstream vouches for it, and
it is not here. It goes in the transaction in which the repo comes to possess the content.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.hub.models import ID, OID, SHA256
from tholos.kit.database import Base, UtcDateTime


class Mirror(Base):
    """A repo that follows a repo of another hub."""

    __tablename__ = "mirrors"

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    base: Mapped[str] = mapped_column(String(500))
    """The other hub's base URL, without credentials and without a closing slash."""
    source: Mapped[str] = mapped_column(String(200))
    """The name there, "namespace/name"."""
    automatic: Mapped[bool]
    """Whether it came to be because somebody asked for it."""
    error: Mapped[str] = mapped_column(Text)
    """What went wrong when the upstream was last asked; "" when nothing did."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the upstream last answered; None before it first did."""


class MirrorRef(Base):
    """Where the mirror last put a ref: a local ref that is elsewhere was changed here and is left alone."""

    __tablename__ = "mirror_refs"

    repo_id: Mapped[str] = mapped_column(ForeignKey("mirrors.repo_id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    oid: Mapped[str] = mapped_column(OID)
    note: Mapped[str] = mapped_column(Text)
    """Why it does not follow the upstream any more; "" while it does."""


class RepoPromise(Base):
    """Content that this repo names and that its upstream has; it is not possessed by the repo yet."""

    __tablename__ = "repo_promises"
    __table_args__ = (Index("ix_repo_promises_sha256", "sha256"),)

    repo_id: Mapped[str] = mapped_column(ID, ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
