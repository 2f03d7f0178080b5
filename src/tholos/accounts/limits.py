"""Limits of a token: which repos and namespaces it reaches, and whether it may write there.

Written as people say them: "ada/penguins:read" is every repo of that name, whatever its kind; "acme/*:write" is the
namespace with all that lies in it, deployments and jobs too. Stored without case, as names are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, cast

from sqlalchemy import ColumnElement, and_, false, or_

from tholos.accounts.errors import InvalidLimit, InvalidName
from tholos.accounts.names import check_name

Reach = Literal["read", "write"]
Limits = Mapping[str, Reach]
"""By "namespace/name" or "namespace/*" in lower case."""

MAX_LIMITS: Final = 100
_KEY: Final = "key:"


def parse_limits(texts: Iterable[str]) -> dict[str, Reach]:
    """The limits that people wrote; of two for one name the wider counts. Raises InvalidLimit."""
    limits: dict[str, Reach] = {}
    for text in texts:
        name, reach = _parsed(text)
        limits[name] = "write" if "write" in (reach, limits.get(name)) else "read"
    if len(limits) > MAX_LIMITS:
        raise InvalidLimit(
            f"A token has {MAX_LIMITS} limits at most, not {len(limits)}.", next='Name whole namespaces: "acme/*:read".'
        )
    return limits


def written(limits: Limits) -> list[str]:
    """The limits as `parse_limits` reads them, sorted."""
    return [f"{name}:{reach}" for name, reach in sorted(limits.items())]


def reach(limits: Limits, names: Iterable[str]) -> Reach | None:
    """How far the widest of the limits under these names goes; None where none of them is there."""
    found = {limits.get(name) for name in names}
    return "write" if "write" in found else "read" if "read" in found else None


def of_key(limits: Limits, key_id: str) -> dict[str, Reach]:
    """The limits of a key in use: they reach the jobs that were started with it."""
    return {**limits, started_with(key_id): "write"}


def started_with(key_id: str) -> str:
    """The limit that reaches a job started with this key."""
    return f"{_KEY}{key_id}"


def namespaces(limits: Limits) -> list[str]:
    """The namespaces that the limits reach whole."""
    return sorted(name.removesuffix("/*") for name in limits if name.endswith("/*"))


def within(limits: Limits | None, namespace_key: Any, name_key: Any) -> ColumnElement[bool] | None:
    """The condition under which a row with these (lower-case) name columns is reached; None: always."""
    if limits is None:
        return None
    named = [tuple(name.split("/")) for name in limits if "/" in name and not name.endswith("/*")]
    return or_(
        false(),
        namespace_key.in_(namespaces(limits)),
        *(and_(namespace_key == namespace, name_key == name) for namespace, name in named),
    )


def _parsed(text: str) -> tuple[str, Reach]:
    path, _, wanted = text.rpartition(":")
    namespace, slash, name = path.partition("/")
    problem = InvalidLimit(
        f"{text[:200]!r} is no limit of a token.",
        next='Write "namespace/name:read", "namespace/name:write", or "namespace/*:read" for a whole namespace.',
    )
    if wanted not in ("read", "write") or not slash:
        raise problem
    try:
        check_name(namespace, "namespace")
        if name != "*":
            check_name(name, "repo")
    except InvalidName as error:
        raise problem from error
    return path.lower(), cast("Reach", wanted)
