"""What the gateway refuses before a model is asked."""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import InvalidInput, MethodNotAllowed, PayloadTooLarge


class BrokenJson(InvalidInput):
    """The body is not JSON."""

    code: ClassVar[str] = "broken_json"


class BrokenUtf8(InvalidInput):
    """The body is not UTF-8."""

    code: ClassVar[str] = "broken_utf8"


class NonFiniteJson(InvalidInput):
    """The body holds NaN or Infinity, which JSON does not have."""

    code: ClassVar[str] = "input_not_finite"


class TooDeep(InvalidInput):
    """The JSON is nested deeper than any input is."""

    code: ClassVar[str] = "json_too_deep"


class NoInput(InvalidInput):
    """The body has no input."""

    code: ClassVar[str] = "input_absent"


class WrongContentType(InvalidInput):
    """The body is of a type that predictions do not take."""

    code: ClassVar[str] = "content_type_wrong"


class BodyTooLarge(PayloadTooLarge):
    """The body is larger than a prediction may be."""

    code: ClassVar[str] = "body_too_large"


class UsePost(MethodNotAllowed):
    """Predictions are asked for with POST."""

    code: ClassVar[str] = "method_not_allowed"
