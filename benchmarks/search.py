"""How fast repos are searched, a hundred thousand or a million of them, on SQLite and on PostgreSQL.

    python benchmarks/search.py [--repos 1000000] [--database sqlite] [--keep FOLDER] [--folder /dev/shm] [--json]

The repos are made from a seed: names, tags, licences and cards in words as frequent as words of a language are (Zipf),
one in five private. Each search is one call of the service: hits, exact or estimated counts by facet, first page.
Besides the time by the clock there is the processor time of the asking process, and that of PostgreSQL's on average:
where others keep the machine busy, it tells more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from goals import goal
from search_corpus import LANGUAGES, LIBRARIES, LICENSES, TASKS, Corpus, fill
from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.hub.names import RepoKind
from tholos.hub.search.service import Wanted, search
from tholos.kit.database import Database
from tholos.migrations import migrate

LIMIT_MS = 100


def _ranks(size: int) -> tuple[int, int]:
    """The words that 6,500 to 9,500 of the public repos have: a word is drawn 45 times, by 1 / (its rank + 8)."""
    drawn = sum(1 / (rank + 8) for rank in range(60_000))

    def rank(hits: int) -> int:
        share = min(0.95, hits / size / 0.8)
        return max(0, round(1 / (drawn * (1 - (1 - share) ** (1 / 45)))) - 8)

    return rank(9_500), rank(6_500) + 1


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
        "almost 10,000 hits": lambda: Wanted(corpus.words[pick.randrange(*_ranks(corpus.size))]),
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


@dataclass
class Took:
    """Milliseconds of each search of a kind."""

    wall: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """p50 and p95."""
        busy = [client + server for client, server in zip(self.client, self.server, strict=True)]
        values = {"wall": self.wall, "cpu": busy}
        return {
            f"{name}_p{share}_ms": round(percentile(each, share / 100), 1)
            for name, each in values.items()
            for share in (50, 95)
        }


def measure(database: Database, corpus: Corpus, rounds: int) -> dict[str, Took]:
    """How long each kind takes: asked by nobody, by users with private repos, by an administrator."""
    pick = random.Random(7)
    actors = [
        ANONYMOUS,
        Actor(corpus.owner(0), "user0"),
        Actor(corpus.owner(500), "user500"),
        Actor(corpus.owner(1), "user1", is_admin=True),
    ]
    took: dict[str, Took] = {}
    kinds = searches(corpus, pick)
    for round_ in range(rounds + 2):
        for name, make in kinds.items():
            actor = actors[round_ % len(actors)]
            wanted = make()
            with database.read() as read:
                server = _server_ms(read)
                began, busy = time.perf_counter(), time.process_time()
                search(read, actor, wanted, limit=30)
                busy, wall = time.process_time() - busy, time.perf_counter() - began
                server = _server_ms(read) - server
            if round_ >= 2:  # the first two fill the caches
                each = took.setdefault(name, Took())
                each.wall.append(wall * 1000)
                each.client.append(busy * 1000)
                each.server.append(server)
    return took


def _server_ms(read: Any) -> float:
    """Processor time of the connection's own process of PostgreSQL so far, in steps of the kernel's (10 ms)."""
    if read.get_bind().dialect.name == "sqlite":
        return 0.0
    pid = read.scalar(text("SELECT pg_backend_pid()"))
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) * 1000 / os.sysconf("SC_CLK_TCK")


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


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Database]:
    """A database in a folder."""
    if kind == "SQLite":
        database = Database(f"sqlite:///{folder / 'sqlite' / 'tholos.db'}")
        yield database
        database.close()
        return
    with postgres(folder / "postgres") as url:
        database = Database(url)
        yield database
        database.close()


def measured(kind: str, folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """Fills a database, unless that was done before, and searches it."""
    corpus = Corpus(seed=3, size=size)
    filled = folder / f"{kind}.{size}"
    with opened(kind, folder) as database:
        if not filled.exists():
            began = time.perf_counter()
            migrate(database)
            fill(database, corpus)
            filled.write_text(str(round(time.perf_counter() - began)))
        took = measure(database, corpus, rounds)
    every = Took()
    for each in took.values():
        every.wall += each.wall
        every.client += each.client
        every.server += each.server
    return {
        "fill_s": int(filled.read_text()),
        **{name: each.figures() for name, each in {**took, "all": every}.items()},
    }


def main() -> None:
    """Builds, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repos", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40, help="searches of each kind")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None)
    parser.add_argument("--keep", type=Path, help="fill the databases in this folder once, and measure there again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = [kind for kind in ("SQLite", "PostgreSQL") if options.database in ("both", kind.lower())]
    with tempfile.TemporaryDirectory(prefix="tholos-bench-", dir=options.folder) as fresh:
        folder = options.keep or Path(fresh)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        found = {kind: measured(kind, folder, options.repos, options.rounds) for kind in kinds}
    if options.json:
        print(json.dumps(found))
        return
    filled = ", ".join(f"{kind} in {found[kind].pop('fill_s')} s" for kind in kinds)
    print(f"{options.repos:,} repos (filled: {filled}); milliseconds by the clock and of processor time, p50 and p95")
    print(f"{'':<22}" + "".join(f"{kind:>36}" for kind in kinds))
    print(f"{'':<22}" + "".join(f"{'clock':>18}{'processor':>18}" for _ in kinds))
    for name in found[kinds[0]]:
        cells = "".join(f"{value:>9}" for kind in kinds for value in found[kind][name].values())
        print(f"{name:<22}{cells}")
    for kind in kinds:
        p95 = found[kind]["all"]["wall_p95_ms"]
        goal(f"search over {options.repos:,} repos under 100 ms (p95), {kind}", f"{p95} ms", met=p95 < LIMIT_MS)


if __name__ == "__main__":
    main()
