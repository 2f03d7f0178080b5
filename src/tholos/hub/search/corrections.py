"""What an unfinished or mistyped word may have meant, from the words of names, tags and descriptions.

Nothing is looked up beyond the public repos' words and those of the asker and the asker's organizations: a word of
someone else's private repo is never offered, nor does it change what is.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select

from tholos.accounts.authorization import Actor
from tholos.hub.repos import require_reader
from tholos.hub.search.models import SearchWord
from tholos.hub.search.words import MAX_WORD, near, query_terms
from tholos.kit.database import ReadSession, storable

_COMMON_USES = 1000
_EXTENSIONS = 6
_MIN_EXTENDED = 3
_MIN_CORRECTED = 4
_CORRECTIONS = 3
_CANDIDATES = 2000
_LAST = "\U0010ffff"


def scopes(actor: Actor) -> list[str]:
    """Whose words an actor may be told: everyone's public ones, the actor's own and those of the actor's organizations.

    With a limited token, which may not reach all of these, the public ones alone.
    """
    return [""] if actor.limits is not None else ["", *sorted(actor.owners)]


def extended(read: ReadSession, actor: Actor, word: str) -> tuple[str, ...]:
    """The word, and the most used words that begin or end with it, unless it is common itself."""
    if len(word) < _MIN_EXTENDED or not word.isascii():
        return (word,)
    own = SearchWord.scope.in_(scopes(actor))
    uses = read.scalar(select(func.sum(SearchWord.uses)).where(own, SearchWord.word == word)) or 0
    if uses >= _COMMON_USES:
        return (word,)
    found = {word: None}
    for column, text in ((SearchWord.word, word), (SearchWord.reversed, word[::-1])):
        query = select(SearchWord.word).where(own, column >= text, column < text + _LAST)
        found.update(dict.fromkeys(read.scalars(query.order_by(SearchWord.uses.desc()).limit(_EXTENSIONS))))
    return tuple(found)


def suggest(read: ReadSession, actor: Actor, beginning: str, limit: int) -> list[str]:
    """The most used words that begin like the last word of a text. Raises MissingScope."""
    require_reader(actor)
    words = query_terms(beginning[-MAX_WORD:]) if storable(beginning) else []
    if not words or len(words[-1]) < 2:
        return []
    own = SearchWord.scope.in_(scopes(actor))
    query = select(SearchWord.word).where(own, SearchWord.word >= words[-1], SearchWord.word < words[-1] + _LAST)
    query = query.group_by(SearchWord.word).order_by(func.sum(SearchWord.uses).desc(), SearchWord.word)
    return list(read.scalars(query.limit(limit)))


def corrected(read: ReadSession, actor: Actor, word: str) -> tuple[str, ...]:
    """The words that this one is most likely a misspelling of, the likeliest first.

    One letter may be wrong, missing, too many or swapped with its neighbour, two from eight letters on. An error leaves
    what stands before it or what stands behind it whole: only words that share a beginning or an end are compared.
    """
    if len(word) < _MIN_CORRECTED or not word.isascii() or word.isdigit():
        return ()
    most = 1 if len(word) < 8 else 2
    part = max(1, (len(word) - 2) // 2)
    likeness: list[tuple[int, int, str]] = []
    for found, uses in _candidates(read, scopes(actor), word, part, most):
        distance = near(word, found, most)
        if distance:
            likeness.append((distance, -uses, found))
    return tuple(dict.fromkeys(found for _, _, found in sorted(likeness)))[:_CORRECTIONS]


def _candidates(read: ReadSession, own: Sequence[str], word: str, part: int, most: int) -> list[tuple[str, int]]:
    def like(column: SQLColumnExpression[str], text: str) -> ColumnElement[bool]:
        return (column >= text) & (column < text + _LAST)

    length = func.length(SearchWord.word).between(len(word) - most, len(word) + most)
    rows: list[tuple[str, int]] = []
    for condition in (like(SearchWord.word, word[:part]), like(SearchWord.reversed, word[::-1][:part])):
        query = select(SearchWord.word, SearchWord.uses).where(SearchWord.scope.in_(own), condition, length)
        rows += [
            (found, uses) for found, uses in read.execute(query.order_by(SearchWord.uses.desc()).limit(_CANDIDATES))
        ]
    return rows
