"""Cursor paging: a page, and the opaque cursor that leads to the next one."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tholos.kit.database import storable
from tholos.kit.errors import InvalidInput

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


class BadCursor(InvalidInput):
    """The cursor is not one this server gave out."""

    code = "bad_cursor"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the cursor of the page that follows (None on the last)."""

    items: list[T]
    next_cursor: str | None


def encode_cursor(*values: str | float) -> str:
    """The sort values of the last item of a page, as one opaque URL-safe string."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *types: type) -> tuple[Any, ...]:
    """The sort values back, checked against ``types``. Raises BadCursor."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or len(values) != len(types)
        or not all(type(value) is kind for value, kind in zip(values, types, strict=True))
        or not all(storable(value) for value in values if isinstance(value, str))
    ):
        raise BadCursor(next="Start again without a cursor, and pass on `next_cursor` unchanged.")
    return tuple(values)
