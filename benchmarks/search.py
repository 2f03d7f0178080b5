"""How fast a million repos are searched, on SQLite and on PostgreSQL.

    python benchmarks/search.py [--repos 1000000] [--folder /dev/shm] [--json]

The repos are made from a seed: names, tags, licences and cards in words as frequent as words of a language are (Zipf),
one in five private. Each search is one call of the service: hits, exact or estimated counts by facet, first page.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert, text

from goals import goal
from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.accounts.models import Account
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.hub.search.documents import made
from tholos.hub.search.models import SearchDocument, SearchWord
from tholos.hub.search.service import Wanted, search
from tholos.hub.search.words import vocabulary
from tholos.kit.database import Database
from tholos.migrations import migrate

LIMIT_MS = 100
CHUNK = 5_000
ACCOUNTS = 2_000
ROUNDS = 40
TASKS = ("text-generation", "text-classification", "image-classification", "tabular-classification", "translation")
LIBRARIES = ("transformers", "diffusers", "sklearn", "keras", "onnx", "gguf", "sentence-transformers")
LICENSES = ("apache-2.0", "mit", "cc-by-4.0", "openrail", "llama3")
LANGUAGES = ("en", "zh", "fr", "de", "es", "ja", "pt", "ar")
SYLLABLES = tuple(consonant + vowel for consonant in "bdklmnrst" for vowel in "aeiou")


class Corpus:
    """A million repos out of nothing but a seed."""

    def __init__(self, seed: int, size: int) -> None:
        self.size = size
        self._random = random.Random(seed)
        self.words = self._vocabulary(60_000)
        self._weights = list(accumulate(1 / (rank + 8) for rank in range(len(self.words))))
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def _vocabulary(self, size: int) -> list[str]:
        words: dict[str, None] = {}
        while len(words) < size:
            words["".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 5)))] = None
        return list(words)

    def owner(self, number: int) -> str:
        return f"acc_{number:06d}"

    def chunks(self) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        """Rows of repos and of their documents."""
        for start in range(0, self.size, CHUNK):
            pairs = [self._pair(number) for number in range(start, min(start + CHUNK, self.size))]
            yield [repo for repo, _ in pairs], [document for _, document in pairs]

    def _pair(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        pick = self._random
        chosen = pick.choices(self.words, cum_weights=self._weights, k=45)
        owner = int(pick.random() ** 2 * ACCOUNTS)
        kind = RepoKind.DATASET if pick.random() < 0.25 else RepoKind.MODEL
        card = {
            "license": pick.choices(LICENSES, weights=(8, 4, 2, 1, 1))[0],
            "language": pick.choices(LANGUAGES, weights=(20, 5, 2, 2, 2, 1, 1, 1))[0],
        }
        if kind is RepoKind.MODEL:
            card["pipeline_tag"] = pick.choices(TASKS, weights=(8, 4, 3, 2, 1))[0]
            card["library_name"] = pick.choices(LIBRARIES, weights=(20, 5, 3, 2, 2, 2, 1))[0]
        name = f"{chosen[0]}-{chosen[1]}-{number}"
        created = self._now + timedelta(seconds=number * 20)
        repo = {
            "id": f"repo_{number:08d}",
            "kind": kind,
            "owner_id": self.owner(owner),
            "namespace": f"user{owner}",
            "namespace_key": f"user{owner}",
            "name": name,
            "name_key": name,
            "visibility": "private" if pick.random() < 0.2 else "public",
            "description": f"{chosen[2]} {chosen[3]}",
            "search_text": "",
            "card": card,
            "created_at": created,
            "updated_at": created + timedelta(seconds=pick.randint(0, 10**6)),
        }
        details = {"safetensors": {"total": int(10 ** pick.uniform(6, 11.5))}} if kind is RepoKind.MODEL else {}
        doc = pick.getrandbits(62)
        tags = [f"license:{card['license']}", card["language"], *chosen[4:6]]
        downloads = int(pick.paretovariate(0.7)) - 1
        document = {
            **made(SimpleNamespace(**repo), doc, tags, details),  # type: ignore[arg-type]
            "doc": doc,
            "repo_id": repo["id"],
            "stale": False,
            "words": "".join(f" {word}" for word in dict.fromkeys(chosen[5:])),
            "downloads": downloads,
            "downloads_all": downloads * 3,
            "likes": int(pick.paretovariate(1.0)) - 1,
            "trending": round(downloads * pick.random() / 7, 3),
            "details": details,
        }
        return repo, document


def fill(databases: list[Database], corpus: Corpus) -> None:
    """Writes the repos into each database."""
    uses: Counter[tuple[str, str]] = Counter()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    people = [
        {
            "id": corpus.owner(number),
            "name": f"user{number}",
            "name_key": f"user{number}",
            "is_admin": False,
            "created_at": now,
        }
        for number in range(ACCOUNTS)
    ]
    for database in databases:
        with database.write() as write:
            write.execute(insert(Account), people)
        _drop_terms(database)
    for repos, documents in corpus.chunks():
        for document in documents:
            uses.update((document["scope"], word) for word in vocabulary(document["facts"].split()))
        for database in databases:
            with database.write() as write:
                write.connection().execute(insert(Repo.__table__), repos)
                write.connection().execute(insert(SearchDocument.__table__), documents)
    words = [
        {"scope": scope, "word": word, "reversed": word[::-1], "uses": count} for (scope, word), count in uses.items()
    ]
    for database in databases:
        for start in range(0, len(words), 50_000):
            with database.write() as write:
                write.connection().execute(insert(SearchWord.__table__), words[start : start + 50_000])
        _make_terms(database)


_TERMS: dict[bool, list[str]] = {}


def _drop_terms(database: Database) -> None:
    """Takes the inverted index away, to make it in one go at the end."""
    with database.write() as write:
        if database.is_sqlite:
            triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'search_documents'"
            found = write.execute(text(triggers)).all()
            drop = "DROP TRIGGER"
        else:
            names = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname = 'ix_search_documents_terms'"
            found = write.execute(text(names)).all()
            drop = "DROP INDEX"
        for name, _ in found:
            write.execute(text(f"{drop} {name}"))
    _TERMS[database.is_sqlite] = [made_by for _, made_by in found]


def _make_terms(database: Database) -> None:
    with database.write() as write:
        if database.is_sqlite:
            write.execute(text("INSERT INTO search_terms(search_terms) VALUES ('rebuild')"))
        for statement in _TERMS[database.is_sqlite]:
            write.connection().exec_driver_sql(statement)
    database.checkpoint()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))


def searches(corpus: Corpus, pick: random.Random) -> dict[str, Callable[[], Wanted]]:
    """Kinds of search, each with a word of its own at each call."""

    def word(first: int, last: int) -> str:
        return corpus.words[pick.randrange(first, last)]

    def typo() -> str:
        right = word(500, 20_000)
        while len(right) < 6:
            right = word(500, 20_000)
        at = pick.randrange(1, len(right) - 2)
        return right[:at] + right[at + 1] + right[at] + right[at + 2 :]

    return {
        "a rare word": lambda: Wanted(word(20_000, 60_000)),
        "a word of thousands": lambda: Wanted(word(300, 3_000)),
        "a common word": lambda: Wanted(word(0, 100)),
        "two common words": lambda: Wanted(f"{word(0, 60)} {word(0, 60)}"),
        "a mistyped word": lambda: Wanted(typo()),
        "a word unfinished": lambda: Wanted(word(500, 20_000)[:5]),
        "no word": lambda: Wanted(sort=pick.choice(("trending", "downloads", "likes", "updated", "created"))),
        "filters alone": lambda: Wanted(
            kind=RepoKind.MODEL,
            facets=[
                ("task", pick.choice(TASKS)),
                ("library", pick.choice(LIBRARIES)),
                ("license", pick.choice(LICENSES)),
            ],
            sort=pick.choice(("trending", "downloads", "updated")),
        ),
        "a word and filters": lambda: Wanted(
            word(0, 2_000), kind=RepoKind.MODEL, facets=[("language", pick.choice(LANGUAGES))], sort="likes"
        ),
        "a word and sizes": lambda: Wanted(word(0, 500), min_parameters=10**9, max_parameters=10**10, sort="downloads"),
    }


def measure(database: Database, corpus: Corpus) -> dict[str, list[float]]:
    """Milliseconds of each search, by its kind: asked by nobody, by users with private repos, by an administrator."""
    pick = random.Random(7)
    actors = [
        ANONYMOUS,
        Actor(corpus.owner(0), "user0"),
        Actor(corpus.owner(500), "user500"),
        Actor(corpus.owner(1), "user1", is_admin=True),
    ]
    took: dict[str, list[float]] = {}
    kinds = searches(corpus, pick)
    for round_ in range(ROUNDS + 2):
        for name, make in kinds.items():
            actor = actors[round_ % len(actors)]
            wanted = make()
            began = time.perf_counter()
            with database.read() as read:
                search(read, actor, wanted, limit=30)
            if round_ >= 2:  # the first two fill the caches
                took.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return took


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL cluster that goes away afterwards."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        sys.exit("PostgreSQL is not installed")
    kept = folder.exists()
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def run(*command: str) -> None:
        subprocess.run([*become, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    data = folder / "data"
    if not kept:
        run(
            str(programs[-1] / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        )
    options = (
        f"-k {folder} -h '' -c fsync=off -c shared_buffers=512MB -c max_wal_size=8GB -c maintenance_work_mem=512MB"
    )
    run(str(programs[-1] / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        run(str(programs[-1] / "pg_ctl"), "-D", str(data), "-m", "fast", "stop")


def main() -> None:
    """Builds, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repos", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None)
    parser.add_argument("--keep", type=Path, help="fill the databases in this folder once, and measure there again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tholos-bench-", dir=options.folder) as fresh:
        folder = options.keep or Path(fresh)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        with postgres(folder / "postgres") as url:
            databases = {"SQLite": Database(f"sqlite:///{folder / 'home' / 'tholos.db'}"), "PostgreSQL": Database(url)}
            corpus = Corpus(seed=3, size=options.repos)
            if not (folder / "filled").exists():
                began = time.perf_counter()
                for database in databases.values():
                    migrate(database)
                fill(list(databases.values()), corpus)
                (folder / "filled").write_text(str(round(time.perf_counter() - began)))
            found["build_s"] = int((folder / "filled").read_text())
            for label, database in databases.items():
                took = measure(database, corpus)
                every = [one for values in took.values() for one in values]
                found[label] = {
                    name: {"p50_ms": round(statistics.median(values), 1), "p95_ms": round(percentile(values, 0.95), 1)}
                    for name, values in {**took, "all": every}.items()
                }
                database.close()
        if options.json:
            print(json.dumps(found))
            return
        print(f"{options.repos:,} repos, both indexes built in {found['build_s']} s; milliseconds, p50 and p95")
        print(f"{'':<22}{'SQLite':>16}{'PostgreSQL':>18}")
        for name in found["SQLite"]:
            cells = [f"{found[label][name]['p50_ms']:>8} {found[label][name]['p95_ms']:>8}" for label in databases]
            print(f"{name:<22}{cells[0]:>16} {cells[1]:>17}")
        for label in databases:
            p95 = found[label]["all"]["p95_ms"]
            goal(f"search over {options.repos:,} repos under 100 ms (p95), {label}", f"{p95} ms", met=p95 < LIMIT_MS)


if __name__ == "__main__":
    main()
