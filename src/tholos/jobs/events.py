"""A job's events as they happen, as a server-sent stream: progress, log, end.

The stream looks at the database and the log a few times a second, each time in a short read of its own, so that a
thousand watchers hold no connection. It ends after a while whatever happens; a client connects again and the last event
id, which is the offset in the log, lets it go on where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from tholos.accounts.authorization import Actor
from tholos.jobs import service
from tholos.jobs.folders import LogPiece, log_path, read_log
from tholos.jobs.schemas import JobOut
from tholos.kit.database import Database
from tholos.kit.errors import TholosError

_LOOK_S = 0.25
_HEARTBEAT_S = 15.0


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a ``text/event-stream``. ``data`` is JSON, hence one line; a blank line ends the event."""

    name: str
    data: object
    id: int | None = None

    def encode(self) -> bytes:
        identity = b"" if self.id is None else b"id: %d\n" % self.id
        return b"event: %s\n%sdata: %s\n\n" % (self.name.encode(), identity, orjson.dumps(self.data))


HEARTBEAT = b": still here\n\n"
"""A comment, which clients skip: it keeps proxies from closing a quiet stream."""


@dataclass(slots=True)
class JobStream:
    """The events of one job for one client, from ``offset`` bytes into its log on."""

    database: Database
    jobs_dir: Path
    actor: Actor
    job_id: str
    offset: int
    lifetime_s: float

    async def events(self) -> AsyncIterator[bytes]:
        """Encoded events until the job has ended, or the lifetime is over, or the job may no longer be seen."""
        deadline = time.monotonic() + self.lifetime_s
        spoke_at = time.monotonic()
        shown: dict[str, object] | None = None
        while time.monotonic() < deadline:
            try:
                job = await asyncio.to_thread(self._job)
            except TholosError as error:  # the status line has left; say it as an event
                yield ServerSentEvent("error", error.to_dict()).encode()
                return
            progress = {"state": job.state, "attempt": job.attempt, **job.progress.model_dump()}
            if progress != shown:
                shown, spoke_at = progress, time.monotonic()
                yield ServerSentEvent("progress", progress).encode()
            while (piece := await asyncio.to_thread(self._log)).text:
                self.offset, spoke_at = piece.next_offset, time.monotonic()
                yield ServerSentEvent("log", {"text": piece.text.decode(errors="replace")}, id=self.offset).encode()
            if job.state.ended:
                yield ServerSentEvent("end", job.model_dump(mode="json")).encode()
                return
            if time.monotonic() - spoke_at >= _HEARTBEAT_S:
                spoke_at = time.monotonic()
                yield HEARTBEAT
            await asyncio.sleep(_LOOK_S)

    def _job(self) -> JobOut:
        with self.database.read() as read:
            return JobOut.of(service.get(read, self.actor, self.job_id))

    def _log(self) -> LogPiece:
        return read_log(log_path(self.jobs_dir, self.job_id), self.offset)
