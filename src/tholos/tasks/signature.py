"""The signature of a model: its typed inputs and outputs, and the way from JSON to tensors and back.

Pure: importing this module imports neither pandas, scikit-learn, pyarrow nor Pillow, so a server may hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from tholos.tasks.encoding import Batch, Limits, encode_rows, is_single
from tholos.tasks.errors import BrokenSignature, OutputNotFinite
from tholos.tasks.fields import NUMERIC, Field, Label, Output, label_key

__all__ = ["Batch", "Field", "Label", "Limits", "Output", "Outputs", "Signature", "TaskId", "decode", "label_key"]

TaskId: TypeAlias = Literal[
    "tabular-classification", "tabular-regression", "text-classification", "image-classification", "text-generation"
]

Outputs: TypeAlias = dict[str, np.ndarray[Any, Any]]
"""What every runtime answers. Classification: `label_index` int64 [rows] and `probabilities` float [rows, labels].
Regression: `value` float64 [rows]. Generation: `text` and `finish_reason` (`stop`, or `length` where the text was cut
off), object of str [rows]."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The typed inputs and outputs of a model, an example and the training data's statistics."""

    task: TaskId
    inputs: tuple[Field, ...]
    output: Output
    example: Any
    """One input as JSON, such as `encode` accepts: a row object, a string, or an image in base64."""
    reference: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Statistics of the training data by column (inputs and target), for forms and for drift."""

    @cached_property
    def numeric(self) -> tuple[int, ...]:
        """Positions of the fields that travel in the batch's `numeric` tensor."""
        return tuple(i for i, item in enumerate(self.inputs) if item.dtype in NUMERIC)

    @cached_property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the fields that travel in the batch's `categorical` tensor."""
        return tuple(i for i, item in enumerate(self.inputs) if item.dtype == "string")

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs' names, in order."""
        return tuple(item.name for item in self.inputs)

    def is_single(self, value: Any) -> bool:
        """Whether an input is one row (so that the answer is one output) rather than a list of rows."""
        return is_single(value)

    def encode(self, value: Any, limits: Limits | None = None) -> Batch:
        """Turn a request's input into the canonical batch.

        Accepts a row object, a list of row objects, nested lists (rows in the signature's order); for text a string or
        a list of strings; for images a base64 string, raw bytes, or a list of those or of pixel arrays. An unseen
        category is allowed.

        Raises:
            InvalidInput: one of `tholos.tasks.errors`, with field, row number and what was expected.

        """
        return encode_rows(self.inputs, self.output.name, value, limits or Limits())

    def to_json(self) -> dict[str, Any]:
        """This signature as JSON values, as `model.json` keeps it."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @classmethod
    def from_json(cls, value: Any) -> Signature:
        """Read a signature from JSON values.

        Raises:
            BrokenSignature: something is missing, of the wrong type, or inconsistent.

        """
        try:
            signature = msgspec.convert(value, cls)
        except (msgspec.ValidationError, RecursionError) as error:
            raise BrokenSignature(
                f"The signature cannot be read: {error}.", next="Train the model again, or correct its model.json."
            ) from error
        problem = _problem(signature)
        if problem:
            raise BrokenSignature(
                f"The signature contradicts itself: {problem}.",
                next="Train the model again, or correct its model.json.",
            )
        return signature


_KINDS: Mapping[str, str] = {"tabular-regression": "number", "text-generation": "text"}
_SOLE: Mapping[str, set[str]] = {
    "text-classification": {"text"},
    "image-classification": {"image"},
    "text-generation": {"text"},
}
"""Tasks with one input, and its type."""


def _problem(signature: Signature) -> str | None:
    if not signature.inputs:
        return "it has no inputs"
    if len(set(signature.names)) != len(signature.names):
        return "two inputs have the same name"
    if signature.output.kind != _KINDS.get(signature.task, "class"):
        return f"the output of {signature.task} cannot be a {signature.output.kind}"
    if (signature.output.kind == "class") != bool(signature.output.labels):
        return "a class output needs labels and any other has none"
    if len({label_key(label) for label in signature.output.labels or ()}) != len(signature.output.labels or ()):
        return "two labels read the same"
    dtypes = {item.dtype for item in signature.inputs}
    sole = _SOLE.get(signature.task)
    if sole is not None and (dtypes != sole or len(signature.inputs) != 1):
        return f"{signature.task} has exactly one input, of type {next(iter(sole))}"
    if sole is None and dtypes & {"text", "image"}:
        return f"{signature.task} takes numbers, integers, booleans and strings"
    for item in signature.inputs:
        if item.dtype == "image" and not (
            len(item.shape) == 3 and item.shape[2] in (1, 3) and 0 < item.shape[0] * item.shape[1] <= 1 << 24
        ):
            return f"the image {item.name!r} needs a shape of height, width and 1 or 3 channels"
    return None


def decode(signature: Signature, outputs: Outputs) -> list[dict[str, Any]]:
    """Turn a runtime's outputs into JSON values, one object per row.

    Classification: `{"output": label, "probabilities": {label: p}}`; regression: `{"output": number}`; generation:
    `{"output": text, "finish_reason": "stop" or "length"}`.

    Raises:
        OutputNotFinite: the model answered NaN or infinity (input far outside what it learned from).

    """
    if signature.output.kind == "number":
        values = np.asarray(outputs["value"], dtype=np.float64).reshape(-1)
        _refuse_not_finite(np.isfinite(values))
        return [{"output": value} for value in values.tolist()]
    if signature.output.kind == "text":
        return [
            {"output": text, "finish_reason": reason}
            for text, reason in zip(outputs["text"].tolist(), outputs["finish_reason"].tolist(), strict=True)
        ]
    labels = signature.output.labels or ()
    indices = np.asarray(outputs["label_index"]).reshape(-1).tolist()
    probabilities = outputs.get("probabilities")
    if probabilities is None:
        return [{"output": labels[index]} for index in indices]
    _refuse_not_finite(np.isfinite(np.sum(probabilities, axis=1)))
    keys = [label_key(label) for label in labels]
    return [
        {"output": labels[index], "probabilities": dict(zip(keys, row, strict=True))}
        for index, row in zip(indices, np.asarray(probabilities, dtype=np.float64).tolist(), strict=True)
    ]


def _refuse_not_finite(finite: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    if not finite.all():
        row = int(np.argmin(finite))
        raise OutputNotFinite(
            f"The model's answer for row {row} is not a finite number.",
            next="Check this row for values far outside the training data (the signature shows minimum and maximum).",
            row=row,
        )
