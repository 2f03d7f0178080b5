"""Every error of the SDK.

TholosError
 ├── ServerUnreachable         no answer from the server
 ├── UnexpectedAnswer          an answer that no Tholos server gives
 ├── TransferFailed            a file arrived damaged, or would have been written outside its folder
 ├── JobFailed                 the job ended without a result (JobCancelled: because someone stopped it)
 ├── DeploymentFailed          the deployment did not become ready
 ├── WaitTimedOut              still under way when the time was up
 ├── MissingLibrary            an optional library is not installed
 ├── InvalidInput          400
 ├── NotAuthenticated      401
 ├── Forbidden             403
 ├── NotFound              404
 ├── MethodNotAllowed      405
 ├── Conflict              409
 ├── PayloadTooLarge       413
 ├── RangeNotSatisfiable   416
 ├── Unprocessable         422
 ├── TooManyRequests       429
 ├── Unavailable           503
 └── InsufficientStorage   507

Each machine code of the server has a class of its own below its family, in ``tholos.sdk.error_codes`` (generated from
the server's own tree); a code that this client does not know yet becomes its family, by status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class TholosError(Exception):
    """Something went wrong and the caller can do something about it.

    ``code`` is the stable machine name, ``message`` one English sentence, ``next`` what to do now, ``status`` the HTTP
    status (0 when there was no answer), ``request_id`` what to quote to an operator, ``details`` values for programs.
    """

    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        next: str = "",  # noqa: A002 - the wire's own word
        code: str = "",
        status: int = 0,
        request_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = message
        self.next = next
        self.code = code or self.default_code
        self.status = status
        self.request_id = request_id
        self.details = dict(details or {})
        super().__init__(f"{message} {next}".strip())


class ServerUnreachable(TholosError):
    """No answer from the server."""

    default_code = "server_unreachable"


class UnexpectedAnswer(TholosError):
    """The answer is not one that a Tholos server gives."""

    default_code = "unexpected_answer"


class TransferFailed(TholosError):
    """A file arrived damaged, or would have been written outside its folder."""

    default_code = "transfer_failed"


class JobFailed(TholosError):
    """The job ended without a result; ``code``, ``message`` and ``next`` are the server's."""

    default_code = "job_failed"


class JobCancelled(JobFailed):
    """The job was cancelled before it had a result."""

    default_code = "job_cancelled"


class DeploymentFailed(TholosError):
    """The deployment did not become ready."""

    default_code = "deployment_failed"


class WaitTimedOut(TholosError, TimeoutError):
    """It was still under way when the time was up; it goes on."""

    default_code = "wait_timed_out"


class MissingLibrary(TholosError, ImportError):
    """An optional library is not installed."""

    default_code = "missing_library"


class InvalidInput(TholosError):
    """The request is not valid."""

    default_code = "invalid_input"


class NotAuthenticated(TholosError):
    """A valid token is needed."""

    default_code = "not_authenticated"


class Forbidden(TholosError):
    """This token may not do that."""

    default_code = "forbidden"


class NotFound(TholosError):
    """There is no such thing, or you may not see it."""

    default_code = "not_found"


class MethodNotAllowed(TholosError):
    """This address does not take that method."""

    default_code = "method_not_allowed"


class Conflict(TholosError):
    """The present state does not allow this."""

    default_code = "conflict"


class PayloadTooLarge(TholosError):
    """The request is larger than the server takes."""

    default_code = "payload_too_large"


class RangeNotSatisfiable(TholosError):
    """The range asked for lies outside the file."""

    default_code = "range_not_satisfiable"


class Unprocessable(TholosError):
    """The request is well-formed but cannot be carried out with this data."""

    default_code = "unprocessable"


class TooManyRequests(TholosError):
    """Too many requests."""

    default_code = "too_many_requests"


class Unavailable(TholosError):
    """This cannot be done right now."""

    default_code = "unavailable"


class InsufficientStorage(TholosError):
    """The server's disk is full."""

    default_code = "insufficient_storage"


FAMILIES: Mapping[int, type[TholosError]] = {
    400: InvalidInput,
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    413: PayloadTooLarge,
    416: RangeNotSatisfiable,
    422: Unprocessable,
    429: TooManyRequests,
    503: Unavailable,
    507: InsufficientStorage,
}
"""The family of each HTTP status."""


def class_of(code: str, status: int) -> type[TholosError]:
    """The class of a machine code; of its status when the code is newer than this client."""
    from tholos.sdk.error_codes import BY_CODE

    return BY_CODE.get(code) or FAMILIES.get(status, TholosError)


def from_answer(status: int, body: Any, *, method: str, url: str) -> TholosError:
    """The typed error of an answer with an error status; ``body`` is its decoded JSON, or None if it has none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        kind = FAMILIES.get(status, UnexpectedAnswer)
        return kind(
            f"{method} {url} was answered with status {status} and no explanation.",
            next="Check that the URL is a Tholos server's, and its log.",
            status=status,
        )
    code = str(error.get("code", ""))
    details = error.get("details")
    return class_of(code, status)(
        str(error.get("message", "")) or f"The server answered with status {status}.",
        next=str(error.get("next", "")),
        code=code,
        status=status,
        request_id=str(body.get("request_id", "")),
        details=details if isinstance(details, dict) else {},
    )
