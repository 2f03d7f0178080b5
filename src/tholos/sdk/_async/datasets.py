"""A dataset: push and pull data, split it, look at it."""

# ruff: noqa: ASYNC109 - the synchronous twin has the same parameters
from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tholos.sdk import errors
from tholos.sdk._async.concurrency import in_thread, map_parallel, sleep
from tholos.sdk._async.jobs import AsyncJob
from tholos.sdk._async.repos import AsyncRepoHandle, AsyncRepos
from tholos.sdk._async.transfers import PARALLEL_FILES
from tholos.sdk.frames import frame_of, write_frame
from tholos.sdk.local_files import sha256_of
from tholos.sdk.progress import OnTransfer
from tholos.sdk.references import Kind
from tholos.sdk.results import Entry, JobRecord, Profile, Revision, Rows, Source
from tholos.sdk.source_cards import source_of, with_source
from tholos.sdk.sql import DATA_FILE, OnRows, fetch

if TYPE_CHECKING:
    import pandas as pd

    from tholos.sdk._async.client import AsyncClient

_ROWS_AT_A_TIME = 1000
_READING_S = 300.0
CARD_FILE = "README.md"
_DATA = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".png", ".jpg", ".jpeg", ".webp", ".gif")
_FIRST_POLL_S = 0.05
_LONGEST_POLL_S = 1.0


class AsyncDataset(AsyncRepoHandle):
    """A dataset repo: ``client.dataset("ns/name").push("penguins.csv")``."""

    kind: ClassVar[Kind] = "dataset"

    async def push(
        self,
        source: str | Path | pd.DataFrame,
        into: str = "",
        *,
        message: str = "",
        branch: str = "main",
        files: Iterable[str] | None = None,
        mirror: bool = False,
        races: int = 0,
        progress: OnTransfer | None = None,
    ) -> Revision:
        """Commits a file, a folder, or a DataFrame (as Parquet, by default ``data.parquet``); see ``Repo.push``.

        CSV, JSON Lines, Parquet and a folder of images by class are read as data.
        """
        if isinstance(source, (str, Path)):
            return await super().push(
                source,
                into,
                message=message,
                branch=branch,
                files=files,
                mirror=mirror,
                races=races,
                progress=progress,
            )
        with tempfile.TemporaryDirectory(prefix="tholos-") as folder:
            path = into if into and not into.endswith("/") else f"{into}data.parquet"
            written = await in_thread(write_frame, source, Path(folder), path)
            return await super().push(
                written,
                path,
                message=message or f"Push a table of {len(source)} rows",
                branch=branch,
                races=races,
                progress=progress,
            )

    async def split(
        self,
        ratios: Mapping[str, float] | None = None,
        *,
        method: str = "random",
        column: str | None = None,
        seed: int = 0,
        name: str = "default",
        revision: str | None = None,
    ) -> AsyncJob:
        """Splits the rows into named parts, by default 80 % train and 20 % test, committed to the dataset.

        ``method``: random, stratified (by ``column``), grouped (rows with the same ``column`` stay together) or time
        (the latest by ``column`` last). The same seed gives the same split.
        """
        body = {
            "name": name,
            "ratios": dict(ratios) if ratios is not None else {"train": 0.8, "test": 0.2},
            "method": method,
            "column": column,
            "seed": seed,
            "revision": revision or self.revision,
        }
        given = {key: value for key, value in body.items() if value is not None}
        answer = await self._transport.call("POST", f"{await self._path()}/splits", body=given)
        return AsyncJob(self._transport, JobRecord.of(answer))

    async def profile(self, *, timeout: float = _READING_S) -> Profile:
        """Rows, and for each column type, missing values, range, categories and histogram; and the splits.

        A revision that was just pushed is still being read: that is waited for. Data that cannot be read has state
        "failed" and says why. Raises WaitTimedOut.
        """
        started, pause = time.monotonic(), _FIRST_POLL_S
        query = {"revision": self.revision}
        while True:
            profile = Profile.of(await self._transport.call("GET", f"{await self._path()}/profile", query=query))
            if profile.state != "pending":
                return profile
            if time.monotonic() - started > timeout:
                raise errors.WaitTimedOut(
                    f"The data of {await self.name()} has not been read after {timeout:g} seconds.",
                    next="It goes on: ask again later, or look at `tholos jobs list --kind data.view`.",
                )
            await sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_S)

    async def rows(self, offset: int = 0, limit: int = 100, *, split: str | None = None) -> Rows:
        """At most ``limit`` rows (up to 1,000; fewer where they are large) from ``offset`` on.

        ``split`` is a subset ("train") or one of another split ("folds/a"). Waits as ``profile`` does.
        """
        query = {"revision": self.revision, "split": split, "offset": offset, "limit": limit}
        path = f"{await self._path()}/rows"
        try:
            return Rows.of(await self._transport.call("GET", path, query=query))
        except errors.Conflict as error:
            if error.code != "profile_pending":
                raise
        await self.profile()
        return Rows.of(await self._transport.call("GET", path, query=query))

    async def to_pandas(self, *, split: str | None = None) -> pd.DataFrame:
        """The typed table, or one subset of its split, as a DataFrame; images are the bytes of their files.

        Raises MissingLibrary without pandas.
        """
        pinned = type(self)(await self.name(), revision=(await self.resolve()).id, client=self._client)
        page = await pinned.rows(0, _ROWS_AT_A_TIME, split=split)
        rows = [dict(row) for row in page.rows]
        while len(rows) < page.total:
            rows += [dict(row) for row in (await pinned.rows(len(rows), _ROWS_AT_A_TIME, split=split)).rows]
        for column in page.columns:
            if column.type == "image":
                await self._fetch_images(rows, column.name)
        return await in_thread(frame_of, page.columns, rows)

    async def refresh(self, url: str | None = None, *, timeout: float = 0, progress: OnRows | None = None) -> Revision:
        """Runs the query again from which the rows are, on this machine, and commits what it answers now.

        ``url`` is needed where the recorded one is not enough: passwords are never recorded. Returns the head as it is
        when the rows are the same. Raises InvalidInput where no query is recorded.
        """
        source = source_of((await self.card()).metadata)
        if source is None:
            raise errors.InvalidInput(
                f"{await self.name()} does not say which query its rows are from.",
                next="Take it from a database first: `tholos data import URL --query …`.",
            )
        return await self.push_query(
            url or str(source["url"]), str(source["query"]), timeout=timeout, progress=progress
        )

    async def push_query(
        self, url: str, query: str = "", *, table: str = "", timeout: float = 0, progress: OnRows | None = None
    ) -> Revision:
        """Commits the rows of a query (or of a whole table) as ``data.parquet``, with its source in the card.

        See ``Datasets.import_query``.
        """
        name = await self.name()
        head = await self._head("main")
        there = {entry.path: entry for entry in await self.files(revision=head.id)} if head else {}
        _refuse_other_data(name, there)
        with tempfile.TemporaryDirectory(prefix="tholos-") as temporary:
            folder = Path(temporary)
            fetched = await in_thread(
                lambda: fetch(url, query, folder, table=table, timeout_s=timeout, progress=progress)
            )
            metadata = (await self.card()).metadata if head else {}
            known = there.get(DATA_FILE)
            if head and known and fetched.source.is_recorded(source_of(metadata)):
                digest = await in_thread(sha256_of, fetched.file)
                if known.sha256 == digest:
                    return head
            text = (await self.read(CARD_FILE)).decode(errors="replace") if CARD_FILE in there else ""
            card = with_source(name, metadata, text, fetched.record)
            await in_thread((folder / CARD_FILE).write_text, card, "utf-8")
            return await super().push(folder, message=f"Take {fetched.rows:,} rows from {fetched.source.url}"[:500])

    async def _fetch_images(self, rows: list[dict[str, Any]], column: str) -> None:
        async def fetch(row: dict[str, Any]) -> None:
            if row[column] is not None:
                row[column] = (await self._transport.send("GET", row[column]["url"])).content

        await map_parallel(fetch, rows, PARALLEL_FILES)


