"""The repos that `search.py` searches, out of nothing but a seed, and how a database is filled with them.

Rows go straight into the tables (`executemany`, `COPY`), without foreign keys and indexes; these are made at the end.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from sqlalchemy import text

from tholos.hub.names import RepoKind
from tholos.hub.search.documents import DOC_BITS, PUBLIC, SAMPLES, made, owner_term, sample_term
from tholos.hub.search.words import MAX_WORD, filter_term
from tholos.kit.database import Database

CHUNK: Final = 20_000
ACCOUNTS: Final = 2_000
TASKS: Final = (
    *("text-generation", "text-classification", "image-classification", "tabular-classification"),
    "translation",
)
LIBRARIES: Final = ("transformers", "diffusers", "sklearn", "keras", "onnx", "gguf", "sentence-transformers")
LICENSES: Final = ("apache-2.0", "mit", "cc-by-4.0", "openrail", "llama3")
LANGUAGES: Final = ("en", "zh", "fr", "de", "es", "ja", "pt", "ar")
SYLLABLES: Final = tuple(consonant + vowel for consonant in "bdklmnrst" for vowel in "aeiou")
_SIZES: Final = ((10**8, "<100M"), (10**9, "100M-1B"), (10**10, "1B-10B"), (10**11, "10B-100B"), (10**18, ">100B"))
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NAMED: Final = ("id", "kind", "owner_id", "namespace", "namespace_key", "name", "name_key", "visibility")
_REPOS: Final = [*_NAMED, "description", "search_text", "card", "created_at", "updated_at"]
_SORTED_BY: Final = ("downloads", "downloads_all", "likes", "trending", "parameters", "created_at", "updated_at")
_DOCUMENTS: Final = ["doc", "repo_id", "kind", "scope", "stale", *_SORTED_BY, "facets", "facts", "words", "details"]
_WORDS: Final = ["scope", "word", "reversed", "uses"]
_FILLED: Final = ("repos", "search_documents", "search_words")


class Corpus:
    """Repos out of nothing but a seed: in words as frequent as those of a language are (Zipf), one in five private."""

    def __init__(self, seed: int, size: int) -> None:
        self.size = size
        self._seed = seed
        self._random = random.Random(seed)
        self.words = self._vocabulary(60_000)
        self.uses: dict[str, Counter[str]] = defaultdict(Counter)
        """How many repos use each word, by the scope; complete after `chunks`."""

    def _vocabulary(self, size: int) -> list[str]:
        words: dict[str, None] = {}
        while len(words) < size:
            words["".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 5)))] = None
        return list(words)

    def owner(self, number: int) -> str:
        """The id of one of the accounts."""
        return f"acc_{number:06d}"

    def chunks(self) -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
        """Rows of repos and of their documents, in the order of the documents' random numbers."""
        pick = np.random.default_rng(self._seed)
        docs = np.sort(pick.integers(0, 1 << DOC_BITS, self.size))
        numbers = pick.permutation(self.size)  # when a repo was created says nothing of where its document lies
        for start in range(0, self.size, CHUNK):
            part = slice(start, min(start + CHUNK, self.size))
            columns = self._columns(pick, docs[part], numbers[part])
            pairs = [self._pair(*row) for row in zip(*columns, strict=True)]
            _check(*pairs[0], words=columns[2][0])
            yield [repo for repo, _ in pairs], [document for _, document in pairs]

    def _columns(self, pick: np.random.Generator, docs: Any, numbers: Any) -> list[list[Any]]:
        count = len(docs)

        def one_of(values: Sequence[str], weights: Sequence[int]) -> list[str]:
            return [values[i] for i in pick.choice(len(values), count, p=np.array(weights) / sum(weights)).tolist()]

        frequent = np.cumsum(1 / (np.arange(len(self.words)) + 8))
        chosen = np.searchsorted(frequent, pick.random((count, 45)) * frequent[-1])
        updated = numbers * 20 + pick.integers(0, 10**6, count)
        downloads = np.minimum(pick.pareto(0.7, count), 1e12).astype(np.int64)
        likes = np.minimum(pick.pareto(1.0, count), 1e8).astype(np.int64)
        return [
            docs.tolist(),
            numbers.tolist(),
            [[self.words[i] for i in row] for row in chosen.tolist()],
            (pick.random(count) ** 2 * ACCOUNTS).astype(int).tolist(),
            (pick.random(count) < 0.25).tolist(),
            (pick.random(count) < 0.2).tolist(),
            one_of(LICENSES, (8, 4, 2, 1, 1)),
            one_of(LANGUAGES, (20, 5, 2, 2, 2, 1, 1, 1)),
            one_of(TASKS, (8, 4, 3, 2, 1)),
            one_of(LIBRARIES, (20, 5, 3, 2, 2, 2, 1)),
            (10 ** pick.uniform(6, 11.5, count)).astype(np.int64).tolist(),
            _moments(numbers * 20),
            _moments(updated),
            downloads.tolist(),
            likes.tolist(),
            np.round(downloads * pick.random(count) / 7, 3).tolist(),
        ]

    def _pair(
        self,
        doc: int,
        number: int,
        chosen: list[str],
        owner: int,
        is_dataset: bool,
        is_private: bool,
        licence: str,
        language: str,
        task: str,
        library: str,
        total: int,
        created: str,
        updated: str,
        downloads: int,
        likes: int,
        trending: float,
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """A repo and its document; the document as `made` would have it, in a tenth of the time."""
        repo_id, owner_id, user = f"repo_{doc:019d}", self.owner(owner), f"user{owner}"
        name = f"{chosen[0]}-{chosen[1]}-{number}"
        kind = "dataset" if is_dataset else "model"
        facets = [("kind", kind)] if is_dataset else [("kind", kind), ("task", task), ("library", library)]
        facets += [("license", licence), ("language", language)]
        card = {"license": licence, "language": language}
        if not is_dataset:
            card |= {"pipeline_tag": task, "library_name": library}
            facets.append(("size", next(size for bound, size in _SIZES if total < bound)))
        joined = f"{chosen[0]}{chosen[1]}{number}"
        plain = [chosen[0], chosen[1], str(number), *([joined] if len(joined) <= MAX_WORD else []), "user", str(owner)]
        plain += [user, chosen[2], chosen[3], *_LICENSE_WORDS[licence], language, chosen[4], chosen[5]]
        filters = [owner_term(owner_id) if is_private else PUBLIC, filter_term("namespace", user)]
        filters += [sample_term(power) for power in SAMPLES if doc % (1 << power) == 0]
        filters += [filter_term(facet, value) for facet, value in facets]
        tags = (f"license:{licence}", language, chosen[4], chosen[5], f"language:{language}")
        filters += [filter_term("tag", tag) for tag in tags]
        details = "{}" if is_dataset else f'{{"safetensors": {{"total": {total}}}}}'
        scope = owner_id if is_private else ""
        self.uses[scope].update({word for word in plain if len(word) >= 3 and not word.isdigit()})
        repo = (
            *(repo_id, kind, owner_id, user, user, name, name, "private" if is_private else "public"),
            *(f"{chosen[2]} {chosen[3]}", "", json.dumps(card), created, updated),
        )
        document = (
            *(doc, repo_id, kind, scope, 0, downloads, downloads * 3, likes, trending, None if is_dataset else total),
            *(created, updated, "\n".join(f"{facet}={value}" for facet, value in facets)),
            *(" " + " ".join(dict.fromkeys([*filters, *plain])), " " + " ".join(dict.fromkeys(chosen[5:])), details),
        )
        return repo, document


_LICENSE_WORDS: Final = {
    "apache-2.0": ("license", "apache", "2", "0"),
    "mit": ("license", "mit"),
    "cc-by-4.0": ("license", "cc", "by", "4", "0"),
    "openrail": ("license", "openrail"),
    "llama3": ("license", "llama", "3", "llama3"),
}


def _moments(seconds: Any) -> list[str]:
    moments = np.datetime64(_START.replace(tzinfo=None), "us") + (seconds * 10**6).astype("timedelta64[us]")
    return [moment.replace("T", " ") for moment in np.datetime_as_string(moments).tolist()]


def _check(repo_row: tuple[Any, ...], document_row: tuple[Any, ...], words: list[str]) -> None:
    """Fails if a document is not as the platform would have made it."""
    repo, document = dict(zip(_REPOS, repo_row, strict=True)), dict(zip(_DOCUMENTS, document_row, strict=True))
    repo |= {"kind": RepoKind(repo["kind"]), "card": json.loads(repo["card"]), "gated": None}
    tags = [f"license:{repo['card']['license']}", repo["card"]["language"], *words[4:6]]
    right = made(SimpleNamespace(**repo), document["doc"], tags, json.loads(document["details"]))  # type: ignore[arg-type]
    for column in ("kind", "scope", "parameters", "facets"):
        assert document[column] == right[column], (column, document[column], right[column])
    assert set(document["facts"].split()) == set(right["facts"].split()), (document["facts"], right["facts"])


def fill(database: Database, corpus: Corpus) -> None:
    """Writes the repos into an empty database."""
    corpus.uses.clear()
    (_fill_sqlite if database.is_sqlite else _fill_postgres)(database, corpus)


def _people(corpus: Corpus) -> list[tuple[Any, ...]]:
    moment = _moments(np.zeros(1))[0]
    return [
        (corpus.owner(number), f"user{number}", f"user{number}", "user", "", 0, moment) for number in range(ACCOUNTS)
    ]


_PEOPLE: Final = ["id", "name", "name_key", "kind", "full_name", "is_admin", "created_at"]


def _words(corpus: Corpus) -> Iterator[tuple[str, str, str, int]]:
    for scope, uses in sorted(corpus.uses.items()):
        yield from ((scope, word, word[::-1], count) for word, count in sorted(uses.items()))


def _fill_sqlite(database: Database, corpus: Corpus) -> None:
    with database.engine.connect() as held:
        connection: Any = held.connection.dbapi_connection
        for pragma in ("foreign_keys = OFF", "synchronous = OFF", "cache_size = -400000"):
            connection.execute(f"PRAGMA {pragma}")
        which = f"tbl_name IN {_FILLED} AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        kept = connection.execute(f"SELECT type, name, sql FROM sqlite_master WHERE {which}").fetchall()
        connection.execute("BEGIN")
        for kind, name, _ in kept:
            connection.execute(f"DROP {kind} {name}")

        def put(table: str, names: list[str], rows: Any) -> None:
            marks = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)

        put("accounts", _PEOPLE, _people(corpus))
        for repos, documents in corpus.chunks():
            put("repos", _REPOS, repos)
            put("search_documents", _DOCUMENTS, documents)
        put("search_words", _WORDS, _words(corpus))
        connection.execute("INSERT INTO search_terms(search_terms, rank) VALUES ('hashsize', 134217728)")
        connection.execute("INSERT INTO search_terms(search_terms) VALUES ('rebuild')")
        connection.execute("INSERT INTO search_terms(search_terms, rank) VALUES ('hashsize', 1048576)")
        for _, _, made_by in kept:
            connection.execute(made_by)
        connection.execute("ANALYZE")
        connection.execute("COMMIT")
        held.invalidate()
    database.checkpoint()


def _fill_postgres(database: Database, corpus: Corpus) -> None:
    with database.engine.connect() as held:
        connection: Any = held.connection.dbapi_connection
        cursor = connection.cursor()
        cursor.execute("SET session_replication_role = replica")  # foreign keys are not looked at
        constraints = "SELECT conindid FROM pg_constraint"
        which = f"tablename IN {_FILLED} AND (quote_ident(indexname)::regclass)::oid NOT IN ({constraints})"
        kept = cursor.execute(f"SELECT indexname, indexdef FROM pg_indexes WHERE {which}").fetchall()
        for name, _ in kept:
            cursor.execute(f"DROP INDEX {name}")

        def put(table: str, names: list[str], rows: Any) -> None:
            with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

        put("accounts", _PEOPLE, _people(corpus))
        for repos, documents in corpus.chunks():
            put("repos", _REPOS, repos)
            put("search_documents", _DOCUMENTS, documents)
        put("search_words", _WORDS, _words(corpus))
        for _, made_by in kept:
            cursor.execute(made_by)
        connection.commit()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
