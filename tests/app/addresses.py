"""Every address of the application, as its own tables have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from tholos.wire.huggingface import unsupported
from tholos.wire.huggingface.addresses import _FIELDS
from tholos.wire.huggingface.routing import HubRoute

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_CONVERTER = re.compile(r"\{(\w+):\w+\}")
_GROUP = re.compile(r"\(\?P<(\w+)>\[\^/\]\+\)")


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """A method at an address; parts to fill in stand in braces."""

    method: str
    path: str

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(re.findall(r"\{(\w+)\}", self.path))

    @property
    def reads(self) -> bool:
        return self.method in ("GET", "HEAD")


def doors(app: FastAPI) -> list[Door]:
    """Every method at every address, each once."""
    return sorted(set(_doors(app.router.routes, "")))


def _doors(routes: Iterable[Any], prefix: str) -> Iterator[Door]:
    for route in routes:
        if isinstance(route, HubRoute):
            for address in route._addresses:
                if address.handle is not None and address.handle.__module__ == unsupported.__name__:
                    continue  # it looks at nothing, and says so
                yield from (Door(method, _template(address.pattern)) for method in address.methods)
        elif getattr(route, "routes", None):
            yield from _doors(route.routes, prefix + route.path)
        else:
            path = _CONVERTER.sub(r"{\1}", prefix + route.path)
            methods = getattr(route, "methods", None) or ("POST",)  # the gateway's route is none of FastAPI's
            yield from (Door(method, path) for method in methods if method in _METHODS)


def _template(pattern: re.Pattern[str]) -> str:
    text = pattern.pattern
    for name, expression in _FIELDS.items():
        text = text.replace(f"(?P<{name}>{expression})", f"{{{name}}}")
    return re.sub(r"\\(.)", r"\1", _GROUP.sub(r"{\1}", text))