class AsyncDatasets(AsyncRepos):
    """All datasets you may see, and those that can be imported."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__(client, "dataset")

    async def sources(self, *, search: str | None = None, limit: int | None = None) -> list[Source]:
        """Real data sets that packages installed beside the server carry."""
        items = await self._client.transport.pages("/api/v1/data/sources", {"search": search}, limit)
        return [Source.of(item) for item in items]

    async def import_query(
        self,
        url: str,
        query: str = "",
        name: str | None = None,
        *,
        table: str = "",
        timeout: float = 0,
        progress: OnRows | None = None,
    ) -> Revision:
        """Makes a dataset of a query's rows (or of a whole table's), read on this machine: ``pip install tholos[sql]``.

        ``url`` is SQLAlchemy's (``postgresql://user@host/db``, ``sqlite:///file``), ``duckdb:///file``, or ``duckdb:``
        for queries over Parquet and CSV files; ``env:NAME`` takes it from the environment. Rows are streamed in
        batches. URL without password, query, columns and time are recorded in the card. ``timeout`` in seconds, 0 for
        none. ``name`` is by default the table's.
        """
        wanted = name or table.rpartition(".")[2]
        if not wanted:
            raise errors.InvalidInput("The dataset needs a name.", next="Give one: namespace/name.")
        return await self._client.dataset(wanted).push_query(
            url, query, table=table, timeout=timeout, progress=progress
        )

    async def import_(self, source: str, name: str | None = None) -> AsyncJob:
        """Makes a dataset (by default called like the source) from a source that ``sources()`` lists."""
        body = {"source": source, "name": await self._client.full_name(name) if name else None}
        answer = await self._client.transport.call("POST", "/api/v1/data/import", body=body)
        return AsyncJob(self._client.transport, JobRecord.of(answer))


def _refuse_other_data(name: str, there: Mapping[str, Entry]) -> None:
    """Rows of a query replace those of the query before, and nothing else."""
    others = [
        path
        for path in there
        if path.lower().endswith(_DATA) and path != DATA_FILE and not path.startswith(("splits/", "."))
    ]
    if others:
        raise errors.InvalidInput(
            f"{name} holds other data already, such as {others[0]!r}.", next="Import into a dataset of its own."
        )
