"""How an algorithm is scored on its training data: rows held out, or folds; always the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tholos.tasks.metrics import metrics_for, score
from tholos.tasks.outcomes import ClassOutcomes, NumberOutcomes
from tholos.tasks.signature import Outputs, Signature
from tholos.training.errors import RareClass, TooFewRows
from tholos.training.prepared import Prepared, Rows
from tholos.training.request import TrainingRequest

Scores = dict[str, float]

FOLDED_ROWS = 2000
"""Up to so many rows `auto` scores by five folds; beyond, a fifth held out is steady enough."""


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """A way to score."""

    method: Literal["holdout", "folds"]
    fraction: float = 0.2
    """Share of the rows held out."""
    folds: int = 5

    @property
    def fits(self) -> int:
        """How often the algorithm is fitted for one score."""
        return 1 if self.method == "holdout" else self.folds

    def divisions(self, prepared: Prepared, seed: int) -> Iterator[tuple[Rows, Rows]]:
        """(rows to fit, rows to score), as often as the method says."""
        if self.method == "holdout":
            yield _hold_out(prepared, self.fraction, seed)
            return
        from sklearn.model_selection import KFold, StratifiedKFold

        folds = (KFold if prepared.signature.output.labels is None else StratifiedKFold)(
            self.folds, shuffle=True, random_state=seed
        )
        yield from folds.split(np.zeros(len(prepared)), prepared.target)

    def to_json(self) -> dict[str, Any]:
        """The method with its one number."""
        if self.method == "holdout":
            return {"method": self.method, "fraction": self.fraction}
        return {"method": self.method, "folds": self.folds}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Scoring:
        """What `to_json` wrote."""
        return cls(**value)


def asked_scoring(request: TrainingRequest) -> Scoring | None:
    """The scoring that the request names, if it names one."""
    if request.folds is not None:
        return Scoring(method="folds", folds=request.folds)
    if request.validation:
        return Scoring(method="holdout", fraction=request.validation)
    return None


def usual_scoring(prepared: Prepared) -> Scoring:
    """Five folds of small data, a fifth held out of large data or where a class is too rare for folds."""
    rare = prepared.signature.output.labels is not None and prepared.smallest_class < 5
    if len(prepared) > FOLDED_ROWS or rare or len(prepared) < 10:
        return Scoring(method="holdout")
    return Scoring(method="folds")


def check_scoring(scoring: Scoring, prepared: Prepared) -> None:
    """See that there are rows enough.

    Raises:
        TooFewRows: fewer rows than folds need, or too few to hold any out.
        RareClass: a class has fewer rows than there are folds.

    """
    rows = len(prepared)
    if scoring.method == "folds":
        if rows < 2 * scoring.folds:
            raise TooFewRows(
                f"{scoring.folds} folds need at least {2 * scoring.folds} rows; the data has {rows}.",
                next="Ask for fewer folds, or add rows.",
                rows=rows,
                folds=scoring.folds,
            )
        smallest = prepared.smallest_class
        if prepared.signature.output.labels is not None and smallest < scoring.folds:
            raise RareClass(
                f"The rarest class has {smallest} rows, fewer than the {scoring.folds} folds.",
                next=f"Ask for at most {smallest} folds, hold out a share with validation, or add rows of this class.",
                rows=smallest,
                folds=scoring.folds,
            )
    elif len(_hold_out(prepared, scoring.fraction, 0)[1]) == 0:
        raise TooFewRows(
            f"The data has {rows} rows, too few to hold any out for validation.",
            next="Add rows, or train one algorithm without validation (validation 0).",
            rows=rows,
        )


def scores_of(signature: Signature, target: np.ndarray[Any, Any], outputs: Outputs) -> Scores:
    """Every figure of the task that these answers define."""
    outcomes: ClassOutcomes | NumberOutcomes
    if signature.output.labels is None:
        outcomes = NumberOutcomes(actual=target, predicted=outputs["value"])
    else:
        labels = signature.output.labels
        outcomes = ClassOutcomes(
            labels=labels,
            known=len(labels),
            actual=target,
            predicted=outputs["label_index"],
            probabilities=outputs["probabilities"],
        )
    found = {metric.name: score(metric, outcomes).value for metric in metrics_for(outcomes)}
    return {name: value for name, value in found.items() if value is not None}


def _hold_out(prepared: Prepared, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """A random share of the rows, of each class alike; every class keeps at least two rows to learn from."""
    random = np.random.default_rng(seed)
    if prepared.signature.output.labels is None:
        order = random.permutation(len(prepared))
        held = order[: min(round(fraction * len(order)), len(order) - 2)]
    else:
        parts = []
        for index in range(len(prepared.signature.output.labels)):
            order = random.permutation(np.flatnonzero(prepared.target == index))
            parts.append(order[: max(0, min(round(fraction * len(order)), len(order) - 2))])
        held = np.concatenate(parts)
    mask = np.zeros(len(prepared), dtype=bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
