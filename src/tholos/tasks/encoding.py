"""From a request's JSON to tensors: every value checked, every refusal naming its row and field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tholos.kit.errors import TholosError
from tholos.tasks.errors import (
    EmptyBatch,
    ExtraColumn,
    InputTooLarge,
    MissingColumn,
    MissingValue,
    NotFinite,
    TooManyRows,
    WrongType,
    WrongWidth,
)
from tholos.tasks.fields import EXPECTED, NUMERIC, Field
from tholos.tasks.images import decode_base64, decode_image

Batch: TypeAlias = dict[str, np.ndarray[Any, Any]]
"""A batch as tensors. `numeric` float64 [rows, fields] (missing = NaN), `categorical` object of str [rows, fields]
(missing = ""), `text` object of str [rows], `image` float32 [rows, height, width, channels] in 0..255. Fields stand in
the signature's order; a tensor is absent when the signature has no such field."""

_EXACT = 2**53  # beyond it float64 skips whole numbers, so that the one answered for might not be the one sent
LARGEST = float(np.finfo(np.float32).max)
"""The largest magnitude that every model accepts: trees compare in float32."""

SCHEMA_HINT = "See the deployment's schema for the expected input and an example."


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may carry."""

    max_rows: int = 10_000
    max_text_chars: int = 1_000_000
    """Characters in one string."""
    max_image_bytes: int = 20 * 1024 * 1024
    """Bytes of one image file."""
    max_image_pixels: int = 50_000_000
    """Width times height of one image file."""


def is_single(value: Any) -> bool:
    """Whether an input is one row rather than a list of rows."""
    return not isinstance(value, list | tuple)


def encode_rows(fields: Sequence[Field], target: str, value: Any, limits: Limits) -> Batch:
    """Check an input against `fields` and return it as a batch; see `Signature.encode`."""
    items = [value] if is_single(value) else value
    if not items:
        raise EmptyBatch("The input holds no rows.", next="Send at least one row.")
    if len(items) > limits.max_rows:
        raise TooManyRows(
            f"The input holds {len(items)} rows; one request may carry {limits.max_rows}.",
            next="Send the rows in several requests.",
            rows=len(items),
            limit=limits.max_rows,
        )
    names = tuple(item.name for item in fields)
    sole = len(fields) == 1 and fields[0].dtype in ("text", "image")
    rows = [_row(item, number, names, target, sole=sole) for number, item in enumerate(items)]
    batch: Batch = {}
    numeric = [i for i, item in enumerate(fields) if item.dtype in NUMERIC]
    categorical = [i for i, item in enumerate(fields) if item.dtype == "string"]
    if numeric:
        batch["numeric"] = _numeric(rows, [(i, fields[i]) for i in numeric])
    if categorical:
        batch["categorical"] = _strings(rows, [(i, fields[i]) for i in categorical], limits)
    for position, item in enumerate(fields):
        if item.dtype == "text":
            batch["text"] = _strings(rows, [(position, item)], limits)[:, 0]
        elif item.dtype == "image":
            batch["image"] = np.stack([_image(row[position], number, item, limits) for number, row in enumerate(rows)])
    return batch


def _row(item: Any, number: int, names: tuple[str, ...], target: str, *, sole: bool) -> Sequence[Any]:
    """The row's values in the fields' order."""
    if isinstance(item, dict):
        if len(item) == len(names):
            try:
                return [item[name] for name in names]
            except KeyError:
                pass
        raise _columns_differ(item, number, names, target)
    if sole and not (isinstance(item, list | tuple) and _wraps_a_value(item)):
        return (item,)
    if not isinstance(item, list | tuple):
        raise WrongType(
            f"Row {number} is {_named(item)}, not a row.",
            next='Send a row as an object such as {"column": value}, or rows as a list of lists. ' + SCHEMA_HINT,
            row=number,
            expected="a row object or a list of values",
        )
    if len(item) != len(names):
        raise WrongWidth(
            f"Row {number} has {len(item)} values; the model takes {len(names)}: {_listed(names)}.",
            next="Send one value per column, in this order (null where a value is missing and that is allowed).",
            row=number,
            expected=len(names),
            got=len(item),
        )
    return item


def _wraps_a_value(item: Sequence[Any]) -> bool:
    """Whether a list is a row around one text or image file, rather than the image's own pixels."""
    return len(item) == 1 and (item[0] is None or isinstance(item[0], str | bytes))


def _columns_differ(item: dict[Any, Any], number: int, names: tuple[str, ...], target: str) -> TholosError:
    missing = [name for name in names if name not in item]
    if missing:
        return MissingColumn(
            f"Row {number} lacks {_listed(missing)}.",
            next="Send every column of the signature; null where a value is missing and that is allowed.",
            row=number,
            field=missing[0],
            missing=missing,
        )
    # JSON cannot carry half a character back to the caller.
    extra = [str(name)[:100].encode(errors="replace").decode() for name in item if name not in names]
    hint = f"{target!r} is what the model predicts: leave it out." if extra == [target] else "Leave it out."
    return ExtraColumn(
        f"Row {number} has {_listed(extra)}, which the model does not take.",
        next=hint,
        row=number,
        field=extra[0],
        extra=extra[:20],
    )


