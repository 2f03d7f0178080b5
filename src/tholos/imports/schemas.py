"""Wire shapes of imports."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from tholos.imports.report import Corrections, How
from tholos.imports.service import Described, State
from tholos.tasks.signature import TaskId

_Name = Annotated[str, Field(min_length=1, max_length=300)]


class ModelImportIn(BaseModel, extra="forbid"):
    """What to make deployable, and what its files do not say. What is left out is found out, or guessed."""

    revision: str = Field("main", max_length=300, description="Branch, tag or commit id; the head of main.")
    task: TaskId | None = None
    label_names: list[_Name] = Field(
        default_factory=list, max_length=10_000, description="The classes, in the order of the model's outputs."
    )
    input_names: list[_Name] = Field(
        default_factory=list, max_length=5000, description="The inputs, in the model's order."
    )
    output_name: str = Field("", max_length=300, description="What the model predicts.")
    data: str = Field(
        "", max_length=200, description="The dataset that it learned from; compiling compares on its rows."
    )
    data_revision: str = Field("", max_length=300)

    def corrections(self) -> Corrections:
        """What the body corrects."""
        return Corrections(
            task=self.task,
            label_names=tuple(self.label_names),
            input_names=tuple(self.input_names),
            output_name=self.output_name,
            data=self.data,
            data_revision=self.data_revision,
        )


class FactOut(BaseModel):
    """One thing that is known of a model."""

    name: str
    value: Any
    how: How = Field(description="read from the files, guessed, or given by the user.")
    note: str


class ObstacleOut(BaseModel):
    """Why the model cannot be deployed as it is."""

    code: str
    message: str
    next: str


class DescriptionOut(BaseModel):
    """What the model of a revision is."""

    model: str
    revision: str
    state: State = Field(description="pending while a job reads the files; none where there is no model in them.")
    deployable: bool = Field(description="Whether a deployment can serve the revision as it is.")
    importable: bool = Field(description="Whether importing it would make it deployable.")
    format: str | None
    file: str | None
    library: str | None
    task: str | None
    runtime: str | None
    guessed: list[str] = Field(description="The names of the facts that were guessed.")
    facts: list[FactOut]
    signature: dict[str, Any] | None
    provenance: dict[str, Any]
    obstacle: ObstacleOut | None
    lacks: ObstacleOut | None = Field(description="What the server has to be given before it can serve the model.")

    @classmethod
    def of(cls, found: Described) -> DescriptionOut:
        report, model, lacks = found.report, found.model, found.lacks
        obstacle = report.obstacle if report else None
        told: dict[str, Any] | None = None
        if found.error is not None:
            told = {key: str(found.error.get(key, "")) for key in ("code", "message", "next")}
        elif obstacle is not None:
            told = {"code": obstacle.code, "message": obstacle.message, "next": obstacle.next}
        signature = model.signature.to_json() if model else report.signature if report else None
        return cls(
            model=found.repo.full_name,
            revision=found.revision.commit_id,
            state=found.state,
            deployable=found.deployable,
            importable=found.importable,
            format=report.format if report else model.serve if model else None,
            file=report.file if report else model.artifact().file if model else None,
            library=report.library if report else None,
            task=model.task if model else report.task if report else None,
            runtime=model.serve if model else report.runtime if report else None,
            guessed=list(report.guessed) if report else [],
            facts=[
                FactOut(name=fact.name, value=fact.value, how=fact.how, note=fact.note)
                for fact in (report.facts if report else ())
            ],
            signature=signature,
            provenance=report.provenance if report else {},
            obstacle=None if told is None else ObstacleOut(**told),
            lacks=None if lacks is None else ObstacleOut(code=lacks.code, message=lacks.message, next=lacks.next),
        )
