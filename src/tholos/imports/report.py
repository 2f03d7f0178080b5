"""What was found out about a model's files, and how: read from them, guessed, or said by the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

from tholos.tasks.fields import Label
from tholos.tasks.signature import TaskId

IMPORT_JSON = "import.json"
"""The report of an imported model, in its revision beside model.json."""

How: TypeAlias = Literal["read", "guessed", "given"]
"""``read``: the file says so; ``guessed``: concluded from names, shapes or custom; ``given``: the user said so."""
FormatName: TypeAlias = Literal["mlflow", "onnx", "skops", "gguf", "transformers", "pickle"]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that is known of a model."""

    name: str
    """A short name, such as ``task`` or ``quantization``."""
    value: Any
    """A string, number, boolean, or a list or object of these."""
    how: How
    note: str = ""
    """Where it was read, or why it was guessed."""


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why the model cannot be deployed as it is."""

    code: str
    message: str
    next: str


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """What the user says about a model; what is left out is found out."""

    task: TaskId | None = None
    label_names: tuple[Label, ...] = ()
    """The classes, in the order of the model's outputs."""
    input_names: tuple[str, ...] = ()
    """The inputs, in the model's order."""
    output_name: str = ""
    """What the model predicts."""
    data: str = ""
    """``namespace/name`` of the dataset that it learned from; compiling compares on its rows."""
    data_revision: str = ""

    def over(self, earlier: Corrections) -> Corrections:
        """These, and what was said earlier and is not said anew."""
        names = ("task", "label_names", "input_names", "output_name")
        chosen = {name: getattr(self, name) or getattr(earlier, name) for name in names}
        source = self if self.data else earlier
        return Corrections(**chosen, data=source.data, data_revision=source.data_revision)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @classmethod
    def from_json(cls, value: Any) -> Corrections:
        """Read corrections. Raises msgspec.ValidationError."""
        return msgspec.convert(value, cls)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A model's files described, with or without an obstacle to deploying them."""

    format: FormatName
    file: str
    """The file that holds the model, or tells where it is."""
    sha256: str = ""
    """Of that file, so that the report is known not to speak of another."""
    library: str
    """The library that made it, by Hugging Face's name where it has one."""
    task: str | None = None
    runtime: str | None = None
    """The runtime that will serve it; None when none of this installation does."""
    facts: tuple[Fact, ...] = ()
    signature: dict[str, Any] | None = None
    """As in model.json; None where there is an obstacle."""
    obstacle: Obstacle | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    """What the files say of where they come from: run, registered name, versions."""
    corrections: Corrections = field(default_factory=Corrections)
    """What the user said when it was imported."""

    @property
    def guessed(self) -> tuple[str, ...]:
        """The names of the facts that were guessed."""
        return tuple(fact.name for fact in self.facts if fact.how == "guessed")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    def to_bytes(self) -> bytes:
        """The content of ``import.json``."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_json(cls, value: Any) -> Report:
        """Read a report. Raises msgspec.ValidationError."""
        return msgspec.convert(value, cls)

    @classmethod
    def from_bytes(cls, data: bytes) -> Report | None:
        """Read ``import.json``; None where somebody wrote something else into it."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, RecursionError):
            return None
