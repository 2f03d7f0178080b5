"""Tables: what was found out about the model in a revision."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import Base, Json, UtcDateTime

ReportState = Literal["ready", "failed"]
"""``failed``: reading the files ended the job that did it; the error says how."""


class ModelReport(Base):
    """The report on a revision whose files are of a known model format."""

    __tablename__ = "model_reports"

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[ReportState] = mapped_column(String(16))
    report: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """``report.Report``, where it is ready."""
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Code, message and next, where it failed."""
    job_id: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
