"""The typed inputs and outputs of a model: pure data, no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Dtype: TypeAlias = Literal["number", "integer", "string", "boolean", "text", "image"]
Label: TypeAlias = str | int | bool
Widget: TypeAlias = Literal["number", "select", "text", "checkbox", "textarea", "file"]

NUMERIC: frozenset[str] = frozenset({"number", "integer", "boolean"})
"""The dtypes that travel in the batch's `numeric` tensor."""

EXPECTED: dict[str, str] = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a string",
    "boolean": "true or false",
    "text": "a string",
    "image": "an image as a base64 string",
}
"""What an error says was expected, per dtype."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One input of a model."""

    name: str
    dtype: Dtype
    shape: tuple[int, ...] = ()
    """Height, width and channels of an image; empty for everything else."""
    categories: tuple[str, ...] | None = None
    """The strings seen in training, most frequent first; others are allowed and count as unknown."""
    minimum: float | None = None
    """The smallest number seen in training (for information: smaller ones are allowed)."""
    maximum: float | None = None
    """The largest number seen in training (for information: larger ones are allowed)."""
    missing: bool = False
    """Whether null is allowed: training data had missing values in this column."""
    description: str = ""

    @property
    def widget(self) -> Widget:
        """The form control that suits this field."""
        if self.dtype == "string":
            return "select" if self.categories else "text"
        widgets: dict[str, Widget] = {
            "number": "number",
            "integer": "number",
            "boolean": "checkbox",
            "text": "textarea",
            "image": "file",
        }
        return widgets[self.dtype]


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a model predicts."""

    name: str
    """The target column's name in the training data."""
    kind: Literal["class", "number", "text"]
    labels: tuple[Label, ...] | None = None
    """The classes, in the order of the model's probabilities; JSON types are kept. None for a number or a text."""


def label_key(label: Label) -> str:
    """The label as the key of a JSON object: strings as they are, `true`, `false`, and integers in decimal."""
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label)
