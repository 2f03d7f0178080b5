"""Every error that Tholos shows to anyone.

TholosError
 ├── InvalidInput          400   the request itself is wrong
 ├── NotAuthenticated      401   no valid token
 ├── Forbidden             403   known, but not allowed
 ├── NotFound              404   not there, or not yours to see
 ├── Conflict              409   the state of things forbids it now
 ├── PayloadTooLarge       413   over a limit that is a setting
 ├── Unprocessable         422   well-formed, but cannot be done with this data
 ├── TooManyRequests       429   slow down
 ├── Unavailable           503   not now; try again
 └── InsufficientStorage   507   the disk is full

A room subclasses one of these in its ``errors.py`` and sets ``code``. The HTTP status lives here and nowhere else, and
the OpenAPI document is made from the same classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar


class TholosError(Exception):
    """Something went wrong and the caller can do something about it.

    ``message`` is one English sentence about what happened; ``next`` says what to do now; ``details`` holds values a
    program may want (JSON only). ``code`` is the stable machine name and ``status`` the HTTP status.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    retry_after_s: int | None = None
    """Sent as ``Retry-After`` where set."""

    def __init__(self, message: str = "", *, next: str = "", **details: Any) -> None:  # noqa: A002 - the wire's own word
        self.message = message or _first_line(type(self))
        self.next = next
        self.details = details
        super().__init__(self.message)

    def to_dict(self) -> dict[str, Any]:
        """The error's one wire shape, without the request id that the HTTP layer adds."""
        return {"code": self.code, "message": self.message, "next": self.next, "details": self.details}


class InvalidInput(TholosError):
    """The request is not valid."""

    code = "invalid_input"
    status = 400


class NotAuthenticated(TholosError):
    """A valid token is needed."""

    code = "not_authenticated"
    status = 401


class Forbidden(TholosError):
    """This token may not do that."""

    code = "forbidden"
    status = 403


class NotFound(TholosError):
    """There is no such thing, or you may not see it."""

    code = "not_found"
    status = 404
    hint: ClassVar[str] = ""
    """What else may be the reason: said of what is missing and of what is hidden alike."""


class MethodNotAllowed(TholosError):
    """This address does not take that method."""

    code = "method_not_allowed"
    status = 405


class Conflict(TholosError):
    """The present state does not allow this."""

    code = "conflict"
    status = 409


class PayloadTooLarge(TholosError):
    """The request is larger than the server takes."""

    code = "payload_too_large"
    status = 413


class RangeNotSatisfiable(TholosError):
    """The range asked for lies outside the file."""

    code = "range_not_satisfiable"
    status = 416


class Unprocessable(TholosError):
    """The request is well-formed but cannot be carried out with this data."""

    code = "unprocessable"
    status = 422


class TooManyRequests(TholosError):
    """Too many requests."""

    code = "too_many_requests"
    status = 429


class Unavailable(TholosError):
    """This cannot be done right now."""

    code = "unavailable"
    status = 503
    retry_after_s: int | None = 1


class InsufficientStorage(TholosError):
    """The disk is full."""

    code = "insufficient_storage"
    status = 507


def responses(errors: Iterable[type[TholosError]]) -> dict[int | str, dict[str, Any]]:
    """FastAPI ``responses=`` for the errors an endpoint can give: one entry per status, naming each code."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = by_status.setdefault(error.status, {"description": ""})
        line = f"`{error.code}`: {_first_line(error)}"
        entry["description"] = f"{entry['description']}\n\n{line}".strip()
    return by_status


def _first_line(error: type[TholosError]) -> str:
    return (error.__doc__ or error.code).strip().splitlines()[0]
