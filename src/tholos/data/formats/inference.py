"""Column types of text data, found by looking at every value: the same bytes always give the same types.

A column has the first of these readings that fits all of its values; spaces around a value do not count.

    boolean          true, false (any case)
    integer          whole numbers within 64 bits, without leading zeros
    number           decimal numbers with a point, exponents, inf; whole numbers of up to 18 digits among them
    decimal comma    as number with a comma, in files that are not separated by commas, and only if some value cannot
                     be a whole number with thousands separators (1,5 can not; 1,500 can)
    day              2024-02-29
    moment           2024-02-29 10:00[:00[.000000]], days among them; all with a zone (Z, +08:00) or all without
    string           everything else: codes such as 007, whole numbers beyond 64 bits, dates in other orders

Missing are empty fields and the MARKERS. In a string column a marker counts as missing only where it was not quoted,
so that "NA" may be Namibia.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

MARKERS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?")
"""Values that mean "missing"."""


class Reading(Enum):
    """One way to read the strings of a column."""

    BOOLEAN = r"(?i)^(true|false)$"
    INTEGER = r"^[+-]?(0|[1-9][0-9]*)$"
    NUMBER = (
        r"(?i)^[+-]?((0|[1-9][0-9]{0,17})|(0|[1-9][0-9]*)\.[0-9]*(e[+-]?[0-9]+)?|\.[0-9]+(e[+-]?[0-9]+)?"
        r"|(0|[1-9][0-9]*)e[+-]?[0-9]+|inf(inity)?)$"
    )
    DECIMAL_COMMA = r"^[+-]?(0|[1-9][0-9]*)(,[0-9]+)?$"
    DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
    MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
    MOMENT_WITH_ZONE = (
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})$"
    )
    STRING = ""

    @property
    def arrow_type(self) -> pa.DataType:
        import pyarrow as pa

        types = {
            Reading.BOOLEAN: pa.bool_(),
            Reading.INTEGER: pa.int64(),
            Reading.NUMBER: pa.float64(),
            Reading.DECIMAL_COMMA: pa.float64(),
            Reading.DAY: pa.date32(),
            Reading.MOMENT: pa.timestamp("us"),
            Reading.MOMENT_WITH_ZONE: pa.timestamp("us", "UTC"),
        }
        return types.get(self, pa.string())

    def convert(self, strings: pa.Array) -> pa.Array:
        """The strings as values of ``arrow_type``. Raises ArrowInvalid where one does not fit."""
        import pyarrow as pa
        import pyarrow.compute as pc

        trimmed = pc.utf8_trim_whitespace(strings)
        if self is Reading.STRING:
            padded_marker = pc.and_(pc.not_equal(strings, trimmed), _is_marker(trimmed))
            missing = pc.or_(padded_marker, pc.equal(trimmed, ""))
            return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
        return self.parse(pc.if_else(_is_marker(trimmed), pa.scalar(None, pa.string()), trimmed))

    def parse(self, values: pa.Array) -> pa.Array:
        """As ``convert``, for trimmed strings without markers."""
        import pyarrow.compute as pc

        if self is Reading.BOOLEAN:
            values = pc.utf8_lower(values)
        if self is Reading.DECIMAL_COMMA:
            values = pc.replace_substring(values, ",", ".")
        if self in (Reading.INTEGER, Reading.NUMBER, Reading.DECIMAL_COMMA):
            values = pc.utf8_ltrim(values, "+")
        return values.cast(self.arrow_type)


ALL_READINGS = tuple(Reading)
TEMPORAL_READINGS = (Reading.DAY, Reading.MOMENT, Reading.MOMENT_WITH_ZONE, Reading.STRING)
_UNMISTAKABLE_COMMA = r"^[+-]?(0|[0-9]{4,}),|,([0-9]{1,2}|[0-9]{4,})$"
_PROBE = 64
_SAFE_DIGITS = 18
# What fits the one fits the others too; whole numbers, if they are short enough to be exact in every reading.
_IMPLIED = {Reading.INTEGER: {Reading.NUMBER, Reading.DECIMAL_COMMA}, Reading.DAY: {Reading.MOMENT}}
# The pattern alone does not tell whether a value of these exists.
_TRIED = {Reading.INTEGER, Reading.DAY, Reading.MOMENT, Reading.MOMENT_WITH_ZONE}


@dataclass(slots=True)
class ColumnInference:
    """Narrows the readings of one column batch by batch."""

    readings: list[Reading] = field(default_factory=lambda: list(ALL_READINGS))
    _values: int = 0
    _comma_is_decimal: bool = False

    def observe(self, strings: pa.Array) -> None:
        """Drops the readings that some value of this batch does not fit."""
        import pyarrow.compute as pc

        if len(self.readings) == 1:
            return
        values = pc.utf8_trim_whitespace(strings.drop_null())
        values = values.filter(pc.invert(_is_marker(values)))
        if not len(values):
            return
        self._values += len(values)
        # A short probe first: most readings fail at once, and need not be tried on the whole batch.
        self.readings = _fitting(self.readings, values[:_PROBE])
        self.readings = _fitting(self.readings, values)
        if Reading.DECIMAL_COMMA in self.readings and not self._comma_is_decimal:
            self._comma_is_decimal = bool(pc.any(pc.match_substring_regex(values, _UNMISTAKABLE_COMMA)).as_py())

    @property
    def is_ambiguous_comma(self) -> bool:
        """Whether the values may be decimal numbers or whole numbers with thousands separators."""
        return self._values > 0 and self.readings[0] is Reading.DECIMAL_COMMA and not self._comma_is_decimal

    @property
    def reading(self) -> Reading:
        """The reading that all values seen so far fit; STRING if there were none."""
        return Reading.STRING if not self._values or self.is_ambiguous_comma else self.readings[0]


def _fitting(readings: Sequence[Reading], values: pa.Array) -> list[Reading]:
    import pyarrow.compute as pc

    short = pc.max(pc.binary_length(values)).as_py() <= _SAFE_DIGITS
    found: list[Reading] = []
    implied: set[Reading] = set()
    for reading in readings:
        if reading in implied or _fits(
            reading, values, tried=reading in _TRIED and not (short and reading is Reading.INTEGER)
        ):
            found.append(reading)
            if short:
                implied |= _IMPLIED.get(reading, set())
    return found


def _fits(reading: Reading, values: pa.Array, *, tried: bool) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if reading is Reading.STRING:
        return True
    if not pc.all(pc.match_substring_regex(values, reading.value)).as_py():
        return False
    if tried:
        try:
            reading.parse(values)
        except pa.ArrowInvalid:  # the 30th of February, a whole number beyond 64 bits
            return False
    return True


def _is_marker(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(values, value_set=pa.array(MARKERS))
