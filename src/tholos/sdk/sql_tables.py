"""From a database's rows to one Parquet file: types are found as rows arrive and unified at the end."""

from __future__ import annotations

import decimal
import enum
import ipaddress
import uuid
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tholos.sdk.errors import InvalidInput
from tholos.sdk.sql import OnRows, missing, require_columns

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = (uuid.UUID, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network, time)
_MAX_PRECISION = 76
_INT64 = 1 << 63


class Spool:
    """Batches on disk until every type is known."""

    def __init__(self, folder: Path, progress: OnRows | None) -> None:
        try:
            import pyarrow as pa
        except ImportError:
            raise missing("pyarrow") from None
        self._pa = pa
        self._folder = folder
        self._progress = progress
        self._parts: list[Path] = []
        self._types: dict[str, pa.DataType] = {}
        self.rows = 0

    def add_rows(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A batch of Python values. Raises InvalidInput for a value that a dataset cannot hold."""
        columns = [self._column(name, [row[place] for row in rows]) for place, name in enumerate(names)]
        self._add(self._pa.table(columns, names=list(names)))

    def add_table(self, table: pa.Table) -> None:
        """A batch that Arrow knows already; its types must be those that ``arrow_type`` lets through."""
        require_columns(table.column_names)
        columns = [
            column.cast(self.arrow_type(name, column.type))
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
        self._add(self._pa.table(columns, names=table.column_names))

    def finish(self, target: Path) -> pa.Schema:
        """Writes all batches with one type per column, and returns the schema. Raises InvalidInput without rows."""
        import pyarrow.parquet as pq

        if self.rows == 0:
            raise InvalidInput("The query answers with no rows.", next="Nothing was committed: check its conditions.")
        pa = self._pa
        schema = pa.schema(
            [(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in self._types.items()]
        )
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for part in self._parts:
                with pa.memory_map(str(part)) as file:
                    writer.write_table(pa.ipc.open_file(file).read_all().cast(schema))
                part.unlink()
        return schema

    def _add(self, table: pa.Table) -> None:
        for field in table.schema:
            self._types[field.name] = self._unified(field.name, self._types.get(field.name), field.type)
        part = self._folder / f"part-{len(self._parts):06}.arrow"
        with self._pa.OSFile(str(part), "wb") as file, self._pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        self._parts.append(part)
        self.rows += table.num_rows
        if self._progress is not None:
            self._progress(self.rows)

    def _column(self, name: str, values: list[Any]) -> pa.Array:
        pa = self._pa
        plain = [_plain(name, value) for value in values]
        kinds = {type(value) for value in plain if value is not None}
        if kinds <= {bool} or kinds <= {int} or kinds <= {str}:
            return pa.array(plain)
        if kinds <= {int, bool}:
            return pa.array([None if value is None else int(value) for value in plain])
        if kinds <= {float, int, bool}:
            return pa.array([None if value is None else _exact(name, value) for value in plain], pa.float64())
        if kinds <= {decimal.Decimal, int}:
            return self._decimals(name, plain)
        if kinds <= {date}:
            return pa.array(plain, pa.date32())
        if kinds <= {datetime}:
            zones = {value.tzinfo is not None for value in plain if value is not None}
            if len(zones) == 1:
                return pa.array(plain, pa.timestamp("us", "UTC" if True in zones else None))
        raise _mixed(name, " and ".join(sorted(kind.__name__ for kind in kinds)))

    def _decimals(self, name: str, values: list[Any]) -> pa.Array:
        exact = [decimal.Decimal(value) if isinstance(value, int) else value for value in values]
        whole = scale = 0
        for value in exact:
            if value is None:
                continue
            _, digits, exponent = value.as_tuple()
            assert isinstance(exponent, int)
            whole, scale = max(whole, len(digits) + exponent), max(scale, -exponent)
        return self._pa.array(exact, self._decimal(name, whole, scale))

    def _decimal(self, name: str, whole: int, scale: int) -> pa.DataType:
        precision = max(1, whole + scale)
        if precision > _MAX_PRECISION:
            raise InvalidInput(
                f"The column {name!r} holds decimals of {precision} digits; at most {_MAX_PRECISION} can be kept.",
                next="Round it in the query, or cast it to text.",
            )
        # Both widths are exact; the larger only where it is needed.
        if precision <= 38:
            return self._pa.decimal128(precision, scale)
        return self._pa.decimal256(precision, scale)

    def _unified(self, name: str, one: pa.DataType | None, two: pa.DataType) -> pa.DataType:
        types = self._pa.types
        if one is None or one == two or types.is_null(one):
            return two
        if types.is_null(two):
            return one
        kinds = (one, two)
        if all(types.is_integer(kind) or types.is_boolean(kind) for kind in kinds):
            return self._pa.int64()
        if all(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) for kind in kinds):
            return self._pa.float64()
        if all(types.is_decimal(kind) or types.is_integer(kind) for kind in kinds):
            shapes = [
                (kind.precision - kind.scale, kind.scale) if types.is_decimal(kind) else (19, 0) for kind in kinds
            ]
            return self._decimal(name, max(whole for whole, _ in shapes), max(scale for _, scale in shapes))
        raise _mixed(name, f"{one} and {two}")

    def arrow_type(self, name: str, kind: pa.DataType) -> pa.DataType:
        """The type in which a column of this Arrow type is kept. Raises InvalidInput for one that is not."""
        pa, types = self._pa, self._pa.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_uint64(kind):
            return pa.decimal128(20, 0)
        if types.is_integer(kind):
            return pa.int64()
        if types.is_floating(kind):
            return pa.float64()
        if types.is_timestamp(kind):
            return pa.timestamp("us", "UTC" if kind.tz else None)
        if types.is_time(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return pa.string()
        if types.is_boolean(kind) or types.is_decimal(kind) or types.is_null(kind):
            return kind
        if types.is_date(kind):
            return pa.date32()
        raise _refused(name, str(kind))


def _plain(name: str, value: Any) -> Any:
    """A driver's value as one of the few kinds that a column is made of."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise InvalidInput(
                f"The column {name!r} holds a whole number beyond 64 bits.", next="Cast it to text in the query."
            )
        return value
    if isinstance(value, decimal.Decimal):
        if value.is_infinite():
            raise InvalidInput(f"The column {name!r} holds an infinite decimal.", next="Leave such rows out.")
        return None if value.is_nan() else value
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, datetime | date):
        return value
    raise _refused(name, type(value).__name__)


def _exact(name: str, value: Any) -> float:
    number = float(value)
    if isinstance(value, int) and int(number) != value:
        raise InvalidInput(
            f"The column {name!r} mixes fractions with whole numbers too large for them.",
            next="Cast it to one type in the query.",
        )
    return number


def _refused(name: str, kind: str) -> InvalidInput:
    return InvalidInput(
        f"The column {name!r} holds {kind}, which a dataset's table cannot hold.",
        next="Leave it out of the query, or cast it to text or numbers there.",
    )


def _mixed(name: str, kinds: str) -> InvalidInput:
    return InvalidInput(f"The column {name!r} mixes {kinds}.", next="Cast it to one type in the query.")
