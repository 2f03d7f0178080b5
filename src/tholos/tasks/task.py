"""The tasks: what a model takes, what it answers, and by which figures it is judged."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tholos.tasks.errors import UnknownTask
from tholos.tasks.fields import Dtype
from tholos.tasks.metrics import CLASSIFICATION_METRICS, REGRESSION_METRICS, Metric
from tholos.tasks.signature import TaskId


@dataclass(frozen=True, kw_only=True)
class Task:
    """A kind of prediction."""

    id: TaskId
    title: str
    input: str
    """What the model takes, in words."""
    output: str
    """What the model answers, in words."""
    output_kind: Literal["class", "number", "text"]
    dtypes: tuple[Dtype, ...]
    """The types of input fields."""
    metrics: tuple[Metric, ...]
    """In the order in which they are shown; the first is the one by which models are ranked. None where models are
    neither trained nor evaluated here."""
    form: str
    """What a page asks for: `fields` (one control per field), `text` (a text area) or `file` (an image)."""

    @property
    def primary(self) -> Metric:
        """The metric by which models of this task are ranked."""
        return self.metrics[0]

    def metric(self, name: str) -> Metric:
        """The metric of this name; KeyError if the task has none."""
        return next(metric for metric in self.metrics if metric.name == name)


_ALL = (
    Task(
        id="tabular-classification",
        title="Tabular classification",
        input="A row of named numbers, integers, booleans and strings.",
        output="One of the classes, with a probability for each.",
        output_kind="class",
        dtypes=("number", "integer", "boolean", "string"),
        metrics=CLASSIFICATION_METRICS,
        form="fields",
    ),
    Task(
        id="tabular-regression",
        title="Tabular regression",
        input="A row of named numbers, integers, booleans and strings.",
        output="A number.",
        output_kind="number",
        dtypes=("number", "integer", "boolean", "string"),
        metrics=REGRESSION_METRICS,
        form="fields",
    ),
    Task(
        id="text-classification",
        title="Text classification",
        input="A text.",
        output="One of the classes, with a probability for each.",
        output_kind="class",
        dtypes=("text",),
        metrics=CLASSIFICATION_METRICS,
        form="text",
    ),
    Task(
        id="image-classification",
        title="Image classification",
        input="An image file.",
        output="One of the classes, with a probability for each.",
        output_kind="class",
        dtypes=("image",),
        metrics=CLASSIFICATION_METRICS,
        form="file",
    ),
    Task(
        id="text-generation",
        title="Text generation",
        input="A text.",
        output="A text.",
        output_kind="text",
        dtypes=("text",),
        metrics=(),
        form="text",
    ),
)

TASKS: Mapping[str, Task] = {item.id: item for item in _ALL}
"""Every task by its id (the ids are Hugging Face's pipeline tags)."""

TRAINABLE: tuple[TaskId, ...] = tuple(item.id for item in _ALL if item.metrics)
"""The ids of those whose models are trained and evaluated here."""


def task(task_id: str) -> Task:
    """The task of this id.

    Raises:
        UnknownTask: there is none; the error names the nearest.

    """
    found = TASKS.get(task_id)
    if found is None:
        near = difflib.get_close_matches(task_id, TASKS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UnknownTask(f"There is no task {task_id!r}.", next=f"{hint}Tasks are: {', '.join(TASKS)}.")
    return found


def trainable_task(task_id: str) -> Task:
    """The task of this id, whose models are trained here.

    Raises:
        UnknownTask: there is none, or models for it are only served.

    """
    found = task(task_id)
    if not found.metrics:
        raise UnknownTask(
            f"Models for {found.id} are served here, not trained.", next=f"Tasks to train for: {', '.join(TRAINABLE)}."
        )
    return found
