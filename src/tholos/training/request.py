"""What a training is asked to do, apart from where its data comes from and its model goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tholos.tasks.signature import TaskId
from tholos.tasks.task import trainable_task
from tholos.training.algorithm import Parameter
from tholos.training.catalogue import AUTO, algorithm
from tholos.training.errors import InvalidParameter

OPTIONS = (
    Parameter(name="seed", type="int", default=0, minimum=0, maximum=2**32 - 1, doc="Start of all random choices."),
    Parameter(
        name="budget_s",
        type="float",
        default=60.0,
        minimum=1.0,
        maximum=7 * 24 * 3600.0,
        doc="Seconds that `auto` may use, the final fit included.",
    ),
    Parameter(
        name="validation",
        type="float",
        default=0.2,
        minimum=0.0,
        maximum=0.5,
        doc="Share of the rows held out to score the algorithm before it is fitted on all; 0 scores nothing.",
    ),
    Parameter(
        name="folds",
        type="int",
        default=5,
        minimum=2,
        maximum=20,
        doc="Score by so many folds of the rows instead of holding out one share.",
    ),
    Parameter(
        name="max_categories",
        type="int",
        default=64,
        minimum=2,
        maximum=1000,
        doc="Strings of a column that count as categories: the most frequent; all others are one unknown.",
    ),
    Parameter(
        name="max_image_side",
        type="int",
        default=32,
        minimum=4,
        maximum=256,
        doc="Longest side, in pixels, to which images are scaled down.",
    ),
)
"""The options beside an algorithm's own hyper-parameters, with their bounds."""

_OPTIONS = {item.name: item for item in OPTIONS}


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What to learn and how. Values are checked when it is made.

    Raises:
        UnknownTask, UnknownAlgorithm, UnknownParameter, InvalidParameter, WrongTask: see `tholos.training.errors`.

    """

    task: TaskId | None = None
    """None: told from the target and the columns."""
    target: str | None = None
    """None: the column named target, label, class or y."""
    features: tuple[str, ...] | None = None
    """None: every column that the task can use."""
    algorithm: str = AUTO
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    budget_s: float = 60.0
    validation: float | None = None
    """None: hold out a fifth where fitting takes less than a second; `auto` always scores."""
    folds: int | None = None
    max_categories: int = 64
    max_image_side: int = 32

    def __post_init__(self) -> None:
        for name, option in _OPTIONS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, option.check(value))
        if self.task is not None:
            trainable_task(self.task)
        if self.folds is not None and self.validation is not None:
            raise InvalidParameter(
                "validation and folds are two ways to score.", next="Give one of them.", parameter="folds"
            )
        if self.shared:
            return  # an algorithm repo's, which are checked against its description when it is read
        if self.algorithm != AUTO:
            algorithm(self.algorithm, self.task).check(self.params)
        elif self.params:
            raise InvalidParameter(
                "auto chooses the hyper-parameters itself.",
                next="Leave out the parameters, or name the algorithm that they belong to.",
                parameter=next(iter(self.params)),
            )

    @property
    def shared(self) -> bool:
        """Whether the algorithm is an algorithm repo's; names of the catalogue hold no slash."""
        return "/" in self.algorithm

    def to_json(self) -> dict[str, Any]:
        """The request as JSON values, for a job's payload and `training.json`."""
        return {**asdict(self), "params": dict(self.params), "features": self.features and list(self.features)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainingRequest:
        """The request that `to_json` wrote; missing keys take their defaults."""
        known = {name: value[name] for name in cls.__dataclass_fields__ if value.get(name) is not None}
        if "features" in known:
            known["features"] = tuple(known["features"])
        return cls(**known)
