"""The table of evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import NAMES_CONTENT, Base, Json, UtcDateTime

ID = String(40)
OID = String(40)
SHA256 = String(64)


class Evaluation(Base):
    """Metrics of one model revision on one split of one data revision, as one job measured them. Never changed."""

    __tablename__ = "evaluations"
    __table_args__ = (
        # A model's page lists its evaluations, newest first; ids sort by time.
        Index("ix_evaluations_model", "model_repo_id", "model_revision", "id"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    model_repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    model_revision: Mapped[str] = mapped_column(OID)
    data_repo_id: Mapped[str] = mapped_column(ID)
    """Not a foreign key: what was measured stays when the data goes."""
    data_revision: Mapped[str] = mapped_column(OID)
    split: Mapped[str | None] = mapped_column(String(100))
    """None where all rows were taken."""
    task: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(Text)
    """The predicted column."""
    rows: Mapped[int]
    metrics: Mapped[dict[str, dict[str, Any]]] = mapped_column(Json)
    """By name, in the order in which they are shown: title, unit, better, value, low, high, method, reason."""
    latency: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Milliseconds from a row's tensors to its answer, one row at a time: value (median), low, high, rows."""
    artifact: Mapped[dict[str, Any]] = mapped_column(Json)
    """What was loaded: format, file, size in bytes."""
    notes: Mapped[list[str]] = mapped_column(Json)
    """What a reader of the figures should know, in sentences."""
    hardware: Mapped[str] = mapped_column(String(200))
    versions: Mapped[dict[str, str]] = mapped_column(Json)
    seconds: Mapped[float]
    plots: Mapped[dict[str, dict[str, str]]] = mapped_column(Json, info=NAMES_CONTENT)
    """By name, in the order in which they are shown: title, and the blobs of spec and svg."""
    report_sha256: Mapped[str] = mapped_column(SHA256, info=NAMES_CONTENT)
    """JSON: the figures of each label, the confusion matrix, calibration or residuals."""
    predictions_sha256: Mapped[str] = mapped_column(SHA256, info=NAMES_CONTENT)
    """Parquet: the answer to every row."""
    job_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
