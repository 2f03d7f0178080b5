"""What an algorithm is: a name, tasks, typed bounded hyper-parameters, a citation and a way to build its estimator."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tholos.tasks.signature import TaskId
from tholos.training.errors import InvalidParameter, UnknownParameter

ParamValue: TypeAlias = int | float | str | bool
Params: TypeAlias = Mapping[str, ParamValue]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One hyper-parameter with its bounds."""

    name: str
    type: Literal["int", "float", "choice", "bool"]
    default: ParamValue
    doc: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    log: bool = False
    """Whether sensible steps are factors rather than differences (for sliders and search)."""

    def check(self, value: Any) -> ParamValue:
        """The value in this parameter's type.

        Raises:
            InvalidParameter: wrong type, out of bounds, or not among the choices.

        """
        if self.type == "bool" and isinstance(value, bool):
            return value
        if self.type == "choice" and isinstance(value, str) and value in self.choices:
            return value
        if self.type in ("int", "float") and isinstance(value, int | float) and not isinstance(value, bool):
            assert self.minimum is not None
            assert self.maximum is not None
            whole = self.type == "float" or (math.isfinite(value) and value == int(value))
            if whole and self.minimum <= value <= self.maximum:
                return int(value) if self.type == "int" else float(value)
        raise InvalidParameter(
            f"{self.name} = {value!r:.80} is not allowed.",
            next=f"{self.name} takes {self.allowed}; the default is {self.default!r}.",
            parameter=self.name,
            minimum=self.minimum,
            maximum=self.maximum,
            choices=list(self.choices),
        )

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.type == "bool":
            return "true or false"
        if self.type == "choice":
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if self.type == "int" else "a number"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an estimator's construction may depend on, beside its hyper-parameters."""

    task: TaskId
    rows: int
    smallest_class: int
    """Rows of the rarest class; 0 for regression."""

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.task == "tabular-regression"


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """An entry of the catalogue."""

    name: str
    title: str
    summary: str
    tasks: tuple[TaskId, ...]
    parameters: tuple[Parameter, ...]
    citation: str
    build: Callable[[Params, Shape, int], Any]
    """(checked parameters, shape, seed) -> an unfitted scikit-learn estimator. Imports the library inside."""
    scale: bool = False
    """Whether numeric columns are standardised before the estimator."""
    portfolio: tuple[Mapping[str, ParamValue], ...] = ({},)
    """Parameter sets that `auto` tries, the most promising first."""
    rank: int = 100
    """Where `auto` places this algorithm within one round of trials; lower comes first."""
    growth: float = 1.0
    """The power of the row count with which fitting time grows (`auto` uses it to predict a trial's cost)."""
    defaults: Params = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defaults", {item.name: item.default for item in self.parameters})

    def check(self, params: Mapping[str, Any]) -> Params:
        """Every hyper-parameter of this algorithm, those given checked and the rest at their defaults.

        Raises:
            UnknownParameter: a name that this algorithm does not have; the error names the nearest.
            InvalidParameter: a value out of bounds.

        """
        known = {item.name: item for item in self.parameters}
        for name in params:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=2, cutoff=0.4)
                hint = f"Did you mean {' or '.join(near)}? " if near else ""
                raise UnknownParameter(
                    f"{self.title} has no parameter {name!r:.80}.",
                    next=f"{hint}It has: {', '.join(known) or 'none'}.",
                    parameter=name,
                    near=near,
                )
        return {name: item.check(params.get(name, item.default)) for name, item in known.items()}