def _numeric(rows: list[Sequence[Any]], columns: list[tuple[int, Field]]) -> np.ndarray[Any, Any]:
    tensor = np.empty((len(rows), len(columns)), dtype=np.float64)
    for number, row in enumerate(rows):
        for j, (position, item) in enumerate(columns):
            value = row[position]
            tensor[number, j] = (
                value
                if type(value) is float and item.dtype == "number" and -LARGEST <= value <= LARGEST
                else _number(value, number, item)
            )
    return tensor


def _number(value: Any, row: int, item: Field) -> float:
    if value is None:
        _check_missing(row, item)
        return math.nan
    if item.dtype == "boolean":
        if not isinstance(value, bool):
            raise _wrong_type(value, row, item)
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(value, row, item)
    # Compared before it is converted: an int of any length compares with a float, but may not fit in one.
    if not -LARGEST <= value <= LARGEST:
        raise NotFinite(
            f"Row {row}, column {item.name!r}: NaN, infinity and numbers beyond ±{LARGEST:.1e} are not accepted.",
            next="Send null where the value is unknown and that is allowed; otherwise a finite number.",
            row=row,
            field=item.name,
            expected=EXPECTED[item.dtype],
        )
    number = float(value)
    if item.dtype == "integer" and not (number.is_integer() and abs(number) <= _EXACT):
        raise _wrong_type(value, row, item)
    return number


def _strings(rows: list[Sequence[Any]], columns: list[tuple[int, Field]], limits: Limits) -> np.ndarray[Any, Any]:
    tensor = np.empty((len(rows), len(columns)), dtype=object)
    for number, row in enumerate(rows):
        for j, (position, item) in enumerate(columns):
            tensor[number, j] = _string(row[position], number, item, limits)
    return tensor


def _string(value: Any, row: int, item: Field, limits: Limits) -> str:
    if value is None:
        _check_missing(row, item)
        return ""
    if not isinstance(value, str):
        raise _wrong_type(value, row, item)
    if len(value) > limits.max_text_chars:
        raise InputTooLarge(
            f"Row {row}, column {item.name!r}: the string has {len(value)} characters; "
            f"at most {limits.max_text_chars} are accepted.",
            next="Shorten the string.",
            row=row,
            field=item.name,
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise WrongType(
                f"Row {row}, column {item.name!r}: the string holds half a character (a lone surrogate).",
                next="Send well-formed Unicode text.",
                row=row,
                field=item.name,
                expected=EXPECTED[item.dtype],
            ) from error
    return value


def _image(value: Any, row: int, item: Field, limits: Limits) -> np.ndarray[Any, Any]:
    if isinstance(value, list):
        return _pixels(value, row, item)
    if not isinstance(value, str | bytes):
        raise _wrong_type(value, row, item)
    # Base64 writes three bytes as four characters.
    if len(value) > limits.max_image_bytes * (4 if isinstance(value, str) else 3) // 3 + 100:
        raise InputTooLarge(
            f"Row {row}: the image file is larger than {limits.max_image_bytes} bytes.",
            next="Send a smaller image.",
            row=row,
            field=item.name,
        )
    try:
        data = decode_base64(value) if isinstance(value, str) else value
        return decode_image(data, item.shape, max_pixels=limits.max_image_pixels)
    except TholosError as error:
        raise type(error)(f"Row {row}: {error.message}", next=error.next, row=row, field=item.name) from error


def _pixels(value: list[Any], row: int, item: Field) -> np.ndarray[Any, Any]:
    """An image given as nested lists of numbers in 0..255, in exactly the signature's shape."""
    height, width, channels = item.shape
    try:
        array = np.asarray(value)
    except ValueError as error:  # ragged, or nested deeper than NumPy goes
        raise _wrong_pixels(row, item) from error
    shapes = ((height, width, channels), (height, width)) if channels == 1 else ((height, width, channels),)
    if array.dtype.kind not in "iuf" or array.shape not in shapes or not ((array >= 0) & (array <= 255)).all():
        raise _wrong_pixels(row, item)
    return array.astype(np.float32).reshape(item.shape)


def _wrong_pixels(row: int, item: Field) -> WrongType:
    shape = "x".join(map(str, item.shape))
    return WrongType(
        f"Row {row}: the pixels are not numbers from 0 to 255 in lists of {shape} (height, width, channels).",
        next="Send the image file in base64, or pixels in this shape.",
        row=row,
        field=item.name,
        expected=shape,
    )


def _check_missing(row: int, item: Field) -> None:
    if not item.missing:
        raise MissingValue(
            f"Row {row}, column {item.name!r} is null, but the model learned from data without gaps in this column.",
            next=f"Send {EXPECTED[item.dtype]}.",
            row=row,
            field=item.name,
            expected=EXPECTED[item.dtype],
        )


def _wrong_type(value: Any, row: int, item: Field) -> WrongType:
    return WrongType(
        f"Row {row}, column {item.name!r}: expected {EXPECTED[item.dtype]}, got {_named(value)}.",
        next=f"Send {EXPECTED[item.dtype]}" + (", or null if the value is unknown." if item.missing else "."),
        row=row,
        field=item.name,
        expected=EXPECTED[item.dtype],
    )


def _named(value: Any) -> str:
    """A short name of a JSON value for an error message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {value[:40]!r}"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, int):
        # Python refuses to print integers of thousands of digits.
        return f"the number {value}" if value.bit_length() < 128 else "a very long number"
    return {"dict": "an object", "list": "a list", "tuple": "a list"}.get(type(value).__name__, "something else")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
