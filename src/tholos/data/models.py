"""Tables: the typed view of each dataset revision."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import Base, Json, UtcDateTime

ViewState = Literal["ready", "failed", "empty"]
"""``failed``: the data cannot be read, and the error says why; ``empty``: the revision holds no data files."""


class DatasetView(Base):
    """What a dataset revision holds, as a typed table. A function of the revision, so never changed once ready."""

    __tablename__ = "dataset_views"
    __table_args__ = (
        # Revisions of a repo with the same data (a new card, a new split) share one Parquet file.
        Index("ix_dataset_views_repo_id_fingerprint", "repo_id", "fingerprint"),
    )

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[str] = mapped_column(String(40), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the data files' paths and contents and of the card's settings for reading them; empty unless ready."""
    reader: Mapped[int]
    """Version of the reading rules that made it."""
    state: Mapped[ViewState] = mapped_column(String(16))
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Code, message, next and details, where it failed."""
    parquet_sha256: Mapped[str | None] = mapped_column(ForeignKey("blobs.sha256"))
    parquet_size: Mapped[int | None] = mapped_column(BigInteger)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    columns: Mapped[list[dict[str, str]] | None] = mapped_column(Json)
    """``Column`` by ``Column``."""
    profile: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """See ``profiles.Profile``."""
    job_id: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
