"""One call of the protocol: who asks for what, with the parameters read the ways that clients write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.kit.errors import InvalidInput, NotAuthenticated
from tholos.kit.http import BodyTooLarge
from tholos.kit.services import Services

MAX_PAGE: Final = 1000
_YES: Final = frozenset({"true", "1", "yes", "on"})
_NO: Final = frozenset({"false", "0", "no", "off", "", "none", "null"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request, understood: the actor, the decoded parts of its address, and (unless streamed) its body."""

    request: Request
    services: Services
    actor: Actor
    names: Mapping[str, str]
    path: str
    """The raw path."""
    body: bytes = b""

    @property
    def base(self) -> str:
        """The address of this server as the client reaches it, without a closing slash."""
        return (self.services.settings.public_url or str(self.request.base_url)).rstrip("/")

    @property
    def kind(self) -> hub.RepoKind:
        """The kind of repo that the address is about."""
        return hub.RepoKind(self.names.get("kinds", "models").removesuffix("s"))

    @property
    def repo_name(self) -> str:
        """Name of the repo that the address is about, with its namespace."""
        return f"{self.names['namespace']}/{self.names['name']}"

    @property
    def rev(self) -> str:
        """The revision that the address names, or main."""
        return self.names.get("rev", hub.MAIN)

    @property
    def request_id(self) -> str:
        """What the log calls this request."""
        return str(self.request.scope.get("tholos.request_id", ""))

    def signed_in(self) -> Actor:
        """The actor, who is somebody. Raises NotAuthenticated."""
        if self.actor.is_anonymous:
            raise NotAuthenticated("This needs a token.", next="Set HF_TOKEN, or run `hf auth login`.")
        return self.actor

    def text(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.request.query_params.get(name, default)

    def texts(self, name: str) -> list[str]:
        """Every value of a query parameter, however clients repeat it (``a=1&a=2``, ``a[]=1``)."""
        return [*self.request.query_params.getlist(name), *self.request.query_params.getlist(f"{name}[]")]

    def flag(self, name: str) -> bool:
        """A query parameter as a boolean, in each of its spellings. Raises InvalidInput."""
        return read_flag(self.text(name), name)

    def limit(self, default: int = MAX_PAGE, most: int = MAX_PAGE) -> int:
        """How many items the client wants, at most ``most``. Raises InvalidInput."""
        text = self.text("limit")
        if not text:
            return min(default, most)
        if not text.isascii() or not text.isdigit() or int(text[:18]) < 1:
            raise InvalidInput(f'The limit "{text[:40]}" is not a whole number above 0.', next="Send limit=100.")
        return min(int(text[:18]), most)

    def json(self) -> dict[str, Any]:
        """The body, a JSON object; nothing at all counts as an empty one. Raises InvalidInput."""
        return read_object(self.body) if self.body.strip() else {}

    def form(self) -> dict[str, list[str]]:
        """The body, a form or a JSON object, as lists of texts. Raises InvalidInput."""
        if self.request.headers.get("content-type", "").startswith("application/json"):
            return {name: _strings(value) for name, value in self.json().items()}
        try:
            return parse_qs(self.body.decode(), keep_blank_values=True, max_num_fields=20_000)
        except ValueError:
            raise InvalidInput("The form cannot be read.", next="Send fewer fields, in UTF-8.") from None

    def page(self, items: list[Any], cursor: str | None) -> Response:
        """A bare array, with the absolute address of the next page where there is one."""
        headers = {}
        if cursor is not None:
            query = [(key, value) for key, value in self.request.query_params.multi_items() if key != "cursor"]
            address = f"{self.base}{self.path}?{urlencode([*query, ('cursor', cursor)])}"
            headers["link"] = f'<{address}>; rel="next"'
        return answer(items, headers=headers)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, of at most ``limit`` bytes. Raises BodyTooLarge."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise BodyTooLarge(f"The request's body is over {limit:,} bytes.", next="Send less at once.")
        parts.append(part)
    return b"".join(parts)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(content, default=str), status, dict(headers or {}), media_type="application/json")


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises InvalidInput."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.", next="Send a JSON object in UTF-8.") from None
    if not isinstance(value, dict):
        raise InvalidInput("The body is not a JSON object.", next='Send {"name": value, …}.')
    return value


def field(values: Mapping[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """A field of a JSON object, of that type; ``default`` where it is absent or null. Raises InvalidInput."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidInput(f'The field "{name}" is no {kind.__name__}.', next="See the client's documentation.")
    return value


def read_flag(text: str, name: str) -> bool:
    """A boolean in each of its spellings. Raises InvalidInput."""
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise InvalidInput(f'"{name}" is neither true nor false: "{text[:40]}".', next="Send true or false.")


def _strings(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]
