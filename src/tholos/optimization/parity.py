"""Whether a compiled model answers as its original does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tholos.optimization.cases import Group
from tholos.optimization.errors import ParityFailed
from tholos.runtimes.base import LoadedModel
from tholos.tasks.signature import Batch, Outputs, Signature

TOLERANCE = 1e-6
"""How far a probability may differ, or a value relative to its size.

Compiled graphs stay within 1e-11 or so. The rest is room for models whose own sums are that sensitive: support vectors
at a cost of 100,000 lose half their digits.
"""

WORST_ROWS = 3
"""Rows that a report shows for each group that differs."""

Verdict = Literal["parity", "differs"]


@dataclass(frozen=True, kw_only=True)
class WorstRow:
    """A row on which the two differ more than they may."""

    row: int
    """Its position within the group."""
    input: Any
    original: Any
    compiled: Any


@dataclass(frozen=True, kw_only=True)
class GroupReport:
    """The comparison on one group of rows."""

    name: str
    description: str
    rows: int
    label_disagreements: int
    """Rows to which the two give different labels; 0 for regression."""
    ties: int
    """Rows among these whose two most probable labels differ by less than the tolerance: either label is right."""
    not_finite: int
    """Rows on which both answer NaN or infinity."""
    max_abs_difference: float
    """Infinite (null in JSON) where only one of the two answers a finite number."""
    max_rel_difference: float
    """Relative to the size of the value, or to the spread of the values on the training data if that is larger; for
    probabilities the same as the absolute difference. This one has to stay within the tolerance."""
    verdict: Verdict
    worst: tuple[WorstRow, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole comparison, as ``parity.json`` keeps it."""

    format: Literal[1] = 1
    verdict: Verdict
    tolerance: float
    rows: int
    label_disagreements: int
    max_abs_difference: float
    max_rel_difference: float
    groups: tuple[GroupReport, ...]

    def to_bytes(self) -> bytes:
        """The file's content: indented JSON, UTF-8, with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def lines(self) -> list[str]:
        """The report as a person reads it in a log."""
        shown = [
            f"{group.name}: {group.verdict}, {group.rows} rows, largest difference {group.max_rel_difference:.2g}, "
            f"{group.label_disagreements} other labels"
            for group in self.groups
        ]
        return [*shown, f"in all: {self.verdict}, {self.rows} rows, tolerance {self.tolerance:g}"]

    def require(self) -> None:
        """Do nothing at parity.

        Raises:
            ParityFailed: the two differ; the error names the worst rows.

        """
        if self.verdict == "parity":
            return
        differing = [group for group in self.groups if group.verdict == "differs"]
        raise ParityFailed(
            f"The compiled model differs from its original on {', '.join(group.description for group in differing)} "
            f"(by up to {max(group.max_rel_difference for group in differing):.2g}; {self.tolerance:g} is allowed).",
            next="Nothing was committed: the uncompiled revision still serves. The job's log holds the whole report.",
            groups={group.name: msgspec.to_builtins(group.worst) for group in differing},
        )


def compare(
    original: LoadedModel, compiled: LoadedModel, groups: Sequence[Group], *, tolerance: float = TOLERANCE
) -> Report:
    """Run both models on every group of rows; the first group should be rows of the training data."""
    signature = original.signature
    spread = 0.0
    reports: list[GroupReport] = []
    for group in groups:
        with np.errstate(all="ignore"):  # extreme rows overflow on purpose
            wanted = original.infer(group.batch)
        if not reports and signature.output.kind == "number":
            spread = _spread(wanted["value"])
        got = _singly(compiled, group.batch) if group.singly else compiled.infer(group.batch)
        reports.append(_report(signature, group, _Comparison.of(wanted, got, spread, tolerance)))
    return Report(
        verdict="parity" if all(report.verdict == "parity" for report in reports) else "differs",
        tolerance=tolerance,
        rows=sum(report.rows for report in reports),
        label_disagreements=sum(report.label_disagreements for report in reports),
        max_abs_difference=max(report.max_abs_difference for report in reports),
        max_rel_difference=max(report.max_rel_difference for report in reports),
        groups=tuple(reports),
    )


def _spread(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.std(finite)) if len(finite) else 0.0


def _singly(model: LoadedModel, batch: Batch) -> Outputs:
    rows = len(next(iter(batch.values())))
    answers = [model.infer({name: tensor[row : row + 1] for name, tensor in batch.items()}) for row in range(rows)]
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Comparison:
    """Two models' answers on the same ``n`` rows, ``m`` numbers each, and how they differ."""

    expected: NDArray[np.float64]
    answered: NDArray[np.float64]
    absolute: NDArray[np.float64]
    """``[n, m]``; infinite where only one of the two is finite, 0 where neither is."""
    relative: NDArray[np.float64]
    finite: NDArray[np.bool_]
    """``[n]``: whether the original's answer is."""
    relabelled: NDArray[np.bool_]
    tied: NDArray[np.bool_]
    wrong: NDArray[np.bool_]

    @classmethod
    def of(cls, wanted: Outputs, got: Outputs, spread: float, tolerance: float) -> _Comparison:
        labelled = "probabilities" in wanted
        name = "probabilities" if labelled else "value"
        expected, answered = _matrix(wanted[name]), _matrix(got[name])
        finite, same = _finite(expected), _finite(answered)
        both = (finite & same)[:, np.newaxis]
        absolute = np.abs(np.subtract(expected, answered, out=np.zeros_like(expected), where=both))
        absolute[finite != same] = np.inf
        scale = np.ones_like(expected) if labelled else np.maximum(np.abs(expected), spread)
        relative = np.divide(absolute, scale, out=np.where(absolute > 0, np.inf, 0.0), where=both & (scale > 0))
        relabelled = finite & (wanted["label_index"] != got["label_index"]) if labelled else np.zeros_like(finite)
        tied = relabelled & _tied(expected, tolerance) if labelled else relabelled
        return cls(
            expected=expected,
            answered=answered,
            absolute=absolute,
            relative=relative,
            finite=finite,
            relabelled=relabelled,
            tied=tied,
            wrong=(relative > tolerance).any(axis=1) | (relabelled & ~tied),
        )

    def worst(self) -> NDArray[np.intp]:
        """The rows that are wrong, the worst first."""
        rows = np.flatnonzero(self.wrong)
        return rows[np.argsort(-self.relative[rows].max(axis=1), kind="stable")]


