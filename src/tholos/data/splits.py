"""Splits: which row goes into which subset, the same on every machine and with every version of every library.

The random order of the rows comes from SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014), 64-bit integer arithmetic that anyone can repeat:

    key(i) = mix(state + (i + 1) * 0x9E3779B97F4A7C15)    where state = mix(seed) and everything is modulo 2**64
    mix(z) : z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;  z = (z ^ z >> 27) * 0x94D049BB133111EB;  z ^ z >> 31

Rows are taken in the order of (key, row number).

    random      the rows in that order, cut at the ratios
    stratified  the same within each class of a column; every class has a row in every subset
    grouped     rows with the same value stay together: the largest group first (ties: by the key of its first row),
                each to the subset that lacks most rows
    time        the rows in the order of a column, cut at the ratios; rows with equal values stay together
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tholos.data.columns import ColumnType, column_type, require_column
from tholos.data.errors import BadSplit, CannotSplit

if TYPE_CHECKING:
    import pyarrow as pa

Assignment: TypeAlias = np.ndarray[Any, np.dtype[np.int8]]
"""int8 [rows]: the position of each row's subset among the ratios."""
Keys: TypeAlias = np.ndarray[Any, np.dtype[np.uint64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Shares: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MAX_SUBSETS = 20
_TOLERANCE = 1e-6
_SHOWN = 5
_GAMMA = 0x9E3779B97F4A7C15


class Method(StrEnum):
    """How rows are assigned."""

    RANDOM = "random"
    STRATIFIED = "stratified"
    GROUPED = "grouped"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """What to do: ``ratios`` maps subset names to shares of the rows that add up to 1, in order."""

    ratios: Mapping[str, float]
    method: Method = Method.RANDOM
    column: str | None = None
    """The class, group or time column; None for random."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises BadSplit."""
        _check_ratios(self.ratios)
        if not 0 <= self.seed < 2**63:
            raise BadSplit(f"The seed {self.seed} is out of range.", next="Choose a whole number from 0.")
        if (self.column is None) != (self.method is Method.RANDOM):
            wanted = "takes no column" if self.method is Method.RANDOM else "needs a column"
            raise BadSplit(
                f"A {self.method} split {wanted}.",
                next="Leave the column out, or choose the method stratified, grouped or time."
                if self.method is Method.RANDOM
                else "Name the column, for instance `--column species`.",
            )

    @property
    def subsets(self) -> tuple[str, ...]:
        return tuple(self.ratios)


@dataclass(frozen=True, slots=True)
class Split:
    """The outcome of a spec on a table."""

    assignment: Assignment
    counts: dict[str, int]
    """Subset to rows."""


def split(table: pa.Table, spec: SplitSpec) -> Split:
    """Assigns every row of the table to one subset.

    Raises:
        ColumnNotFound: the spec's column is not in the table.
        CannotSplit: a subset would be empty, a class has fewer rows than there are subsets, or the column has missing
            values where they make no sense.
    """
    rows = table.num_rows
    shares = np.array([share / math.fsum(spec.ratios.values()) for share in spec.ratios.values()])
    if rows < len(shares):
        raise CannotSplit(
            f"{rows} rows cannot fill {len(shares)} subsets.", next="Push more data, or ask for fewer subsets."
        )
    keys = row_keys(rows, spec.seed)
    match spec.method:
        case Method.RANDOM:
            assignment = _cut(_by_key(keys), _counts(rows, shares))
        case Method.STRATIFIED:
            assignment = _stratified(_codes(table, spec), keys, shares, spec)
        case Method.GROUPED:
            assignment = _grouped(_codes(table, spec).codes, keys, shares)
        case Method.TIME:
            assignment = _by_time(_ticks(table, spec), shares)
    counts = np.bincount(assignment, minlength=len(shares))
    if not counts.all():
        empty = spec.subsets[int(np.argmin(counts))]
        raise CannotSplit(
            f"The subset {empty!r} would be empty.",
            next="Give it a larger share, ask for fewer subsets, or choose a column with more different values.",
            counts=dict(zip(spec.subsets, map(int, counts), strict=True)),
        )
    return Split(assignment, dict(zip(spec.subsets, map(int, counts), strict=True)))


def row_keys(rows: int, seed: int) -> Keys:
    """uint64 [rows]: SplitMix64 of seed and row number, as the module says."""
    state = _mix(np.array([seed], np.uint64))
    return _mix(state + np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(_GAMMA))


def _mix(z: Keys) -> Keys:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _check_ratios(ratios: Mapping[str, float]) -> None:
    if not 2 <= len(ratios) <= _MAX_SUBSETS:
        raise BadSplit(
            f"A split has 2 to {_MAX_SUBSETS} subsets, not {len(ratios)}.",
            next='Give ratios such as {"train": 0.8, "test": 0.2}.',
        )
    for name, share in ratios.items():
        if not _NAME.fullmatch(name):
            raise BadSplit(
                f"{name!r} cannot be the name of a subset.",
                next="Use lower-case letters, digits, - and _, starting with a letter, for instance train and test.",
            )
        if not (math.isfinite(share) and share > 0):
            raise BadSplit(f"The share of {name!r} is {share}.", next="Give every subset a share above 0.")
    total = math.fsum(ratios.values())
    if abs(total - 1) > _TOLERANCE:
        raise BadSplit(
            f"The ratios add up to {total:g}, not to 1.", next='Choose for instance {"train": 0.8, "test": 0.2}.'
        )


def _by_key(keys: Keys) -> Indices:
    return np.argsort(keys, kind="stable")


def _cut(order: Indices, counts: Indices) -> Assignment:
    assignment = np.empty(len(order), np.int8)
    assignment[order] = np.repeat(np.arange(len(counts), dtype=np.int8), counts)
    return assignment


def _counts(rows: int, shares: Shares) -> Indices:
    """Whole numbers that add up to ``rows``, by largest remainders (ties: the earlier subset), none of them 0."""
    quotas = shares * rows
    counts: Indices = np.floor(quotas).astype(np.int64)
    largest_first = np.argsort(-(quotas - counts), kind="stable")
    counts[largest_first[: rows - counts.sum()]] += 1
    while not counts.all():
        counts[np.argmin(counts)] += 1
        counts[np.argmax(counts)] -= 1
    return counts


@dataclass(frozen=True, slots=True)
class _Codes:
    codes: Indices
    """Per row the number of its value, in the order in which values appear."""
    values: Sequence[Any]


def _codes(table: pa.Table, spec: SplitSpec) -> _Codes:
    column = table.column(require_column(spec.column or "", table.column_names)).combine_chunks()
    if spec.method is Method.GROUPED and column.null_count:
        raise CannotSplit(
            f"{column.null_count:,} rows have no value in {spec.column!r}, so their group is not known.",
            next="Fill the column in, leave those rows out, or choose another column.",
        )
    encoded = column.dictionary_encode(null_encoding="encode")
    return _Codes(encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist())


def _stratified(coded: _Codes, keys: Keys, shares: Shares, spec: SplitSpec) -> Assignment:
    sizes = np.bincount(coded.codes)
    if (small := np.flatnonzero(sizes < len(shares))).size:
        named = ", ".join(f"{coded.values[at]!r} ({sizes[at]})" for at in small[:_SHOWN])
        more = f" and {len(small) - _SHOWN:,} more" if len(small) > _SHOWN else ""
        raise CannotSplit(
            f"{len(small):,} of {len(sizes):,} classes of {spec.column!r} have fewer rows than there are subsets: "
            f"{named}{more}.",
            next="Leave those rows out, merge the classes, or split at random.",
            classes=[str(coded.values[at]) for at in small[:100]],
        )
    order = np.lexsort((keys, coded.codes))
    assignment = np.empty(len(keys), np.int8)
    owed = np.zeros(len(shares))
    start = 0
    for size in sizes:
        counts = _class_counts(int(size), shares, owed)
        owed += shares * size - counts
        assignment[order[start : start + size]] = np.repeat(np.arange(len(shares), dtype=np.int8), counts)
        start += size
    return assignment


def _class_counts(size: int, shares: Shares, owed: Shares) -> Indices:
    """The rows of one class for each subset: at least one each, rounded so that the totals stay on their shares.

    ``owed`` is how many rows each subset has got too few so far.
    """
    quotas = shares * size
    counts: Indices = np.maximum(np.floor(quotas).astype(np.int64), 1)
    while (left := size - counts.sum()) != 0:
        lacking = quotas + owed - counts
        if left > 0:
            counts[np.argmax(lacking)] += 1
        else:  # the ones given to small subsets come from the largest
            counts[np.argmin(np.where(counts > 1, lacking, np.inf))] -= 1
    return counts


def _grouped(codes: Indices, keys: Keys, shares: Shares) -> Assignment:
    sizes = np.bincount(codes)
    _, first_rows = np.unique(codes, return_index=True)
    lacking = shares * len(codes)
    subset_of = np.empty(len(sizes), np.int8)
    for group in np.lexsort((keys[first_rows], -sizes)):
        subset_of[group] = np.argmax(lacking)
        lacking[subset_of[group]] -= sizes[group]
    return subset_of[codes]


def _ticks(table: pa.Table, spec: SplitSpec) -> np.ndarray[Any, Any]:
    name = require_column(spec.column or "", table.column_names)
    kind = column_type(table.schema.field(name))
    if kind not in (ColumnType.DATETIME, ColumnType.INTEGER, ColumnType.NUMBER):
        raise CannotSplit(
            f"The column {name!r} is of type {kind}; a split by time sorts by a time or a number.",
            next="Choose a column of times or numbers; write times as 2024-02-29 10:00:00.",
        )
    column = table.column(name)
    if column.null_count:
        raise CannotSplit(
            f"{column.null_count:,} rows have no value in {name!r}, so their place in time is not known.",
            next="Fill the column in, leave those rows out, or choose another column.",
        )
    ticks: np.ndarray[Any, Any] = column.to_numpy()
    return ticks


def _by_time(ticks: np.ndarray[Any, Any], shares: Shares) -> Assignment:
    order = np.argsort(ticks, kind="stable")
    ordered = ticks[order]
    # Where one value ends and the next begins: only there may a cut fall.
    borders = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    cuts: list[int] = []
    first = 0
    for place, cut in enumerate(np.cumsum(_counts(len(ticks), shares))[:-1]):
        # Each cut leaves a border for every cut after it.
        free = borders[first : len(borders) - (len(shares) - 2 - place)]
        if not len(free):
            break
        nearest = int(np.argmin(np.abs(free - cut)))
        cuts.append(int(free[nearest]))
        first += nearest + 1
    ends = [*cuts, len(ticks)]
    counts = np.zeros(len(shares), np.int64)
    counts[: len(ends)] = np.diff([0, *ends])
    return _cut(order, counts)
