"""What the index is asked: the terms that must match, in each database's own words, and whose repos count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Select, Table, func, literal, or_, select, table, text, tuple_

from tholos.accounts.authorization import Actor
from tholos.hub.models import Repo
from tholos.hub.repository import shared_with
from tholos.hub.search.documents import PUBLIC, owner_term
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
        query = select(Repo.owner_id).where(Repo.visibility != "public", shared).distinct()
        owners = list(read.scalars(query.limit(_MAX_OWNERS + 1)))
    if shared is None or not owners:
        return Sight(lambda c: c.scope == "", (PUBLIC,))
    private = select(Repo.id).where(Repo.visibility != "public", shared)
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
        values = [literal(value, c[name].type) for name, value in zip(self.columns, last, strict=True)]
        return tuple_(*(c[name] for name in self.columns)) < tuple_(*values)


@dataclass(frozen=True, slots=True)
class Matching:
    """A search, compiled for one database and one actor."""

    is_sqlite: bool
    terms: Terms
    sight: Sight
    conditions: tuple[Condition, ...] = ()
    """What terms do not say, such as ranges."""

    def indexed(self, *names: str, more: Sequence[str] = ()) -> Select[Any]:
        """These columns of the matching documents, found by the inverted index; ``more`` are further terms."""
        every = [*self.terms, *((term,) for term in more)]
        if self.sight.terms:
            every.append(self.sight.terms)
        query = select(*(DOCUMENTS.c[name] for name in names)).where(*self._seen(DOCUMENTS.c))
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

    def walked(self, *names: str, order: Order, after: Sequence[Any] | None, budget: int) -> Select[Any]:
        """The same, found by looking at the first ``budget`` documents in an order, in that order."""
        needed = dict.fromkeys([*names, *order.columns, "repo_id", "kind", "scope", "parameters", "facts", "words"])
        inner = select(*(DOCUMENTS.c[name] for name in needed)).order_by(*order.of(DOCUMENTS.c)).limit(budget)
        if after is not None:
            inner = inner.where(order.after(DOCUMENTS.c, after))
        seen = inner.subquery("seen").c
        query = select(*(seen[name] for name in names)).where(*self._seen(seen), *self._held(seen))
        return query.order_by(*order.of(seen))

    def _seen(self, c: Any) -> list[ColumnElement[bool]]:
        conditions = self.conditions if self.sight.condition is None else (self.sight.condition, *self.conditions)
        return [condition(c) for condition in conditions]

    def _held(self, c: Any) -> list[ColumnElement[bool]]:
        """Each term looked for in the text of the document."""
        find = func.instr if self.is_sqlite else func.strpos
        held = c.facts + c.words + " "
        return [or_(*(find(held, f" {term} ") > 0 for term in any_of)) for any_of in self.terms]
