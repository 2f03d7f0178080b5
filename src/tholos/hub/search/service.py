"""Searching: what matches, in which order, and how many of what.

Up to 10,000 hits everything is counted; above, a fair sample is (one in 16, 64 or 256 of the documents that match and
that the asker may see), and the answer says that it is an estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import text

from tholos.accounts.authorization import Action, Actor, may
from tholos.hub import repository
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.hub.repos import require_reader
from tholos.hub.search.corrections import corrected, extended
from tholos.hub.search.documents import FACETS, GATED, SAMPLES
from tholos.hub.search.matching import Condition, Matching, Order, Terms, found_in, sight
from tholos.hub.search.words import filter_term, query_terms
from tholos.kit.database import ReadSession, storable
from tholos.kit.errors import InvalidInput
from tholos.kit.paging import BadCursor, Page, decode_cursor, encode_cursor

Sort = Literal["trending", "downloads", "likes", "updated", "created"]
SORTS: Final[Mapping[Sort, Order]] = {
    "trending": Order(("trending", "updated_at", "doc")),
    "downloads": Order(("downloads", "updated_at", "doc")),
    "likes": Order(("likes", "updated_at", "doc")),
    "updated": Order(("updated_at", "doc")),
    "created": Order(("created_at", "doc")),
}
EXACT_HITS: Final = 10_000
"""Up to so many hits are counted one by one."""
MAX_TEXT: Final = 300
MAX_WORDS: Final = 20
MAX_FILTERS: Final = 20
_VALUES_SHOWN = 30
_SAMPLE_FOR_CERTAIN = 78  # of the smallest sample: 10,000 hits give 39, and 78 is six standard deviations away
_SAMPLE_FOR_DOUBT = 30
_CLOSER_FOR_CERTAIN = 800  # of one in 16: 10,000 hits give 625, and 800 is seven standard deviations away
_GOOD_SAMPLE = 1000
_WALK = 20_000
# PostgreSQL takes the terms of a document, which are an expression, to cost nothing: left alone it computes them for
# every row. The bitmap of a common word needs more room than is usual, or it forgets which rows it found.
_POSTGRES_PLANS = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),"
    " set_config('work_mem', '64MB', true)"
)
_START_AGAIN = "Start again without a cursor, and pass on `next_cursor` unchanged."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for. ``tags`` and ``facets`` (name, value) must all be met."""

    text: str = ""
    kind: RepoKind | None = None
    owner: str = ""
    tags: Sequence[str] = ()
    facets: Sequence[tuple[str, str]] = ()
    min_parameters: int | None = None
    max_parameters: int | None = None
    gated: bool | None = None
    sort: Sort = "trending"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many repos match, in all and by the values of each facet, the most frequent first."""

    total: int
    facets: Mapping[str, Sequence[tuple[str, int]]]
    estimated: bool
    """The numbers come from a sample."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of hits."""

    page: Page[Repo]
    counts: Counts
    corrections: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Words that nothing was found by, and what was searched for in their place."""


def search(read: ReadSession, actor: Actor, wanted: Wanted, *, cursor: str | None = None, limit: int = 20) -> Found:
    """Repos that the actor may read and that have every word and meet every filter, with counts.

    A word is also found by words that begin or end with it. Where nothing is found, each word is also looked for in the
    spellings that it is most likely a mistake for.

    Raises InvalidInput, BadCursor, MissingScope.
    """
    words, filters = _checked(actor, wanted)
    matching = _matching(read, actor, wanted, [*_extended(read, actor, words), *filters])
    place = _Place.of(SORTS[wanted.sort], cursor, limit)
    counts, matching, rows = _counts(read, matching, place)
    corrections: dict[str, Sequence[str]] = {}
    if not counts.total and words:
        corrections = _corrections(read, actor, words)
        if corrections:
            matching = replace(matching, terms=(*_guessed(words, corrections), *filters))
            counts, matching, rows = _counts(read, matching, place)
            corrections = corrections if counts.total else {}
    if rows is None:
        rows = _rows(read, matching, place, many=True)
    return Found(_page(read, actor, place, rows), counts, corrections)


def list_found(
    read: ReadSession, actor: Actor, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
) -> Page[Repo]:
    """The page of `search` alone: nothing is counted, and what was corrected is not said. Raises as `search`."""
    words, filters = _checked(actor, wanted)
    matching = _matching(read, actor, wanted, [*_extended(read, actor, words), *filters])
    place = _Place.of(SORTS[wanted.sort], cursor, limit)
    rows = _listed(read, matching, place)
    if not rows and words:
        first = replace(place, after=None, limit=1)
        is_over = place.after is not None and bool(_listed(read, matching, first))  # a page after the last one
        corrections = {} if is_over else _corrections(read, actor, words)
        if corrections:
            guessed = replace(matching, terms=(*_guessed(words, corrections), *filters), is_scoped=False)
            rows = _listed(read, guessed, place)
    return _page(read, actor, place, rows)


def facet_values(read: ReadSession, actor: Actor, wanted: Wanted) -> Mapping[str, list[str]]:
    """The values of each facet among 10,000 of the hits. Raises as `search`."""
    words, filters = _checked(actor, wanted)
    matching = _matching(read, actor, wanted, [*_extended(read, actor, words), *filters])
    lines = {facets for (facets,) in read.execute(matching.indexed("facets").limit(EXACT_HITS)).all()}
    found: dict[str, dict[str, None]] = {name: {} for name in FACETS}
    for line in "\n".join(lines).split("\n"):
        name, _, value = line.partition("=")
        if value:
            found[name][value] = None
    return {name: list(values) for name, values in found.items()}


def _checked(actor: Actor, wanted: Wanted) -> tuple[list[str], Terms]:
    require_reader(actor)
    for value in (wanted.text, wanted.owner, *wanted.tags, *(value for _, value in wanted.facets)):
        if len(value) > MAX_TEXT or not storable(value):
            raise InvalidInput(
                f"What is searched for is longer than {MAX_TEXT} characters or holds a NUL or a lone surrogate.",
                next="Shorten or correct it.",
            )
    words = query_terms(wanted.text)
    if len(words) > MAX_WORDS or len(wanted.tags) + len(wanted.facets) > MAX_FILTERS:
        raise InvalidInput(
            f"A search has {MAX_WORDS} words and {MAX_FILTERS} filters at most.", next="Search for fewer at once."
        )
    unknown = [name for name, _ in wanted.facets if name not in FACETS]
    if unknown:
        raise InvalidInput(f'There is no facet "{unknown[0][:40]}".', next=f"Use one of {', '.join(FACETS)}.")
    filters = [filter_term("tag", tag) for tag in wanted.tags]
    filters += [filter_term(name, value) for name, value in wanted.facets]
    if wanted.kind:
        filters.append(filter_term("kind", wanted.kind.value))
    if wanted.owner:
        filters.append(filter_term("namespace", wanted.owner.lower()))
    return words, tuple((term,) for term in filters)


def _extended(read: ReadSession, actor: Actor, words: Sequence[str]) -> Terms:
    return tuple(extended(read, actor, word) for word in words)


def _corrections(read: ReadSession, actor: Actor, words: Sequence[str]) -> dict[str, Sequence[str]]:
    """The likeliest spellings of words that may be mistyped; without those that have none."""
    return {word: found for word in words if (found := corrected(read, actor, word))}


def _guessed(words: Sequence[str], corrections: Mapping[str, Sequence[str]]) -> Terms:
    return tuple((word, *corrections.get(word, ())) for word in words)


def _matching(read: ReadSession, actor: Actor, wanted: Wanted, terms: Sequence[tuple[str, ...]]) -> Matching:
    conditions: list[Condition] = []
    if (least := wanted.min_parameters) is not None:
        conditions.append(lambda c: c.parameters >= least)
    if (most := wanted.max_parameters) is not None:
        conditions.append(lambda c: c.parameters <= most)
    is_sqlite = read.get_bind().dialect.name == "sqlite"
    if wanted.gated:
        terms = [*terms, (GATED,)]
    elif wanted.gated is not None:
        conditions.append(lambda c: found_in(c.facts + " ", GATED, is_sqlite=is_sqlite) == 0)
    if not is_sqlite:
        read.execute(text(_POSTGRES_PLANS))
    return Matching(is_sqlite, tuple(terms), sight(read, actor), tuple(conditions))


def _is_everything(matching: Matching) -> bool:
    """Whether nothing but the asker's sight narrows the search down."""
    return not matching.terms and not matching.conditions


