"""Tables of what an account is let have: access to gated repos, and how much it may store."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import Base, Json, UtcDateTime

Gate = Literal["auto", "manual"]
"""Who lets an account into a gated repo: its own request does at once, or the repo's owner."""

AccessState = Literal["pending", "accepted", "rejected"]


class AccessRequest(Base):
    """What became of one account's wish to read the files of one gated repo."""

    __tablename__ = "access_requests"
    __table_args__ = (
        # One per account: also "may this reader have the content?", asked at every download.
        Index("uq_access_requests_repo_id_account_id", "repo_id", "account_id", unique=True),
        Index("ix_access_requests_repo_id_state", "repo_id", "state", "id"),  # the owner's list
        Index("ix_access_requests_account_id", "account_id", "state"),  # lists of what a reader may have
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[AccessState] = mapped_column(String(16))
    fields: Mapped[dict[str, Any]] = mapped_column(Json)
    """Answers to the questions of the card, as the form had them when it was sent."""
    reason: Mapped[str] = mapped_column(Text)
    """Why it was rejected; empty otherwise."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountQuota(Base):
    """What an administrator lets one account store, where that is not what the settings say."""

    __tablename__ = "account_quotas"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    max_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Logical bytes of all repos; 0 is without limit, None as the settings say."""
    max_repos: Mapped[int | None]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
