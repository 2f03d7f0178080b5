"""What the gateway refuses before a model is asked."""

from __future__ import annotations

from typing import ClassVar

from tholos.kit import http
from tholos.kit.errors import InvalidInput, MethodNotAllowed
from tholos.tasks.errors import NotFinite


class BrokenJson(InvalidInput):
    """The body is not JSON."""

    code: ClassVar[str] = "broken_json"


class BrokenUtf8(InvalidInput):
    """The body is not UTF-8."""

    code: ClassVar[str] = "broken_utf8"


class NonFiniteJson(NotFinite):
    """The body holds NaN or Infinity, which JSON does not have."""


class TooDeep(InvalidInput):
    """The JSON is nested deeper than any input is."""

    code: ClassVar[str] = "json_too_deep"


class NoInput(InvalidInput):
    """The body has no input."""

    code: ClassVar[str] = "input_absent"


class WrongContentType(InvalidInput):
    """The body is of a type that predictions do not take."""

    code: ClassVar[str] = "content_type_wrong"


class UnknownKey(InvalidInput):
    """The body has a key beside its input."""

    code: ClassVar[str] = "key_unknown"


class BodyTooLarge(http.BodyTooLarge):
    """The body is larger than a prediction may be."""


class UsePost(MethodNotAllowed):
    """Predictions are asked for with POST."""