# -- counting


def _counts(read: ReadSession, matching: Matching, place: _Place) -> tuple[Counts, Matching, list[Any] | None]:
    """The counts, the search as it is best asked from then on, and the rows of the page if they were found as well."""
    sample, closer = _sample(read, matching, SAMPLES[-1]), None
    if not sample.is_large and len(sample.lines) >= _SAMPLE_FOR_DOUBT:
        closer = _sample(read, matching, SAMPLES[0])
        if len(closer.lines) >= _CLOSER_FOR_CERTAIN:
            return _counted(Counter(closer.lines), 1 << closer.power), matching, None
    if not sample.is_large:
        matching = replace(matching, is_scoped=sample.mostly_hidden)
        lines, rows = _everything(read, matching, place)
        if lines.total() <= EXACT_HITS:
            return _counted(lines, 1), matching, rows
        sample = closer or _sample(read, matching, SAMPLES[0])
    elif len(sample.lines) < _GOOD_SAMPLE:
        enough = len(sample.lines) << (SAMPLES[-1] - SAMPLES[1]) >= _GOOD_SAMPLE
        sample = _sample(read, matching, SAMPLES[1] if enough else SAMPLES[0])
    return _counted(Counter(sample.lines), 1 << sample.power), matching, None


def _everything(read: ReadSession, matching: Matching, place: _Place) -> tuple[Counter[str], list[Any]]:
    """How many hits have which facets, one hit more than are counted at most, and the rows of the page."""
    counting = matching.counted(
        *place.columns, order=place.order, after=place.after, limit=place.limit + 1, most=EXACT_HITS + 1
    )
    lines: Counter[str] = Counter()
    rows: list[Any] = []
    for facets, count, *row in read.execute(counting).all():
        if count is None:
            rows.append(row)
        else:
            lines[facets] += count
    return lines, sorted(rows, key=lambda row: row[1:], reverse=True)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The facets of one in 2**power of the hits that the asker may see, and how many match at all."""

    lines: list[str]
    matched: int
    power: int

    @property
    def is_large(self) -> bool:
        """Whether there are certainly more hits than are counted one by one."""
        return len(self.lines) >= _SAMPLE_FOR_CERTAIN

    @property
    def mostly_hidden(self) -> bool:
        """Whether looking at all that match would be far more than looking at the hits."""
        return self.matched >= 2 * _SAMPLE_FOR_CERTAIN


def _sample(read: ReadSession, matching: Matching, power: int) -> _Sample:
    rows = read.execute(matching.sampled(power)).all()
    return _Sample([facets for facets, seen in rows if seen], len(rows), power)


def _counted(lines: Counter[str], scale: int) -> Counts:
    values: Counter[str] = Counter()
    for line, hits in lines.items():
        for value in line.split("\n"):
            values[value] += hits
    facets: dict[str, list[tuple[str, int]]] = {name: [] for name in FACETS}
    for entry, count in sorted(values.items(), key=lambda item: (-item[1], item[0])):
        name, _, value = entry.partition("=")
        if value and len(facets[name]) < _VALUES_SHOWN:
            facets[name].append((value, count * scale))
    return Counts(lines.total() * scale, facets, estimated=scale > 1)


# -- the page


@dataclass(frozen=True, slots=True)
class _Place:
    """Which page: of how many hits, in which order, after which."""

    order: Order
    after: list[Any] | None
    limit: int

    @classmethod
    def of(cls, order: Order, cursor: str | None, limit: int) -> _Place:
        """Raises BadCursor."""
        return cls(order, _decoded(order, cursor) if cursor else None, limit)

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row of a page has."""
        return ("repo_id", *self.order.columns)


