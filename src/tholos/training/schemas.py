"""Wire shapes of training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tholos.tasks.signature import TaskId
from tholos.training.algorithm import Algorithm, Parameter
from tholos.training.catalogue import AUTO
from tholos.training.request import TrainingRequest
from tholos.training.shared import SharedAlgorithm


class ParameterOut(BaseModel):
    """A hyper-parameter or option with its bounds."""

    name: str
    type: Literal["int", "float", "choice", "bool"]
    default: bool | int | float | str
    minimum: float | None
    maximum: float | None
    choices: list[str]
    log: bool = Field(description="Whether sensible steps are factors rather than differences.")
    doc: str

    @classmethod
    def of(cls, item: Parameter) -> ParameterOut:
        return cls(
            name=item.name,
            type=item.type,
            default=item.default,
            minimum=item.minimum,
            maximum=item.maximum,
            choices=list(item.choices),
            log=item.log,
            doc=item.doc,
        )


class AlgorithmOut(BaseModel):
    """An algorithm of the catalogue."""

    name: str
    title: str
    summary: str
    tasks: list[TaskId]
    citation: str
    parameters: list[ParameterOut]

    @classmethod
    def of(cls, entry: Algorithm) -> AlgorithmOut:
        return cls(
            name=entry.name,
            title=entry.title,
            summary=entry.summary,
            tasks=list(entry.tasks),
            citation=entry.citation,
            parameters=[ParameterOut.of(item) for item in entry.parameters],
        )


class SharedAlgorithmOut(AlgorithmOut):
    """What an algorithm repo says about itself, at one revision."""

    repo: str
    revision: str = Field(description="The commit that was read.")
    entry: str = Field(description="file.py:function")

    @classmethod
    def of_repo(cls, found: SharedAlgorithm) -> SharedAlgorithmOut:
        told = found.description
        return cls(
            name=found.repo.full_name,
            title=told.title,
            summary=told.summary,
            tasks=list(told.tasks),
            citation=told.citation,
            parameters=[ParameterOut.of(item) for item in told.parameters],
            repo=found.repo.full_name,
            revision=found.revision.commit_id,
            entry=told.entry,
        )


class AlgorithmList(BaseModel):
    """The catalogue, and the options that every training takes beside an algorithm's own parameters."""

    items: list[AlgorithmOut]
    options: list[ParameterOut]


class TrainIn(BaseModel):
    """A training to start. What is left out is told from the data."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(max_length=200, examples=["ada/penguins"])
    revision: str | None = Field(
        None, max_length=300, description="Branch, tag or commit; by default the head of main."
    )
    split: str | None = Field(
        None, max_length=100, description='By default "train" where the dataset has a split; "all" takes every row.'
    )
    target: str | None = Field(None, max_length=1000, description="The column to predict.")
    features: list[str] | None = Field(None, max_length=10_000, description="By default every column that can be used.")
    algorithm: str = Field(
        AUTO,
        max_length=400,
        description="A name of the catalogue, auto, or an algorithm repo as namespace/name or namespace/name@revision.",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Hyper-parameters of the algorithm.")
    task: str | None = Field(None, max_length=100)
    name: str | None = Field(None, max_length=200, description="The model, created where there is none.")
    seed: int = 0
    budget_s: float = Field(60.0, description="Seconds that auto may use.")
    validation: float | None = Field(None, description="Share of the rows held out to score; 0 scores nothing.")
    folds: int | None = Field(None, description="Score by so many folds instead.")
    max_categories: int = 64
    max_image_side: int = 32

    def to_request(self) -> TrainingRequest:
        """What to learn and how. Raises as `TrainingRequest`."""
        given = self.model_dump(exclude={"dataset", "revision", "split", "name", "features"})
        return TrainingRequest(**given, features=None if self.features is None else tuple(self.features))
