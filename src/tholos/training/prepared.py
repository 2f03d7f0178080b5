"""Data made ready: a table becomes a signature, a batch and a target, with a note on everything left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.tasks.fields import Field
from tholos.tasks.images import encode_png
from tholos.tasks.signature import Batch, Signature, TaskId
from tholos.tasks.tables import batch_of
from tholos.training import statistics
from tholos.training.algorithm import Algorithm, Shape
from tholos.training.features import choose_fields
from tholos.training.request import TrainingRequest
from tholos.training.target import Target, choose_target, choose_task, read_target, types_of

if TYPE_CHECKING:
    import pyarrow as pa

Rows = np.ndarray[Any, np.dtype[np.int64]]

EXAMPLE_CHARS = 500
"""How much of a text is shown as the example."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training data in memory."""

    signature: Signature
    batch: Batch
    target: np.ndarray[Any, Any]
    """int64 label indices, or float64 [rows]."""
    rows_without_target: int
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.target)

    @property
    def task(self) -> TaskId:
        """The task that the data serves."""
        return self.signature.task

    @property
    def smallest_class(self) -> int:
        """Rows of the rarest class; 0 for a number."""
        return smallest_class(self.signature, self.target)

    def take(self, rows: Rows) -> Batch:
        """The batch of some rows."""
        return {name: tensor[rows] for name, tensor in self.batch.items()}

    def shape(self, rows: Rows | None = None) -> Shape:
        """What estimators may depend on, for all rows or some."""
        target = self.target if rows is None else self.target[rows]
        return Shape(task=self.task, rows=len(target), smallest_class=smallest_class(self.signature, target))


def smallest_class(signature: Signature, target: np.ndarray[Any, Any]) -> int:
    """Rows of the rarest of the signature's classes within `target`; 0 for a number."""
    labels = signature.output.labels
    return 0 if labels is None else int(np.bincount(target, minlength=len(labels)).min())


def prepare(table: pa.Table, request: TrainingRequest, entry: Algorithm | None = None) -> Prepared:
    """Choose target, task and fields, and read them; `entry` as for `choose_task`.

    Raises:
        InvalidInput, Unprocessable: see `tholos.training.errors` and `tholos.tasks.errors`; each says what to do.

    """
    types = types_of(table)
    name = choose_target(types, request.target)
    task = choose_task(types, table, name, request, entry)
    target = read_target(table, name, task)
    notes: list[str] = []
    without = len(table) - len(target.rows)
    if without:
        notes.append(f"{without} rows without a target {name!r} were left out.")
        table = table.take(target.rows)
    fields = choose_fields(table, types, name, task, request, notes)
    bare = Signature(task=task, inputs=fields, output=target.output, example=None)
    batch = batch_of(bare, table)
    signature = Signature(
        task=task,
        inputs=fields,
        output=target.output,
        example=_example(bare, batch),
        reference=_reference(bare, batch, target),
    )
    return Prepared(
        signature=signature, batch=batch, target=target.values, rows_without_target=without, notes=tuple(notes)
    )


def _example(signature: Signature, batch: Batch) -> Any:
    """The first row without a gap (or else the first) as a request would send it."""
    if "image" in batch:
        return encode_png(batch["image"][0])
    if "text" in batch:
        texts = batch["text"].tolist()
        return next((text for text in texts if text), "")[:EXAMPLE_CHARS]
    rows = len(next(iter(batch.values())))
    gaps = np.zeros(rows, dtype=np.int64)
    if "numeric" in batch:
        gaps += np.isnan(batch["numeric"]).sum(axis=1)
    if "categorical" in batch:
        gaps += (batch["categorical"] == "").sum(axis=1)
    row = int(gaps.argmin())
    values: dict[int, Any] = {}
    for j, position in enumerate(signature.numeric):
        values[position] = _json_number(float(batch["numeric"][row, j]), signature.inputs[position])
    for j, position in enumerate(signature.categorical):
        values[position] = batch["categorical"][row, j] or None
    return {item.name: values[position] for position, item in enumerate(signature.inputs)}


def _json_number(value: float, item: Field) -> float | int | bool | None:
    if np.isnan(value):
        return None
    if item.dtype == "boolean":
        return bool(value)
    return int(value) if item.dtype == "integer" else value


def _reference(signature: Signature, batch: Batch, target: Target) -> dict[str, dict[str, Any]]:
    described: dict[str, dict[str, Any]] = {}
    for j, position in enumerate(signature.numeric):
        described[signature.inputs[position].name] = statistics.of_numbers(batch["numeric"][:, j])
    for j, position in enumerate(signature.categorical):
        described[signature.inputs[position].name] = statistics.of_strings(batch["categorical"][:, j])
    sole = signature.inputs[0].name
    if "text" in batch:
        described[sole] = statistics.of_texts(batch["text"])
    if "image" in batch:
        described[sole] = statistics.of_images(batch["image"])
    labels = target.output.labels
    described[target.output.name] = (
        statistics.of_numbers(target.values)
        if labels is None
        else statistics.of_labels(labels[index] for index in target.values.tolist())
    )
    return described
