"""What is to be predicted: which column, which task it makes, and its values as a model learns them."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.data.columns import ColumnType, column_type
from tholos.tasks.signature import Label, Output, TaskId
from tholos.tasks.tables import labels_of, numbers_of
from tholos.training.algorithm import Algorithm
from tholos.training.catalogue import AUTO, algorithm
from tholos.training.errors import (
    OneClass,
    RareClass,
    TargetContinuous,
    TargetMissing,
    TargetNotNumeric,
    TooFewRows,
    WrongColumn,
)
from tholos.training.request import TrainingRequest

if TYPE_CHECKING:
    import pyarrow as pa

USUAL_NAMES = ("target", "label", "class", "y")
"""Columns that are taken for the target when none is named."""

MAX_INTEGER_CLASSES = 20
"""An integer column with at most so many different values is taken for classes when no task is named."""

Types = dict[str, ColumnType]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The target of every row that has one."""

    output: Output
    values: np.ndarray[Any, Any]
    """int64 positions in `output.labels`, or float64."""
    rows: np.ndarray[Any, np.dtype[np.int64]]
    """The table's rows that have a target, in order."""

    @property
    def smallest_class(self) -> int:
        """Rows of the rarest class; 0 for a number."""
        return 0 if self.output.labels is None else int(np.bincount(self.values).min())


def types_of(table: pa.Table) -> Types:
    """The column types of a table, in its order."""
    return {item.name: column_type(item) for item in table.schema}


def choose_target(types: Types, asked: str | None) -> str:
    """The target column's name.

    Raises:
        TargetMissing: there is no such column (the error names near ones), or none was named and none is usual.

    """
    names = list(types)
    if asked is None:
        usual = [name for usual in USUAL_NAMES for name in names if name.casefold() == usual]
        if usual:
            return usual[0]
        raise TargetMissing(
            "The request names no target, and no column is called " + ", ".join(USUAL_NAMES) + ".",
            next=f"Name the column to predict; the data has {_listed(names)}.",
            columns=names[:200],
        )
    if asked in types:
        return asked
    near = [name for name in names if name.casefold() == asked.casefold()] or difflib.get_close_matches(asked, names, 3)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise TargetMissing(
        f"The data has no column {asked!r:.80} to predict.",
        next=f"{hint}The data has {_listed(names)}.",
        target=asked,
        near=near,
        columns=names[:200],
    )


def choose_task(
    types: Types, table: pa.Table, target: str, request: TrainingRequest, entry: Algorithm | None = None
) -> TaskId:
    """The task asked for, or the one that the target and the input columns make.

    `entry` is the algorithm that the request names where that is not one of the catalogue.
    """
    if request.task is not None:
        return request.task
    inputs = [name for name in request.features or types if name != target and name in types]
    kinds = [types[name] for name in inputs]
    if ColumnType.IMAGE in kinds:
        return "image-classification"
    if kinds == [ColumnType.TEXT]:
        return "text-classification"
    if kinds == [ColumnType.STRING] and len(table.column(inputs[0]).unique()) > request.max_categories:
        return "text-classification"
    if entry is None and request.algorithm != AUTO:
        entry = algorithm(request.algorithm)
    return _tabular_task(types[target], table.column(target), () if entry is None else entry.tasks)


def _tabular_task(kind: ColumnType, column: pa.ChunkedArray, tasks: tuple[TaskId, ...]) -> TaskId:
    tabular: list[TaskId] = [item for item in tasks if item.startswith("tabular-")]
    if len(tabular) == 1:
        return tabular[0]
    if kind is ColumnType.NUMBER:
        return "tabular-regression"
    if kind is ColumnType.INTEGER and len(column.unique()) > MAX_INTEGER_CLASSES:
        return "tabular-regression"
    return "tabular-classification"


def read_target(table: pa.Table, name: str, task: TaskId) -> Target:
    """The target's values on the rows that have one.

    Raises:
        TargetNotNumeric: regression on a column that holds no numbers.
        TargetContinuous: classification on measured numbers.
        WrongColumn: the column cannot be a target at all (dates, images).
        OneClass, RareClass, TooFewRows: there is nothing to tell apart.

    """
    kind = column_type(table.schema.field(name))
    if task == "tabular-regression":
        return _numbers(table, name, kind)
    if kind in (ColumnType.DATETIME, ColumnType.IMAGE):
        raise WrongColumn(
            f"The target {name!r} holds {'images' if kind is ColumnType.IMAGE else 'dates'}, which are no classes.",
            next="Choose a column of strings, integers or booleans as the target.",
            column=name,
        )
    return _classes(table, name)


def _numbers(table: pa.Table, name: str, kind: ColumnType) -> Target:
    if kind not in (ColumnType.NUMBER, ColumnType.INTEGER):
        raise TargetNotNumeric(
            f"The target {name!r} holds {kind}s, but tabular-regression predicts numbers.",
            next="Choose a column of numbers, or use the task tabular-classification.",
            column=name,
        )
    output = Output(name=name, kind="number")
    values = numbers_of(output, table)
    rows = np.flatnonzero(~np.isnan(values))
    _check_rows(len(rows), name)
    values = values[rows]
    if values.min() == values.max():
        raise OneClass(
            f"The target {name!r} is {values[0]:g} in every row, so there is nothing to learn.",
            next="Choose another target, or data in which it varies.",
            column=name,
        )
    return Target(output=output, values=values, rows=rows)


def _classes(table: pa.Table, name: str) -> Target:
    answers = labels_of(Output(name=name, kind="class"), table)
    rows = np.array([i for i, label in enumerate(answers) if _is_label(label)], dtype=np.int64)
    labels: list[Label] = [label for label in answers if label is not None and _is_label(label)]
    if any(isinstance(label, float) for label in labels):
        raise TargetContinuous(
            f"The target {name!r} holds measured numbers such as {next(x for x in labels if isinstance(x, float))}, "
            "not classes.",
            next="Use the task tabular-regression, or choose a column of strings, integers or booleans.",
            column=name,
        )
    _check_rows(len(rows), name)
    counts = Counter(labels)
    known = tuple(sorted(counts))
    if len(known) == 1:
        raise OneClass(
            f"The target {name!r} is {known[0]!r:.80} in every row, so there is nothing to tell apart.",
            next="Choose another target, or add rows of other classes.",
            column=name,
        )
    rare = [label for label in known if counts[label] < 2]
    if rare:
        raise RareClass(
            f"{len(rare)} of {len(known)} classes of {name!r} have a single row, for instance {rare[0]!r:.80}.",
            next="Add rows of these classes, merge them, or choose another target (tabular-regression for numbers).",
            column=name,
            classes=[str(label) for label in rare[:20]],
        )
    places = {label: place for place, label in enumerate(known)}
    values = np.array([places[label] for label in labels], dtype=np.int64)
    return Target(output=Output(name=name, kind="class", labels=known), values=values, rows=rows)


def _is_label(value: Any) -> bool:
    """Whether a row has a target: not null, not an empty string, and for a number not infinite."""
    return value is not None and value != "" and not (isinstance(value, float) and not np.isfinite(value))


def _check_rows(rows: int, name: str) -> None:
    if rows < 2:
        raise TooFewRows(
            f"{rows} rows have a value in the target {name!r}; training needs at least 2.",
            next="Add rows, or choose another target.",
            rows=rows,
        )


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (", …" if len(names) > 20 else "")
