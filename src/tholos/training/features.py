"""What to learn from: which columns, and the typed fields that they make. Whatever is left out is said in a note."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tholos.data.columns import ColumnType
from tholos.kit.errors import TholosError
from tholos.tasks.encoding import Limits
from tholos.tasks.fields import Dtype, Field
from tholos.tasks.images import open_image
from tholos.tasks.signature import TaskId
from tholos.tasks.tables import broken_images, numbers, strings
from tholos.training.errors import NoFeatures, TargetAsFeature, UnknownFeature, WrongColumn
from tholos.training.request import TrainingRequest
from tholos.training.statistics import ranked
from tholos.training.target import Types

if TYPE_CHECKING:
    import pyarrow as pa

_DTYPES: dict[ColumnType, Dtype] = {
    ColumnType.NUMBER: "number",
    ColumnType.INTEGER: "integer",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.STRING: "string",
}

_UNUSABLE = {
    ColumnType.DATETIME: "holds dates, which tabular models do not take: derive numbers from it (year, weekday, age)",
    ColumnType.TEXT: "holds texts, which tabular models do not take: use the task text-classification for it",
    ColumnType.IMAGE: "holds images, which tabular models do not take: use the task image-classification for it",
}

FEW_ROWS = 20
"""With fewer rows than this, distinct values say nothing about a column's nature."""


def choose_fields(
    table: pa.Table, types: Types, target: str, task: TaskId, request: TrainingRequest, notes: list[str]
) -> tuple[Field, ...]:
    """The fields to learn from, in the table's order; what was left out, and why, is appended to `notes`.

    Raises:
        UnknownFeature, TargetAsFeature, WrongColumn: a feature that was asked for cannot be one.
        NoFeatures: none is left, or it is not clear which one is meant.
        BrokenImage: some images cannot be read.

    """
    check_features(types, target, request.features)
    names = [name for name in types if name != target and (request.features is None or name in request.features)]
    if task == "text-classification":
        return (_text_field(types, names, table),)
    if task == "image-classification":
        return (_image_field(types, names, table, request.max_image_side),)
    chosen = [_tabular_field(name, table, types, target, request, notes) for name in names]
    fields = tuple(item for item in chosen if item is not None)
    if not fields:
        raise NoFeatures(
            "No column is left to learn from.",
            next="Add columns of numbers, booleans or categories. " + " ".join(notes),
            notes=notes,
        )
    return fields


def check_features(types: Types, target: str, features: tuple[str, ...] | None) -> None:
    """See that every feature asked for is a column, and none the target.

    Raises:
        TargetAsFeature, UnknownFeature: one is not; the error names near columns.

    """
    for name in features or ():
        if name == target:
            raise TargetAsFeature(
                f"{name!r} is the target and cannot be a feature as well.",
                next="Leave it out of the features.",
                column=name,
            )
        if name not in types:
            near = difflib.get_close_matches(name, types, n=3)
            hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise UnknownFeature(
                f"The data has no column {name!r:.80}.",
                next=f"{hint}Choose among its columns.",
                column=name,
                near=near,
                columns=list(types)[:200],
            )


def _text_field(types: Types, names: list[str], table: pa.Table) -> Field:
    for wanted in (ColumnType.TEXT, ColumnType.STRING):
        found = [name for name in names if types[name] is wanted]
        if len(found) == 1:
            values = strings(table.column(found[0]), Field(name=found[0], dtype="text"))
            return Field(name=found[0], dtype="text", missing=bool((values == "").any()))
        if found:
            raise NoFeatures(
                f"The data has several columns of text: {', '.join(map(repr, found[:20]))}.",
                next="Name the one to learn from as the only feature.",
                columns=found[:200],
            )
    raise NoFeatures(
        "The data has no column of text.", next="Use a tabular task, or data with a column of strings.", columns=names
    )


def _image_field(types: Types, names: list[str], table: pa.Table, max_side: int) -> Field:
    found = [name for name in names if types[name] is ColumnType.IMAGE]
    if len(found) != 1:
        raise NoFeatures(
            f"The data has {len(found)} columns of images; image-classification learns from one.",
            next="Name the one to learn from as the only feature." if found else "Use a tabular task, or push images.",
            columns=found,
        )
    return Field(name=found[0], dtype="image", shape=_image_shape(table.column(found[0]), max_side))


