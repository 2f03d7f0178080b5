"""Names of repos and revisions, as users write them: ``namespace/name`` and ``namespace/name@revision``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from tholos.sdk.errors import InvalidInput

Kind = Literal["model", "dataset", "algorithm"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A repo (``namespace/name``, or ``name`` in one's own namespace) and, if given, one of its revisions."""

    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Reads ``ns/name``, ``name``, ``ns/name@rev``. Raises InvalidInput."""
        name, _, revision = text.partition("@")
        parts = name.split("/")
        if len(parts) > 2 or not all(parts) or text.endswith("@"):
            raise InvalidInput(
                f"{text!r} is not the name of a repo.", next="Write it as namespace/name or namespace/name@revision."
            )
        return cls(name, revision or None)

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


def segment(text: str) -> str:
    """One segment of a URL's path."""
    return quote(text, safe="")


def repo_path(kind: Kind, name: str) -> str:
    """The URL path of a repo, from its full name."""
    namespace, _, rest = name.partition("/")
    return f"/api/v1/{kind}s/{segment(namespace)}/{segment(rest)}"
