"""One prediction, independent of the protocol that brought it: what comes in, what goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tholos.kit.errors import MethodNotAllowed, TholosError
from tholos.kit.http import error_parts

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request for a prediction. Of ``token`` (an API key) and ``session`` (a web sign-in) the first one given counts.

    ``body`` is JSON, or the bytes of an image where ``content_type`` begins with ``image/``.
    """

    namespace: str
    deployment: str
    body: bytes
    content_type: str
    request_id: str
    token: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to an exchange: ``body`` is always JSON."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def error_answer(error: TholosError, request_id: str) -> Answer:
    """An error in its one wire shape."""
    body, headers = error_parts(error, request_id)
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.details["allow"])
    return Answer(error.status, body, headers)
