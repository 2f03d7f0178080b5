"""What the index is asked: the terms that must match, in each database's own words, and whose repos count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    Text,
    func,
    literal,
    null,
    or_,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy import cast as cast_to

from tholos.accounts.authorization import Actor
from tholos.hub.models import Repo
from tholos.hub.repository import shared_with
from tholos.hub.search.documents import DOC_BITS, PUBLIC, owner_term, sample_term
from tholos.hub.search.models import SearchDocument
from tholos.kit.database import ReadSession

Terms = tuple[tuple[str, ...], ...]
"""All of these, each by any of its alternatives."""
Condition = Callable[[Any], ColumnElement[bool]]
"""Made from the columns of documents, which may be those of a subquery."""

DOCUMENTS: Final = cast("Table", SearchDocument.__table__)
_MAX_OWNERS = 64
# Exactly the expression of the index in migration 0008.
_POSTGRES_TERMS = "array_to_tsvector(string_to_array(ltrim(facts || words), ' '))"


@dataclass(frozen=True, slots=True)
class Sight:
    """What an actor may see."""

    condition: Condition | None
    """Holds for the documents that the actor may see; None where these are all."""
    terms: tuple[str, ...]
    """Every document that the actor may see has one of these; none where that says nothing."""


def sight(read: ReadSession, actor: Actor) -> Sight:
    """What an actor may see: the public repos, and the private ones that are shared with the actor."""
    if actor.has_admin_power:
        return Sight(None, ())
    shared = shared_with(actor)
    owners: list[str] = []
    if shared is not None:
        query = select(Repo.owner_id).where(Repo.visibility == "private", shared).distinct()
        owners = list(read.scalars(query.limit(_MAX_OWNERS + 1)))
    if shared is None or not owners:
        return Sight(lambda c: c.scope == "", (PUBLIC,))
    private = select(Repo.id).where(Repo.visibility == "private", shared)
    terms = (PUBLIC, *map(owner_term, owners)) if len(owners) <= _MAX_OWNERS else ()
    return Sight(lambda c: or_(c.scope == "", c.repo_id.in_(private)), terms)


@dataclass(frozen=True, slots=True)
class Order:
    """By which columns documents are sorted, the largest first; there is an index for each."""

    columns: tuple[str, ...]

    def of(self, c: Any) -> list[ColumnElement[Any]]:
        """For ORDER BY."""
        return [c[name].desc() for name in self.columns]

    def after(self, c: Any, last: Sequence[Any]) -> ColumnElement[bool]:
        """Holds for what comes after a document with these values."""
        return tuple_(*(c[name] for name in self.columns)) < self._place(c, last)

    def until(self, c: Any, last: Sequence[Any]) -> ColumnElement[bool]:
        """Holds for what comes before a document with these values, and for that one."""
        return tuple_(*(c[name] for name in self.columns)) >= self._place(c, last)

    def _place(self, c: Any, values: Sequence[Any]) -> ColumnElement[Any]:
        return tuple_(*(literal(value, c[name].type) for name, value in zip(self.columns, values, strict=True)))


def found_in(terms: ColumnElement[str], term: str, *, is_sqlite: bool) -> ColumnElement[int]:
    """Where a term stands in terms that end with a blank; 0 for nowhere."""
    return (func.instr if is_sqlite else func.strpos)(terms, f" {term} ")


@dataclass(frozen=True, slots=True)
class Matching:
    """A search, compiled for one database and one actor."""

    is_sqlite: bool
    terms: Terms
    sight: Sight
    conditions: tuple[Condition, ...] = ()
    """What terms do not say, such as ranges."""
    is_scoped: bool = False
    """Ask the index who may see what, too: worth it where most that match are hidden."""

    def indexed(self, *names: str) -> Select[Any]:
        """These columns of the matching documents, found by the inverted index."""
        every = (*self.terms, self.sight.terms) if self.is_scoped and self.sight.terms else self.terms
        return self._asked(select(*(DOCUMENTS.c[name] for name in names)), every).where(*self._seen(DOCUMENTS.c))

    def sampled(self, power: int) -> Select[Any]:
        """The facets of one in 2**power of the documents with the terms, each with whether the actor may see it."""
        seen = literal(value=True) if self.sight.condition is None else self.sight.condition(DOCUMENTS.c)
        query = select(DOCUMENTS.c.facets, seen).where(*(condition(DOCUMENTS.c) for condition in self.conditions))
        if not self.is_sqlite:
            return self._asked(query, (*self.terms, (sample_term(power),)))
        # SQLite keeps the documents of a term in the order of their numbers: a range of these is read alone.
        below = (1 << DOC_BITS) >> power
        if not self.terms:
            return query.where(DOCUMENTS.c.doc < below)
        return self._asked(query, self.terms).where(text("search_terms.rowid < :below").bindparams(below=below))

    def _asked(self, query: Select[Any], every: Terms) -> Select[Any]:
        if not every:
            return query
        if not self.is_sqlite:
            asked = " & ".join("(" + " | ".join(f"'{term}'" for term in any_of) + ")" for any_of in every)
            return query.where(text(f"{_POSTGRES_TERMS} @@ CAST(:asked AS tsquery)").bindparams(asked=asked))
        asked = " AND ".join("(" + " OR ".join(f'"{term}"' for term in any_of) + ")" for any_of in every)
        # The plus makes SQLite begin with the terms and look the documents up, never the other way round.
        leading = table("search_terms").join(DOCUMENTS, text("search_documents.doc = +search_terms.rowid"))
        return query.select_from(leading).where(text("search_terms MATCH :asked").bindparams(asked=asked))

    def sorted(self, *names: str, order: Order, after: Sequence[Any] | None, limit: int) -> Select[Any]:
        """The same, sorted."""
        query = self.indexed(*dict.fromkeys([*names, *order.columns]))
        if after is not None:
            query = query.where(order.after(DOCUMENTS.c, after))
        if self.is_sqlite:
            return query.order_by(*order.of(DOCUMENTS.c)).limit(limit)
        found = query.offset(0).subquery().c  # PostgreSQL would rather walk all documents than sort those that match
        return select(*(found[name] for name in names)).order_by(*order.of(found)).limit(limit)

    def counted(self, *names: str, order: Order, after: Sequence[Any] | None, limit: int, most: int) -> Select[Any]:
        """Both in one pass over ``most`` hits at most: how many have which facets, and these columns of the first.

        A row is either (facets, count, None …) or (None, None, and the columns), in any order.
        """
        asked = self.indexed(*dict.fromkeys(["facets", *names, *order.columns])).limit(most)
        hits = asked.cte("hits").prefix_with("MATERIALIZED")
        first = select(*(hits.c[name] for name in names)).order_by(*order.of(hits.c)).limit(limit)
        if after is not None:
            first = first.where(order.after(hits.c, after))
        shown = first.subquery().c
        # The columns are told by the first half of the union what they are.
        page = select(cast_to(null(), Text()).label("shared"), cast_to(null(), BigInteger()).label("number"), *shown)
        facets = select(hits.c.facets, func.count(), *(null() for _ in names)).group_by(hits.c.facets)
        return cast("Select[Any]", page.union_all(facets))

    def horizon(self, order: Order, after: Sequence[Any] | None, budget: int) -> Select[Any]:
        """The place in an order that lies ``budget`` documents behind another, or behind the beginning."""
        query = select(*(DOCUMENTS.c[name] for name in order.columns)).order_by(*order.of(DOCUMENTS.c))
        if after is not None:
            query = query.where(order.after(DOCUMENTS.c, after))
        return query.offset(budget).limit(1)

    def walked(
        self, *names: str, order: Order, after: Sequence[Any] | None, until: Sequence[Any] | None
    ) -> Select[Any]:
        """The same, sorted, found by looking at one document after the other up to a place in the order."""
        c = DOCUMENTS.c
        query = select(*(c[name] for name in names)).where(*self._seen(c), *self._held(c)).order_by(*order.of(c))
        if after is not None:
            query = query.where(order.after(c, after))
        return query if until is None else query.where(order.until(c, until))

    def _seen(self, c: Any) -> list[ColumnElement[bool]]:
        conditions = self.conditions if self.sight.condition is None else (self.sight.condition, *self.conditions)
        return [condition(c) for condition in conditions]

    def _held(self, c: Any) -> list[ColumnElement[bool]]:
        """Each term looked for in the text of the document."""
        held = c.facts + c.words + " "
        return [or_(*(found_in(held, term, is_sqlite=self.is_sqlite) > 0 for term in any_of)) for any_of in self.terms]
