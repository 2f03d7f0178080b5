"""From the server's JSON to frozen dataclasses, tolerant of what a newer server adds."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from tholos.sdk.errors import UnexpectedAnswer

R = TypeVar("R", bound="Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the server answered: typed fields, and in ``raw`` the JSON as it came."""

    raw: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, data: Any) -> Self:
        """Reads a JSON object. Unknown keys are ignored; raises UnexpectedAnswer when a needed one is missing."""
        return _decode(cls, data)


_SHAPES: dict[type[Any], tuple[tuple[Field[Any], Any], ...]] = {}
"""Fields and resolved types of each result, worked out when the first one of its kind arrives."""


def _shape(cls: type[Any]) -> tuple[tuple[Field[Any], Any], ...]:
    if cls not in _SHAPES:
        hints = get_type_hints(cls)
        _SHAPES[cls] = tuple((entry, hints[entry.name]) for entry in fields(cls) if entry.name != "raw")
    return _SHAPES[cls]


def _decode(cls: type[R], data: Any) -> R:
    if not isinstance(data, dict):
        raise UnexpectedAnswer(
            f"The server answered with {type(data).__name__} where a {cls.__name__} was expected.",
            next="Check that client and server have fitting versions: `tholos whoami`, `pip install -U tholos`.",
        )
    values: dict[str, Any] = {}
    for entry, hint in _shape(cls):
        if entry.name in data:
            values[entry.name] = _value(hint, data[entry.name])
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise UnexpectedAnswer(
                f"The server's {cls.__name__} lacks {entry.name!r}.",
                next="Check that client and server have fitting versions: `pip install -U tholos`.",
            )
    return cls(raw=data, **values)


def _value(hint: Any, data: Any) -> Any:
    """One JSON value as the type of its field: nested results, times, tuples and mappings of them, else as it is."""
    if data is None:
        return None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        member = next(option for option in get_args(hint) if option is not type(None))
        return _value(member, data)
    if origin is tuple and isinstance(data, list):
        return tuple(_value(get_args(hint)[0], item) for item in data)
    if origin is not None and issubclass(origin, Mapping) and isinstance(data, dict):
        return {key: _value(get_args(hint)[1], item) for key, item in data.items()}
    if hint is datetime and isinstance(data, str):
        return datetime.fromisoformat(data)
    if isinstance(hint, type) and is_dataclass(hint) and issubclass(hint, Result):
        return _decode(hint, data)
    return data
