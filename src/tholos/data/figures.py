"""What is worth knowing about the values of one column, by its type.

All figures are JSON numbers: what is not finite is null. Quantiles interpolate linearly (Hyndman and Fan's type 7), the
standard deviation is the sample's (divided by n - 1).
"""

from __future__ import annotations

import hashlib
import io
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from tholos.data.columns import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BINS = 30
MAX_TOP = 20
_MAX_SHOWN_CHARACTERS = 200
_QUANTILES = {"p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
_COUNTED_BYTES = 1 << 30
"""Beyond this size of a column, distinct values are counted in its first rows only, and the count says so."""

# A word of a text: a run of what is neither space nor Chinese, or two Chinese characters.
_WORD = r"[^\s\p{Han}]+|\p{Han}{1,2}"
_TEXT_WORDS = 5.0
_TEXT_DISTINCT_SHARE = 0.5


class Histogram(TypedDict):
    """``counts[i]`` values lie from ``edges[i]`` up to, not including, ``edges[i + 1]``; the last bin includes both."""

    edges: list[float] | list[str]
    """Numbers, or ISO 8601 strings for days and moments."""
    counts: list[int]


class Value(TypedDict):
    """A frequent value. Strings are cut after 200 characters."""

    value: str | int | bool
    count: int


class Range(TypedDict):
    """Smallest, mean and largest of some measure."""

    minimum: float | None
    mean: float | None
    maximum: float | None


class ColumnProfile(TypedDict, total=False):
    """One column. Keys are absent where they do not apply to the type."""

    name: str
    type: str
    """See ``ColumnType``."""
    arrow: str
    """Arrow's name of the type in the Parquet view."""
    missing: int
    distinct: int
    """How many different values, missing apart."""
    distinct_is_exact: bool
    """False where only the first part of a very large column was counted."""
    minimum: float | int | str | None
    """number, integer, datetime (ISO 8601)."""
    maximum: float | int | str | None
    mean: float | None
    std: float | None
    quantiles: dict[str, float | None]
    """number, integer: p1, p5, p25, p50, p75, p95, p99."""
    zeros: int
    infinite: int
    histogram: Histogram | None
    """number, integer, datetime; for text, of the lengths in characters."""
    top: list[Value]
    """string, boolean, and integer with at most 30 different values: the most frequent values, most frequent first."""
    other: int
    """How many rows hold none of ``top`` (missing apart)."""
    characters: Range
    """text."""
    words: Range
    """text."""
    examples: list[str]
    """text: the first different values."""
    width: Range
    """image: pixels."""
    height: Range
    bytes: Range
    """image: size of the file."""
    formats: dict[str, int]
    """image: file format to count."""
    modes: dict[str, int]
    """image: Pillow's name of the pixel layout (L, RGB …) to count."""


def describe(kind: ColumnType, values: pa.ChunkedArray) -> ColumnProfile:
    """The figures of a column's values, without its name and missing count. ``values`` holds no nulls."""
    match kind:
        case ColumnType.NUMBER | ColumnType.INTEGER:
            return _numbers(kind, values)
        case ColumnType.STRING | ColumnType.BOOLEAN:
            return _counted(values)
        case ColumnType.TEXT:
            return _texts(values)
        case ColumnType.DATETIME:
            return _times(values)
        case ColumnType.IMAGE:
            return _images(values)


def is_text(values: pa.ChunkedArray) -> bool:
    """Whether strings are text: five words long on average, and at least half of them different."""
    import pyarrow.compute as pc

    if not len(values):
        return False
    words = pc.mean(pc.count_substring_regex(values, _WORD)).as_py()
    if words < _TEXT_WORDS:
        return False
    head = _countable(values)
    return bool(pc.count_distinct(head).as_py() >= _TEXT_DISTINCT_SHARE * len(head))


def _numbers(kind: ColumnType, values: pa.ChunkedArray) -> ColumnProfile:
    import pyarrow.compute as pc

    profile = _distinct(values)
    if kind is ColumnType.INTEGER and profile["distinct"] <= MAX_BINS:
        profile |= _counted(values)
    figures = values.cast("float64", safe=False).to_numpy()  # beyond 2**53 the figures, not the extremes, are rounded
    finite = figures[np.isfinite(figures)]
    extremes = pc.min_max(values).as_py()
    profile["minimum"] = _json_number(extremes["min"])
    profile["maximum"] = _json_number(extremes["max"])
    with np.errstate(over="ignore", invalid="ignore"):  # sums beyond float64 become null below
        profile["mean"] = _json_number(finite.mean()) if len(finite) else None
        profile["std"] = _json_number(finite.std(ddof=1)) if len(finite) > 1 else None
        quantiles = np.quantile(finite, list(_QUANTILES.values())) if len(finite) else [None] * len(_QUANTILES)
    profile["quantiles"] = {name: _json_number(value) for name, value in zip(_QUANTILES, quantiles, strict=True)}
    profile["zeros"] = int(np.count_nonzero(figures == 0))
    profile["infinite"] = len(figures) - len(finite)
    profile["histogram"] = histogram(finite, whole=kind is ColumnType.INTEGER)
    return profile


def histogram(values: np.ndarray[Any, np.dtype[np.float64]], *, whole: bool) -> Histogram | None:
    """At most 30 bins of equal width over finite numbers: for whole numbers in a small range, one bin per number.

    None where there is no value, or where the range overflows float64.
    """
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(high - low):
        return None
    if whole and high - low < MAX_BINS:
        edges = np.arange(low - 0.5, high + 1.0)
    else:
        bins = min(MAX_BINS, max(5, math.isqrt(len(values))))
        edges = np.unique(np.linspace(low, high, bins + 1))  # fewer where float64 cannot tell them apart
    if len(edges) < 2:
        return {"edges": [low, high], "counts": [len(values)]}
    counts, _ = np.histogram(values, edges)
    return {"edges": [float(edge) for edge in edges], "counts": [int(count) for count in counts]}


def _counted(values: pa.ChunkedArray) -> ColumnProfile:
    import pyarrow.compute as pc

    head = _countable(values)
    counted = pc.value_counts(head)
    keys, counts = counted.field("values"), counted.field("counts").to_numpy()
    # Ties go to the smaller value, so that the same data always gives the same profile.
    order = np.lexsort((pc.rank(keys, tiebreaker="first").to_numpy(), -counts))[:MAX_TOP]
    top: list[Value] = [{"value": _shown(keys[int(at)].as_py()), "count": int(counts[at])} for at in order]
    return {
        "distinct": len(keys),
        "distinct_is_exact": len(head) == len(values),
        "top": top,
        "other": len(head) - sum(each["count"] for each in top),
    }


def _texts(values: pa.ChunkedArray) -> ColumnProfile:
    import pyarrow.compute as pc

    profile = _distinct(values)
    characters = pc.utf8_length(values).to_numpy()
    profile["characters"] = _range(characters)
    profile["words"] = _range(pc.count_substring_regex(values, _WORD).to_numpy())
    profile["histogram"] = histogram(characters.astype(np.float64), whole=True)
    profile["examples"] = [str(_shown(each)) for each in pc.unique(values.slice(0, 20)).to_pylist()[:5]]
    return profile


def _times(values: pa.ChunkedArray) -> ColumnProfile:
    import pyarrow as pa
    import pyarrow.compute as pc

    profile = _distinct(values)
    extremes = pc.min_max(values)
    profile["minimum"] = _iso(extremes["min"].as_py())
    profile["maximum"] = _iso(extremes["max"].as_py())
    days = pa.types.is_date(values.type)
    ticks = values.cast(pa.int32() if days else pa.int64()).to_numpy()
    shape = histogram(ticks.astype(np.float64), whole=days)
    if shape is not None:
        edges = pa.array([math.floor(float(edge)) for edge in shape["edges"]], pa.int32() if days else pa.int64())
        shape["edges"] = [_iso(edge) or "" for edge in edges.cast(values.type).to_pylist()]
    profile["histogram"] = shape
    return profile


def _images(values: pa.ChunkedArray) -> ColumnProfile:
    from PIL import Image

    seen: set[bytes] = set()
    sizes: list[tuple[int, int, int]] = []
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for scalar in values:
        content: bytes = scalar.as_py()
        seen.add(hashlib.sha256(content).digest())
        image = Image.open(io.BytesIO(content))
        sizes.append((*image.size, len(content)))
        formats[image.format or "?"] += 1
        modes[image.mode] += 1
    measures = np.array(sizes, np.int64).reshape(-1, 3)
    return {
        "distinct": len(seen),
        "distinct_is_exact": True,
        "width": _range(measures[:, 0]),
        "height": _range(measures[:, 1]),
        "bytes": _range(measures[:, 2]),
        "formats": dict(formats.most_common()),
        "modes": dict(modes.most_common()),
    }


def _distinct(values: pa.ChunkedArray) -> ColumnProfile:
    import pyarrow.compute as pc

    head = _countable(values)
    return {"distinct": pc.count_distinct(head).as_py(), "distinct_is_exact": len(head) == len(values)}


def _countable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if values.nbytes <= _COUNTED_BYTES:
        return values
    return values.slice(0, len(values) * _COUNTED_BYTES // values.nbytes)


def _range(values: np.ndarray[Any, Any]) -> Range:
    if not len(values):
        return {"minimum": None, "mean": None, "maximum": None}
    return {
        "minimum": _json_number(values.min()),
        "mean": _json_number(values.mean()),
        "maximum": _json_number(values.max()),
    }


def _json_number(value: Any) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _shown(value: Any) -> str | int | bool:
    if isinstance(value, str) and len(value) > _MAX_SHOWN_CHARACTERS:
        return value[:_MAX_SHOWN_CHARACTERS] + "…"
    shown: str | int | bool = value
    return shown


def _iso(value: Any) -> str | None:
    if value is None:
        return None
    return str(value.isoformat()).replace("+00:00", "Z")
