"""Words: how text becomes the terms of the index, in documents and in queries alike.

Both databases are handed finished terms, so that they agree on what a word is. Upper case, accents and a plural's "s"
make no difference; Chinese, Japanese and Korean text, which has no blanks, becomes single characters and pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Final

MAX_WORD: Final = 40
MARK: Final = "\ue000"
"""Begins a term that is no word but a filter, such as a tag."""

_RUN = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")
_CJK = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+)")
_ASCII_WORD = re.compile(r"[a-z0-9]+")


def folded(text: str) -> str:
    """Text without the differences that search does not see: accents, widths, case."""
    if text.isascii():
        return text.lower()
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", text) if unicodedata.category(character)[0] != "M"
    )
    return unicodedata.normalize("NFKC", plain.casefold())


def terms(text: str) -> Iterator[str]:
    """The terms of a text, as a document has them: also the pieces of "MiniLM" and "llama3"."""
    for run in _RUN.findall(text):
        for piece in _PIECE.findall(run) if not run.islower() or not run.isalpha() else ():
            yield from _of_run(folded(piece))
        yield from _of_run(folded(run))


def name_terms(name: str) -> Iterator[str]:
    """The terms of a repo's name: also all of it as one word, for who writes "resnet50" and means "resnet-50"."""
    yield from terms(name)
    joined = "".join(_RUN.findall(folded(name)))
    if len(joined) <= MAX_WORD:
        yield stem(joined)


def query_terms(text: str) -> list[str]:
    """The terms that a document must all have to be found by this text, each once."""
    found: dict[str, None] = {}
    for run in _RUN.findall(folded(text)):
        for part in _CJK.split(run):
            if _CJK.fullmatch(part) and len(part) > 1:
                found.update(dict.fromkeys(part[i : i + 2] for i in range(len(part) - 1)))
            elif part:
                found[stem(part[:MAX_WORD])] = None
    return list(found)


def stem(word: str) -> str:
    """An English plural without its ending; any other word as it is."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]


@lru_cache(maxsize=4096)
def filter_term(name: str, value: str) -> str:
    """The term of a filter, such as ("tag", "license:mit"); case makes no difference."""
    return MARK + blake2b(f"{name}:{value.casefold()}".encode(), digest_size=7).hexdigest()


def vocabulary(found: Iterable[str]) -> set[str]:
    """Those of the terms that somebody may mistype: words of ASCII letters."""
    return {term for term in found if len(term) >= 3 and _ASCII_WORD.fullmatch(term) and not term.isdigit()}


def near(word: str, other: str, most: int) -> int | None:
    """How many letters are wrong, missing, added or swapped with their neighbour; None for more than ``most``."""
    if abs(len(word) - len(other)) > most or len(set(word) ^ set(other)) > 2 * most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        new = [i]
        for j, there in enumerate(other, start=1):
            cost = min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (letter != there))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == there:
                cost = min(cost, before[j - 2] + 1)
            new.append(cost)
        if min(new) > most:
            return None
        before, row = row, new
    return row[-1] if row[-1] <= most else None


def _of_run(run: str) -> Iterator[str]:
    for part in _CJK.split(run):
        if _CJK.fullmatch(part):
            yield from part
            yield from (part[i : i + 2] for i in range(len(part) - 1))
        elif part:
            yield stem(part[:MAX_WORD])
