"""How much repos are used: downloads by day, and the score by which they trend.

A *download* is one asker fetching (or, by HEAD, about to fetch) a repo's query file: for a model one of `QUERY_FILES`
or a GGUF file; for a dataset any file; and whatever file a client marks with ``X-HF-Download-Counter: 1`` and a GET of
its first byte. The same asker and repo count once within five minutes, so that HEAD and GET, shards and retries are one
download. Gateways gather counts in memory and write them every few seconds: a process that is killed loses those.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy import BindParameter, bindparam, func, or_, select, update

from tholos.accounts.authorization import Actor
from tholos.hub.models import Repo, RepoLike
from tholos.hub.names import RepoKind
from tholos.hub.search.documents import DOWNLOAD_DAYS
from tholos.hub.search.models import RepoDownload, SearchDocument
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, insert
from tholos.kit.logs import get_logger
from tholos.kit.tallies import Tally

QUERY_FILES: Final = frozenset(
    {
        "config.json",
        "config.yaml",
        "hyperparams.yaml",
        "params.json",
        "meta.yaml",
        "model_index.json",
        "adapter_config.json",
        "model.json",
    }
)
"""Files one of which whoever uses a model asks for once."""
COUNTER_HEADER: Final = "x-hf-download-counter"
TRENDING_DAYS: Final = 7
LIKE_WEIGHT: Final = 5
_CHUNK: Final = 100
_WRITE_EVERY_S: Final = 5.0
log = get_logger("hub.popularity")


def note_download(
    tally: Tally, actor: Actor, repo: Repo, path: str, headers: Mapping[str, str], *, address: str, is_head: bool
) -> None:
    """Counts a download, if a request for this file of a repo is one. ``address`` is where it came from."""
    marked = headers.get(COUNTER_HEADER) == "1" and not is_head
    of_model = PurePosixPath(path).name in QUERY_FILES or path.endswith(".gguf")
    stands_for_repo = of_model if repo.kind is RepoKind.MODEL else not path.startswith(".")
    if not marked and not stands_for_repo:
        return
    tally.add(repo.id, actor.account_id or f"{address} {headers.get('user-agent', '')[:200]}")


def write_downloads(database: Database, tally: Tally) -> None:
    """Moves what was counted into the database."""
    pending = iter(sorted(tally.take().items()))
    while counts := dict(islice(pending, _CHUNK)):
        try:
            _write(database, counts)
        except BaseException:
            tally.put_back(counts | dict(pending))
            raise


@asynccontextmanager
async def writing_downloads(database: Database, tally: Tally) -> AsyncIterator[None]:
    """Writes what was counted every few seconds for the length of the block, and once more at its end."""
    ended = asyncio.Event()

    async def run() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _WRITE_EVERY_S)
            try:
                await asyncio.to_thread(write_downloads, database, tally)
            except Exception:  # the database may be away; what was counted is kept for the next time
                log.exception("downloads could not be written")

    writing = asyncio.create_task(run(), name="write downloads")
    try:
        yield
    finally:
        ended.set()
        await writing


def _write(database: Database, counts: dict[str, int]) -> None:
    today = utcnow().date()
    with database.write() as write:
        held = select(Repo.id).where(Repo.id.in_(counts)).order_by(Repo.id)
        there = list(write.scalars(held.with_for_update(read=True, key_share=True)))
        if not there:
            return
        statement = insert(write, RepoDownload)
        statement = statement.on_conflict_do_update(
            index_elements=["repo_id", "day"], set_={"count": RepoDownload.count + statement.excluded.count}
        )
        write.execute(statement, [{"repo_id": one, "day": today, "count": counts[one]} for one in there])
        more: BindParameter[int] = bindparam("more")
        write.connection().execute(
            update(SearchDocument)
            .where(SearchDocument.repo_id == bindparam("repo"))
            .values(downloads=SearchDocument.downloads + more, downloads_all=SearchDocument.downloads_all + more),
            [{"repo": one, "more": counts[one]} for one in there],
        )


def downloads_by_day(read: ReadSession, repo: Repo, days: int = DOWNLOAD_DAYS) -> list[tuple[date, int]]:
    """How often a repo was downloaded on each of the last days (UTC), today last.

    The caller has authorized the repo.
    """
    today = utcnow().date()
    first = today - timedelta(days=days - 1)
    query = select(RepoDownload.day, RepoDownload.count)
    counts = dict(read.execute(query.where(RepoDownload.repo_id == repo.id, RepoDownload.day >= first)).all())
    return [(day, counts.get(day, 0)) for day in (first + timedelta(days=i) for i in range(days))]


def refresh(database: Database, today: date | None = None) -> int:
    """Brings downloads of the last 30 days and trending scores up to date; returns how many repos changed.

    A repo's score is the sum, over the last 7 days, of (downloads + 5 likes) of the day, halved for every two days that
    have passed since: 2 ** (-age / 2).
    """
    today = today or utcnow().date()
    with database.read() as read:
        wanted = _figures(read, today)
        columns = (SearchDocument.repo_id, SearchDocument.downloads, SearchDocument.trending)
        some = or_(SearchDocument.downloads > 0, SearchDocument.trending > 0)
        present = {
            repo_id: (downloads, trending)
            for repo_id, downloads, trending in read.execute(select(*columns).where(some))
        }
    changed = iter(
        [
            {"repo": repo_id, "new_downloads": figures[0], "new_trending": figures[1]}
            for repo_id in sorted(wanted.keys() | present.keys())
            if (figures := wanted.get(repo_id, (0, 0.0))) != present.get(repo_id, (0, 0.0))
        ]
    )
    count = 0
    while rows := list(islice(changed, _CHUNK)):
        count += len(rows)
        with database.write() as write:
            write.connection().execute(
                update(SearchDocument)
                .where(SearchDocument.repo_id == bindparam("repo"))
                .values(downloads=bindparam("new_downloads"), trending=bindparam("new_trending")),
                rows,
            )
    return count


def _figures(read: ReadSession, today: date) -> dict[str, tuple[int, float]]:
    month, week = today - timedelta(days=DOWNLOAD_DAYS - 1), today - timedelta(days=TRENDING_DAYS - 1)
    sums = select(RepoDownload.repo_id, func.sum(RepoDownload.count)).where(RepoDownload.day >= month)
    downloads = {repo_id: int(count) for repo_id, count in read.execute(sums.group_by(RepoDownload.repo_id))}
    scores: defaultdict[str, float] = defaultdict(float)
    recent = select(RepoDownload.repo_id, RepoDownload.day, RepoDownload.count).where(RepoDownload.day >= week)
    for repo_id, day, count in read.execute(recent):
        scores[repo_id] += count * _decay(today - day)
    since = utcnow() - timedelta(days=TRENDING_DAYS)
    for repo_id, moment in read.execute(
        select(RepoLike.repo_id, RepoLike.created_at).where(RepoLike.created_at >= since)
    ):
        scores[repo_id] += LIKE_WEIGHT * _decay(today - moment.date())
    return {one: (downloads.get(one, 0), round(scores.get(one, 0.0), 3)) for one in downloads.keys() | scores.keys()}


def _decay(age: timedelta) -> float:
    return float(2.0 ** (-max(age.days, 0) / 2))
