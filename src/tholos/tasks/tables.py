"""From a typed Arrow table to the canonical batch and its target: what training and evaluation both read.

More forgiving than a request's encoding: a missing value is always allowed (the pipeline replaces it), and an infinite
number, or one too large for float32, counts as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.kit.errors import TholosError
from tholos.tasks.encoding import LARGEST, Limits
from tholos.tasks.errors import BrokenImage, MissingColumn, WrongType
from tholos.tasks.fields import EXPECTED, Field, Label, Output
from tholos.tasks.images import decode_image
from tholos.tasks.signature import Batch, Signature

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LISTED = 20


def batch_of(signature: Signature, table: pa.Table, limits: Limits | None = None) -> Batch:
    """The table's input columns as a batch, rows in the table's order; other columns are ignored.

    Raises:
        MissingColumn: the table lacks an input.
        WrongType: a column is of another type than the signature's.
        BrokenImage: some images cannot be read; the error lists their rows.

    """
    columns = {item.name: _column(table, item) for item in signature.inputs}
    batch: Batch = {}
    if signature.numeric:
        fields = [signature.inputs[i] for i in signature.numeric]
        batch["numeric"] = np.column_stack([numbers(columns[item.name], item) for item in fields])
    if signature.categorical:
        fields = [signature.inputs[i] for i in signature.categorical]
        batch["categorical"] = np.column_stack([strings(columns[item.name], item) for item in fields])
    sole = signature.inputs[0]
    if sole.dtype == "text":
        batch["text"] = strings(columns[sole.name], sole)
    elif sole.dtype == "image":
        batch["image"] = _images(columns[sole.name], sole, limits or Limits())
    return batch


def numbers(column: pa.ChunkedArray, item: Field) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column of numbers or booleans as float64 [rows], missing and infinite values as NaN."""
    import pyarrow as pa

    kind = column.type
    suits = pa.types.is_boolean(kind) if item.dtype == "boolean" else _is_number(kind)
    if not (suits or pa.types.is_null(kind)):
        raise _wrong_type(item, kind)
    values = np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def strings(column: pa.ChunkedArray, item: Field) -> np.ndarray[Any, Any]:
    """A column of strings as object of str [rows], missing values as ""."""
    import pyarrow as pa

    if not (_is_string(column.type) or pa.types.is_null(column.type)):
        raise _wrong_type(item, column.type)
    return np.array(column.cast(pa.string()).fill_null("").to_pylist(), dtype=object)


def labels_of(output: Output, table: pa.Table) -> list[Label | None]:
    """The target column of a classification, None where it is missing; whole numbers as integers.

    Raises:
        MissingColumn: the table lacks the target.

    """
    values = _column(table, output).to_pylist()
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def numbers_of(output: Output, table: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The target column of a regression as float64 [rows], NaN where it is missing or infinite.

    Raises:
        MissingColumn: the table lacks the target.
        WrongType: it holds no numbers.

    """
    return numbers(_column(table, output), Field(name=output.name, dtype="number"))


def _column(table: pa.Table, item: Field | Output) -> pa.ChunkedArray:
    if item.name not in table.column_names:
        raise MissingColumn(
            f"The data has no column {item.name!r}, which the model needs.",
            next="Use data with the columns that the model was trained on.",
            field=item.name,
            columns=table.column_names[:200],
        )
    return table.column(item.name)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_string(kind: pa.DataType) -> bool:
    import pyarrow as pa

    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain))


def _wrong_type(item: Field, kind: pa.DataType) -> WrongType:
    return WrongType(
        f"The column {item.name!r} holds {kind}; the model takes {EXPECTED[item.dtype]}.",
        next="Use data of the types that the model was trained on.",
        field=item.name,
        expected=EXPECTED[item.dtype],
    )


def _images(column: pa.ChunkedArray, item: Field, limits: Limits) -> np.ndarray[Any, np.dtype[np.float32]]:
    images = np.empty((len(column), *item.shape), dtype=np.float32)
    broken: dict[int, str] = {}
    for row, value in enumerate(column):
        data = value.as_py()
        if data is None:
            broken[row] = "There is no image."
            continue
        try:
            images[row] = decode_image(data, item.shape, max_pixels=limits.max_image_pixels)
        except TholosError as error:
            broken[row] = error.message
    if broken:
        raise broken_images(broken, len(column))
    return images


def broken_images(broken: dict[int, str], rows: int) -> BrokenImage:
    """The error that lists images that cannot be read, by row."""
    shown = ", ".join(map(str, list(broken)[:MAX_LISTED]))
    more = f" and {len(broken) - MAX_LISTED} more" if len(broken) > MAX_LISTED else ""
    return BrokenImage(
        f"{len(broken)} of {rows} images cannot be read: rows {shown}{more}.",
        next="Replace or remove these images in the dataset, push it, and try again.",
        rows={str(row): reason for row, reason in list(broken.items())[:MAX_LISTED]},
    )