def _listed(read: ReadSession, matching: Matching, place: _Place) -> list[Any]:
    """As `_rows`, for hits that nobody has counted."""
    many = _is_everything(matching)
    if not many:
        sample = _sample(read, matching, SAMPLES[-1])
        many, matching = sample.is_large, replace(matching, is_scoped=sample.mostly_hidden)
    return _rows(read, matching, place, many=many)


def _rows(read: ReadSession, matching: Matching, place: _Place, *, many: bool) -> list[Any]:
    """The rows of a page, and one more if more follow."""
    order, after, limit = place.order, place.after, place.limit
    if many:
        # Where many match, the first in the order are found soonest by looking at one after the other.
        until = read.execute(matching.horizon(order, after, _WALK)).first()
        walk = matching.walked(*place.columns, order=order, after=after, until=until).limit(limit + 1)
        rows = list(read.execute(walk).all())
        if len(rows) > limit:
            return rows
    return list(read.execute(matching.sorted(*place.columns, order=order, after=after, limit=limit + 1)).all())


def _page(read: ReadSession, actor: Actor, place: _Place, rows: Sequence[Any]) -> Page[Repo]:
    shown = rows[: place.limit]
    repos = repository.repos_by_id(read, [row[0] for row in shown])
    found = (repos.get(row[0]) for row in shown)
    seen = [repo for repo in found if repo is not None and may(actor, Action.READ, repo)]
    more = len(rows) > place.limit
    return Page(seen, encode_cursor(*map(_plain, shown[-1][1:])) if more else None)


def _plain(value: Any) -> str | float:
    return value.isoformat() if isinstance(value, datetime) else value


def _decoded(order: Order, cursor: str) -> list[Any]:
    types = {"trending": float, "updated_at": str, "created_at": str}
    values = list(decode_cursor(cursor, *(types.get(name, int) for name in order.columns)))
    for i, value in enumerate(values):
        if isinstance(value, str):
            try:
                values[i] = datetime.fromisoformat(value).astimezone(UTC)
            except (ValueError, OverflowError):
                raise BadCursor(next=_START_AGAIN) from None
        elif not -(1 << 63) <= value < 1 << 63:
            raise BadCursor(next=_START_AGAIN)
    return values
