"""Addresses of the protocol, read from the raw path: an encoded slash inside a revision or path stays where it is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from starlette.responses import Response
from starlette.types import Scope

from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.call import Call

Handler = Callable[[Call], Response]
StreamHandler = Callable[[Call], Awaitable[Response]]

_SEGMENT: Final = r"[^/]+"
_FIELDS: Final = {
    "kinds": r"models|datasets|algorithms",
    # Some clients write the slashes of these two kinds of reference as they are.
    "rev": r"refs/(?:pr|convert)/[^/]+|[^/]+",
    "rest": r".*",
    # Pages of a repo that is called "resolve" are not files of a repo without a namespace.
    "bare_rev": r"(?!(?:tree|blob|commits|resolve)/)[^/]+",
}
_FIELD = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Address:
    """Requests that one handler answers.

    ``handle`` runs in a worker thread with the body at hand; ``stream`` on the event loop, and reads the body itself.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    handle: Handler | None = None
    stream: StreamHandler | None = None


def address(methods: str, template: str, handle: Handler) -> Address:
    """An address such as ``address("GET HEAD", "/api/{kinds}/{namespace}/{name}/tree/{rev}", show)``."""
    return Address(frozenset(methods.split()), _compiled(template), handle=handle)


def streamed(methods: str, template: str, stream: StreamHandler) -> Address:
    """An address whose handler reads the body as it arrives."""
    return Address(frozenset(methods.split()), _compiled(template), stream=stream)


def raw_path(scope: Scope) -> str:
    """The path as the client wrote it, without the query."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("ascii", "replace")


def decoded(names: Mapping[str, str | None]) -> dict[str, str]:
    """The parts of an address, percent-decoded. Raises InvalidInput where they are not UTF-8 or hold a NUL."""
    try:
        found = {key: unquote_to_bytes(value).decode() for key, value in names.items() if value is not None}
    except UnicodeDecodeError:
        raise InvalidInput("The address is not UTF-8.", next="Percent-encode the address as UTF-8.") from None
    if any("\0" in value for value in found.values()):  # no name has one, and PostgreSQL takes none
        raise InvalidInput("The address holds a NUL.", next="Leave it out.")
    return found


def _compiled(template: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for field in _FIELD.finditer(template):
        name = field[1]
        parts += [re.escape(template[end : field.start()]), f"(?P<{name}>{_FIELDS.get(name, _SEGMENT)})"]
        end = field.end()
    return re.compile("".join([*parts, re.escape(template[end:])]))
