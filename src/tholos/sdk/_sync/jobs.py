# Generated from sdk/_async/jobs.py by scripts/generate_sync_client.py; do not edit.
"""Jobs: durable work on the server, held as futures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from httpx2 import EventSource

from tholos.sdk import errors
from tholos.sdk._sync.concurrency import sleep
from tholos.sdk.references import segment
from tholos.sdk.results import JobEvent, JobRecord

if TYPE_CHECKING:
    from tholos.sdk._sync.transport import Transport

OnProgress = Callable[[JobRecord], None]
"""Told whenever the job's state, step or fraction has changed."""

_FIRST_POLL_S = 0.05
_LONGEST_POLL_S = 1.0
_SERVER_ABSENCE_S = 120.0
"""How long a wait bears with a server that does not answer: a restarted one takes its jobs up again."""


class Job:
    """A job, as a future: wait for it, follow it, cancel it. ``record`` is what the server last told of it."""

    def __init__(self, transport: Transport, record: JobRecord) -> None:
        self._transport = transport
        self.record = record

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.record.kind} {self.state}>"

    @property
    def id(self) -> str:
        """The job's id."""
        return self.record.id

    @property
    def state(self) -> str:
        """The state when last asked: queued, running, succeeded, failed or cancelled."""
        return self.record.state

    @property
    def _path(self) -> str:
        return f"/api/v1/jobs/{segment(self.id)}"

    def refresh(self) -> JobRecord:
        """Asks the server and keeps what it tells in ``record``."""
        self.record = JobRecord.of(self._transport.call("GET", self._path))
        return self.record

    def done(self) -> bool:
        """Whether the job has ended, one way or another."""
        return self.record.ended or (self.refresh()).ended

    def wait(self, timeout: float | None = None, progress: OnProgress | None = None) -> JobRecord:
        """Waits until the job has ended, however it ended, and returns its record.

        A server that goes away meanwhile is awaited for two minutes. Raises WaitTimedOut after ``timeout`` seconds;
        the job goes on.
        """
        started, pause, absent_since = time.monotonic(), _FIRST_POLL_S, None
        told: tuple[Any, ...] = ()
        while True:
            seen = (self.state, self.record.progress.fraction, self.record.progress.step)
            if progress is not None and seen != told:
                told = seen
                progress(self.record)
            if self.record.ended:
                return self.record
            now = time.monotonic()
            if timeout is not None and now - started >= timeout:
                raise errors.WaitTimedOut(
                    f"Job {self.id} is still {self.state} after {timeout:g} seconds.",
                    next=f"It goes on: wait again, or run `tholos jobs watch {self.id}`.",
                )
            sleep(pause if timeout is None else max(0.0, min(pause, started + timeout - now)))
            pause = min(pause * 1.5, _LONGEST_POLL_S)
            try:
                self.refresh()
            except (errors.ServerUnreachable, errors.Unavailable):
                absent_since = absent_since or now
                if now - absent_since > _SERVER_ABSENCE_S:
                    raise
            else:
                absent_since = None

    def result(self, timeout: float | None = None, progress: OnProgress | None = None) -> Mapping[str, Any]:
        """Waits for the job and returns its result.

        Raises JobFailed with the server's code, message and next step (JobCancelled when someone stopped it), and
        WaitTimedOut.
        """
        record = self.wait(timeout, progress)
        if record.state == "succeeded":
            return record.result or {}
        if record.state == "cancelled":
            raise errors.JobCancelled(
                f"Job {self.id} was cancelled.", next=f"Run it again with `tholos jobs retry {self.id}`."
            )
        error = record.error
        raise errors.JobFailed(
            (error and error.message) or f"Job {self.id} failed.",
            code=(error.code if error else ""),
            next=(error and error.next) or f"Read its log with `tholos logs {self.id}`.",
            details={"job_id": self.id},
        )

    def cancel(self) -> JobRecord:
        """Asks the server to stop the job; a running one ends within seconds."""
        self.record = JobRecord.of(self._transport.call("POST", f"{self._path}/cancel"))
        return self.record

    def retry(self) -> Job:
        """Queues a job that failed or was cancelled once more."""
        return Job(self._transport, JobRecord.of(self._transport.call("POST", f"{self._path}/retry")))

    def replay(self) -> Job:
        """Trains once more with the recorded trials of this training job; the metrics come out the same."""
        return Job(self._transport, JobRecord.of(self._transport.call("POST", f"{self._path}/replay")))

    def metrics(self) -> Any:
        """The series that the job reported: name, step and value of each point."""
        return self._transport.call("GET", f"{self._path}/metrics")

    def log(self) -> str:
        """What the job has written so far."""
        pieces, offset = [], 0
        while (answer := self._log_from(offset))[0]:
            pieces.append(answer[0])
            offset = answer[1]
        return "".join(pieces)

    def follow_log(self) -> Iterator[str]:
        """What the job has written and still writes, piece by piece, until it has ended."""
        offset, pause = 0, _FIRST_POLL_S
        while True:
            ended = self.record.ended or (self.refresh()).ended
            text, offset = self._log_from(offset)
            if text:
                pause = _FIRST_POLL_S
                yield text
            elif ended:
                return
            else:
                sleep(pause)
                pause = min(pause * 1.5, _LONGEST_POLL_S)

    def events(self) -> Iterator[JobEvent]:
        """The job's events as the server sends them: progress and log as they happen, at last end."""
        last_id = "0"
        while True:
            headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Last-Event-ID": last_id}
            with self._transport.open("GET", f"{self._path}/events", headers=headers) as response:
                for event in EventSource(response):
                    last_id = event.id or last_id
                    data = json.loads(event.data)
                    if event.event == "error":
                        raise errors.from_answer(0, {"error": data}, method="GET", url=self._path)
                    yield JobEvent(event.event, data)
                    if event.event == "end":
                        return
            sleep(_FIRST_POLL_S)  # the server cuts long streams; it goes on where it was cut

    def _log_from(self, offset: int) -> tuple[str, int]:
        response = self._transport.send("GET", f"{self._path}/log", query={"offset": offset})
        return response.text, int(response.headers["X-Next-Offset"])


class Jobs:
    """The jobs you may see."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, job_id: str) -> Job:
        """One job. Raises NotFound."""
        return Job(self._transport, JobRecord.of(self._transport.call("GET", f"/api/v1/jobs/{segment(job_id)}")))

    def list(self, *, state: str | None = None, kind: str | None = None, limit: int | None = None) -> list[Job]:
        """Jobs, newest first."""
        items = self._transport.pages("/api/v1/jobs", {"state": state, "kind": kind}, limit)
        return [Job(self._transport, JobRecord.of(item)) for item in items]

    def cancel(self, job_id: str) -> JobRecord:
        """Asks the server to stop a job."""
        return JobRecord.of(self._transport.call("POST", f"/api/v1/jobs/{segment(job_id)}/cancel"))

    def retry(self, job_id: str) -> Job:
        """Queues a job that failed or was cancelled once more."""
        return (self.get(job_id)).retry()
