"""Refusals as Hugging Face's clients read them: a code and a sentence in headers, and the sentence as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from tholos.accounts.errors import InvalidName, InvalidToken, OrganizationNotFound, TokenExpired
from tholos.hub.errors import (
    AmbiguousRevision,
    BlobNotUploaded,
    CommitRace,
    EntryNotFound,
    GatedRepo,
    InvalidAttributes,
    ObjectCollision,
    PathConflict,
    PointerToNothing,
    RepoNotFound,
    RevisionNotFound,
)
from tholos.kit.errors import NotAuthenticated, TholosError
from tholos.kit.http import REQUEST_ID
from tholos.kit.signing import InvalidSignature

# The client tells a wrong token from a missing repo by this very sentence.
_BAD_TOKEN: Final = "Invalid credentials in Authorization header"  # noqa: S105 - no password
_MAX_HEADER: Final = 500


class NotOffered(TholosError):
    """This server does not offer that part of the Hugging Face Hub."""

    code = "not_offered"
    status = 501


_CODES: Final[Mapping[type[TholosError], tuple[str, int]]] = {
    RepoNotFound: ("RepoNotFound", 404),
    OrganizationNotFound: ("RepoNotFound", 404),  # clients know no other word for it
    RevisionNotFound: ("RevisionNotFound", 404),
    AmbiguousRevision: ("RevisionNotFound", 404),
    EntryNotFound: ("EntryNotFound", 404),
    GatedRepo: ("GatedRepo", 403),
    CommitRace: ("PreconditionFailed", 412),
    BlobNotUploaded: ("BlobNotUploaded", 400),
    PointerToNothing: ("PointerToNothing", 400),
    PathConflict: ("PathConflict", 400),
    InvalidAttributes: ("InvalidAttributes", 400),
    ObjectCollision: ("ObjectCollision", 400),
    NotOffered: ("NotImplemented", 501),
    InvalidSignature: ("InvalidSignature", 403),
}


def refusal(
    error: TholosError,
    request_id: str,
    *,
    about_repo: bool = False,
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Response:
    """The error as an answer; ``about_repo``: the address names a repo, so a name that cannot be is one not found.

    ``headers`` and ``fields`` (of the JSON body) are added to it.
    """
    code, status = _code(error, about_repo=about_repo)
    sentence = error.message
    if isinstance(error, InvalidToken | TokenExpired):
        sentence = _BAD_TOKEN
    text = f"{sentence} {error.next}".strip() if sentence != _BAD_TOKEN else sentence
    answer = {"x-error-code": code, "x-error-message": _header(sentence), REQUEST_ID: request_id}
    if error.retry_after_s is not None:
        answer["retry-after"] = str(error.retry_after_s)
    if isinstance(error, NotAuthenticated) and status == 401:
        answer["www-authenticate"] = 'Bearer realm="Tholos"'
    body = {"error": text, "message": text, "code": error.code, **(fields or {})}
    return Response(orjson.dumps(body), status, {**answer, **(headers or {})}, media_type="application/json")


def _code(error: TholosError, *, about_repo: bool) -> tuple[str, int]:
    if about_repo and isinstance(error, InvalidName):
        return _CODES[RepoNotFound]
    known = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), None)
    return known or ("".join(word.capitalize() for word in error.code.split("_")), error.status)


def _header(text: str) -> str:
    printable = "".join(character if character.isprintable() and character.isascii() else "?" for character in text)
    return printable[:_MAX_HEADER]