def _image_shape(column: pa.ChunkedArray, max_side: int) -> tuple[int, int, int]:
    """Height and width of the most common size, scaled down to `max_side`, and 1 channel if all images are grey."""
    sizes: Counter[tuple[int, int]] = Counter()
    broken: dict[int, str] = {}
    grey = True
    for row, value in enumerate(column):
        data = value.as_py()
        try:
            image = open_image(data or b"", max_pixels=Limits().max_image_pixels)
        except TholosError as error:
            broken[row] = error.message
            continue
        sizes[(image.height, image.width)] += 1
        grey = grey and image.mode in ("1", "L", "LA", "I;16", "I;16B", "I;16L", "I")
    if broken:
        raise broken_images(broken, len(column))
    (height, width), _ = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    scale = min(1.0, max_side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), 1 if grey else 3


def _tabular_field(
    name: str, table: pa.Table, types: Types, target: str, request: TrainingRequest, notes: list[str]
) -> Field | None:
    kind, column = types[name], table.column(name)
    asked = request.features is not None
    if kind in _UNUSABLE:
        if asked:
            raise WrongColumn(
                f"The column {name!r} {_UNUSABLE[kind]}.", next="Leave it out of the features.", column=name
            )
        notes.append(f"{name!r} was left out: it {_UNUSABLE[kind]}.")
        return None
    if column.null_count == len(column):
        notes.append(f"{name!r} was left out: all its values are missing.")
        return None
    if column.equals(table.column(target)):
        if asked:
            raise TargetAsFeature(
                f"{name!r} equals the target {target!r} in every row, so the model would be told the answer.",
                next="Leave it out of the features.",
                column=name,
            )
        notes.append(f"{name!r} was left out: it equals the target {target!r} in every row.")
        return None
    if kind is ColumnType.STRING:
        return _string_field(name, column, request, notes)
    return _number_field(name, column, _DTYPES[kind], notes, asked=asked)


def _number_field(name: str, column: pa.ChunkedArray, dtype: Dtype, notes: list[str], *, asked: bool) -> Field | None:
    values = numbers(column, Field(name=name, dtype=dtype))
    known = values[~np.isnan(values)]
    infinite = len(values) - len(known) - column.null_count
    if infinite > 0:
        notes.append(f"{name!r}: {infinite} infinite or huge values count as missing.")
    if len(known) == 0:
        notes.append(f"{name!r} was left out: it has no finite values.")
        return None
    if dtype == "integer" and not asked and _counts_rows(values):
        notes.append(f"{name!r} was left out: it only numbers the rows (name it as a feature to use it).")
        return None
    if known.min() == known.max() and len(known) == len(values):
        notes.append(f"{name!r} has the same value in every row, so nothing can be learned from it.")
    boolean = dtype == "boolean"
    return Field(
        name=name,
        dtype=dtype,
        minimum=None if boolean else float(known.min()),
        maximum=None if boolean else float(known.max()),
        missing=len(known) < len(values),
    )


def _counts_rows(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether integers rise with the rows and hardly skip any, as row numbers do, also in a split of the data."""
    if len(values) < FEW_ROWS or np.isnan(values).any() or not (np.diff(values) > 0).all():
        return False
    return bool(values[-1] - values[0] < 3 * len(values))


def _string_field(name: str, column: pa.ChunkedArray, request: TrainingRequest, notes: list[str]) -> Field | None:
    values = strings(column, Field(name=name, dtype="string")).tolist()
    counts = Counter(value for value in values if value)
    if not counts:
        notes.append(f"{name!r} was left out: all its values are missing.")
        return None
    known = counts.total()
    if request.features is None and len(counts) > max(FEW_ROWS, 0.9 * known):
        notes.append(f"{name!r} was left out: nearly every row has its own value, as names and codes do.")
        return None
    if len(counts) > request.max_categories:
        kept = sum(count for _, count in ranked(counts)[: request.max_categories])
        notes.append(
            f"{name!r} has {len(counts)} categories: the {request.max_categories} most frequent are told apart "
            f"({kept / known:.0%} of the rows), the rest count as unknown."
        )
    if len(counts) == 1 and known == len(values):
        notes.append(f"{name!r} has the same value in every row, so nothing can be learned from it.")
    categories = tuple(value for value, _ in ranked(counts)[: request.max_categories])
    return Field(name=name, dtype="string", categories=categories, missing=known < len(values))
