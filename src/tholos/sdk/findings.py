"""What searches answer with, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tholos.sdk.decoding import Result
from tholos.sdk.results import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Repo):
    """A repo that was found, with how much it is used; ``downloads`` are those of the last 30 days."""

    task: str | None = None
    library: str | None = None
    parameters: int | None = None
    downloads: int = 0
    downloads_all_time: int = 0
    likes: int = 0
    trending: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue(Result):
    """How many hits have this value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(Result):
    """Hits, and how many there are in all; ``estimated`` says that the numbers come from a sample."""

    items: tuple[Hit, ...]
    total: int
    estimated: bool = False
    facets: Mapping[str, tuple[FacetValue, ...]] = field(default_factory=dict)
    corrections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested(Result):
    """Words to go on with."""

    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads(Result):
    """How often a repo was downloaded: by day (of the last 30, oldest first), in these 30 days, and ever."""

    days: tuple[Mapping[str, object], ...]
    total: int
    all_time: int
