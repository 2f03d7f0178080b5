"""What a model answered on rows whose truth is known: the input of every metric, curve and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tholos.tasks.fields import Label, label_key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClassOutcomes:
    """The answers of a classifier on ``n`` rows.

    ``labels`` are the labels the model knows, in the order of its outputs, followed by those of the data that it never
    saw. ``actual`` and ``predicted`` (``int64 [n]``) index into them; ``probabilities`` (``float64 [n, known]``) has a
    column for each known label only, or is ``None`` for a model that gives none.
    """

    labels: tuple[Label, ...]
    known: int
    actual: Ints
    predicted: Ints
    probabilities: Floats | None = None

    def __len__(self) -> int:
        return len(self.actual)

    @property
    def is_binary(self) -> bool:
        """Whether the model tells exactly two labels apart; the second one is the positive class."""
        return self.known == 2

    @property
    def unseen(self) -> Flags:
        """Which rows carry a label that the model never saw (``bool [n]``)."""
        return self.actual >= self.known

    def take(self, rows: Ints) -> ClassOutcomes:
        """Return these rows, in this order, as often as each is named."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return replace(self, actual=self.actual[rows], predicted=self.predicted[rows], probabilities=probabilities)


@dataclass(frozen=True, eq=False)
class NumberOutcomes:
    """The answers of a regression on ``n`` rows: ``actual`` and ``predicted`` are finite ``float64 [n]``."""

    actual: Floats
    predicted: Floats

    def __len__(self) -> int:
        return len(self.actual)

    @property
    def residuals(self) -> Floats:
        """Predicted minus actual, in the target's unit: above zero where the model answers too much."""
        return self.predicted - self.actual

    def take(self, rows: Ints) -> NumberOutcomes:
        """Return these rows, in this order, as often as each is named."""
        return NumberOutcomes(self.actual[rows], self.predicted[rows])


Outcomes = ClassOutcomes | NumberOutcomes


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of ``n`` rows into ``count`` groups; ``index`` (``int64 [n]``) is the group of each row."""

    index: Ints
    count: int

    @classmethod
    def one(cls, rows: int) -> Groups:
        """All rows together: sums over this group are the sums of the sample."""
        return cls(np.zeros(rows, dtype=np.int64), 1)

    @classmethod
    def random(cls, rows: int, at_most: int, rng: np.random.Generator) -> Groups:
        """Each row by itself, or, of more than *at_most* rows, that many random groups of equal size (±1)."""
        if rows <= at_most:
            return cls(np.arange(rows, dtype=np.int64), rows)
        return cls(rng.permutation(np.arange(rows, dtype=np.int64) % at_most), at_most)

    def total(self, values: Floats) -> Floats:
        """Sum *values* (``[n]``) within each group (``[count]``)."""
        return np.bincount(self.index, weights=values, minlength=self.count).astype(np.float64, copy=False)

    def tally(self, choices: Ints, width: int, where: Flags | None = None) -> Floats:
        """Count within each group how often each of *width* choices occurs (``[count, width]``)."""
        cells = self.index * width + choices
        if where is not None:
            cells = cells[where]
        counted = np.bincount(cells, minlength=self.count * width)
        return counted.reshape(self.count, width).astype(np.float64)


def class_outcomes(
    labels: Sequence[Label], actual: Sequence[Any], predicted: Ints, probabilities: Floats | None = None
) -> ClassOutcomes:
    """Index *actual* labels into the model's *labels*, as JSON writes both; what it never saw is appended, by name."""
    places = {label_key(label): place for place, label in enumerate(labels)}
    keys = [label_key(label) for label in actual]
    unseen = {key: label for key, label in zip(keys, actual, strict=True) if key not in places}
    places.update({key: len(labels) + place for place, key in enumerate(sorted(unseen))})
    named = (unseen[key] if isinstance(unseen[key], str | int) else key for key in sorted(unseen))
    return ClassOutcomes(
        labels=(*labels, *named),
        known=len(labels),
        actual=np.fromiter((places[key] for key in keys), dtype=np.int64, count=len(keys)),
        predicted=np.asarray(predicted, dtype=np.int64),
        probabilities=None if probabilities is None else np.asarray(probabilities, dtype=np.float64),
    )