def _matrix(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64).reshape(len(values), -1)


def _finite(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether every number of a row is finite."""
    return np.asarray(np.isfinite(values).all(axis=1))


def _tied(probabilities: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Whether a row's two largest probabilities are as good as equal."""
    top = np.sort(np.nan_to_num(probabilities), axis=1)
    return np.asarray(top[:, -1] - top[:, -2] <= tolerance)


def _report(signature: Signature, group: Group, found: _Comparison) -> GroupReport:
    return GroupReport(
        name=group.name,
        description=group.description,
        rows=len(found.expected),
        label_disagreements=int(found.relabelled.sum()),
        ties=int(found.tied.sum()),
        not_finite=int((~found.finite).sum()),
        max_abs_difference=float(found.absolute.max()),
        max_rel_difference=float(found.relative.max()),
        verdict="differs" if found.wrong.any() else "parity",
        worst=tuple(
            WorstRow(
                row=row,
                input=_shown(signature, group.batch, row),
                original=_numbers(found.expected[row]),
                compiled=_numbers(found.answered[row]),
            )
            for row in found.worst()[:WORST_ROWS].tolist()
        ),
    )


def _numbers(values: NDArray[np.float64]) -> list[float | str]:
    """Numbers as JSON knows them; NaN and the infinities by name."""
    return [value if np.isfinite(value) else str(value) for value in values.tolist()]


def _shown(signature: Signature, batch: Batch, row: int) -> Any:
    """A row's input, short enough for an error."""
    if "text" in batch:
        return batch["text"][row][:200]
    if "image" in batch:
        return f"an image of mean brightness {float(batch['image'][row].mean()):.1f}"
    values: dict[str, Any] = {}
    for tensor, positions in (("numeric", signature.numeric), ("categorical", signature.categorical)):
        for column, position in enumerate(positions):
            value = batch[tensor][row, column]
            values[signature.inputs[position].name] = value[:100] if isinstance(value, str) else _number(value)
    return values


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
