"""One run of a job as its runner sees it: a child process, its channel, its log, its limits.

Everything here happens on the runner's event loop except ``reap`` and ``close``, which block for a moment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tholos.jobs.folders import AttemptLog, JobFolder
from tholos.jobs.forks import ForkServer
from tholos.jobs.kinds import JobKind
from tholos.jobs.messages import ACK, Flush, Message, Metric, Progress, decode
from tholos.jobs.order import Order
from tholos.jobs.processes import kill_session
from tholos.jobs.repository import Claim, Usage
from tholos.kit.logs import get_logger

_MAX_WAITING_POINTS = 2000
"""Points of series that wait for the next report; beyond it the child waits too, so that no report grows large."""
_NOTHING_YET = Progress(0.0, "")
log = get_logger("jobs")


class Ending(StrEnum):
    """Why the runner ended a child; a child that ends by itself has none."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    LEASE_LOST = "lease_lost"
    STOPPED = "stopped"


_WORDS = {
    Ending.CANCELLED: "the job was cancelled",
    Ending.TIMED_OUT: "it is over its time limit",
    Ending.OUT_OF_MEMORY: "it is over its memory limit",
    Ending.LEASE_LOST: "its lease ran out, or another run has the job",
    Ending.STOPPED: "the server stops; the job goes back to the queue",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an attempt may use, after kind and settings were weighed."""

    time_s: float
    memory_bytes: int
    lease_s: float
    kill_grace_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an attempt has to say to the database since its last report."""

    claim: Claim
    progress: Progress
    peak_memory_bytes: int
    points: Mapping[tuple[str, int], float | None]
    flushes: int


@dataclass(slots=True)
class _Incoming:
    """What the child has said and the database does not know yet."""

    rest: bytes = b""
    progress: Progress = _NOTHING_YET
    points: dict[tuple[str, int], float | None] = field(default_factory=dict)
    flushes: int = 0


class Attempt:
    """A started child. ``on_urgent`` is called when a report should go out before its time."""

    def __init__(
        self, claim: Claim, bounds: Bounds, folder: JobFolder, log: AttemptLog, on_urgent: Callable[[], None]
    ) -> None:
        self.claim = claim
        self.bounds = bounds
        self.ending: Ending | None = None
        self.peak_memory_bytes = 0
        self.pid = 0
        """Number of the child, once started."""
        self.status = 0
        """Exit code, or the negative signal number, once reaped."""
        self.background = False
        """Whether it takes a place in the background."""
        self._folder, self._log, self._on_urgent = folder, log, on_urgent
        self._loop = asyncio.get_running_loop()
        self._incoming = _Incoming()
        self._kill_at: float | None = None
        self._over = False
        self._reading = False

    def start(self, forks: ForkServer, kind: JobKind) -> None:
        """Starts the child. Raises OSError."""
        job_id, fence = self.claim.job_id, self.claim.fence
        order = Order(job_id, fence, kind.work, self.bounds.lease_s, str(self._folder.scratch))
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.pid = forks.fork(order, theirs.fileno(), self._log.file.fileno())
            self._exit_descriptor = self._watched(forks)
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        self._connection, self._forks = ours, forks
        self._started_at = self._renewed_at = self._loop.time()
        self._read_on()

    def _watched(self, forks: ForkServer) -> int:
        try:
            return os.pidfd_open(self.pid)
        except OSError:  # too many open files: a child that nobody watches must not run
            os.kill(self.pid, signal.SIGKILL)
            forks.reap(self.pid)
            raise

    @property
    def over(self) -> bool:
        """Whether the child has ended."""
        return self._over

    @property
    def lease_over(self) -> bool:
        """Whether the lease has run out by the runner's own clock, which starts before the database's."""
        return self._loop.time() - self._renewed_at > self.bounds.lease_s

    async def exited(self) -> None:
        """Returns when the child has ended; it is not reaped yet, so its number is still its own."""
        ended = asyncio.Event()
        self._loop.add_reader(self._exit_descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            self._loop.remove_reader(self._exit_descriptor)
        self._over = True
        self._stop_reading()
        while self._receive():  # what it said last; whoever it forked may still hold the other end
            pass

    def reap(self) -> Usage:
        """Kills whatever the ended child has left running and takes its exit status; returns what it used."""
        kill_session(self.pid)
        self.status, cpu_seconds = self._forks.reap(self.pid)
        return Usage(cpu_seconds, self.peak_memory_bytes)

    def close(self) -> None:
        """Ends the log and removes the scratch folder."""
        os.close(self._exit_descriptor)
        self._connection.close()
        self._log.close()
        self._folder.clear()

    # -- reports

    def take_report(self) -> Report:
        """What is new; it counts as said unless ``give_back`` returns it."""
        incoming, self._incoming = self._incoming, _Incoming(self._incoming.rest, self._incoming.progress)
        if not self._over:
            self._read_on()
        return Report(self.claim, incoming.progress, self.peak_memory_bytes, incoming.points, incoming.flushes)

    def give_back(self, report: Report) -> None:
        """Keeps a report that could not be recorded for the next one."""
        self._incoming.points = {**report.points, **self._incoming.points}
        self._incoming.flushes += report.flushes

    def renewed(self, asked_at: float) -> None:
        """The lease was renewed, by a transaction that began at ``asked_at`` (loop time)."""
        self._renewed_at = asked_at

    def acknowledge(self, report: Report) -> None:
        """The report is recorded, or refused for good: a child that waits for that may go on."""
        if report.flushes and not self._over:
            try:
                self._connection.send(ACK * report.flushes)
            except (BrokenPipeError, ConnectionResetError):
                log.info("a child ended while it waited for an acknowledgement", job=self.claim.job_id)

    # -- ending it

    def enforce(self, memory_bytes: int) -> None:
        """Ends the child where it is over a limit, and kills it where it was told to end and has not.

        ``memory_bytes`` is the resident memory of its session, measured just now.
        """
        if self._over:
            return
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory_bytes)
        now = self._loop.time()
        self._log.trim()
        if self._kill_at is not None and now >= self._kill_at:
            self._signal(signal.SIGKILL)
        elif memory_bytes > self.bounds.memory_bytes:
            self.end(Ending.OUT_OF_MEMORY)
        elif now - self._started_at > self.bounds.time_s:
            self.end(Ending.TIMED_OUT)
        elif self.lease_over:
            self.end(Ending.LEASE_LOST)

    def end(self, ending: Ending) -> None:
        """Ends the child for this reason, unless it is being ended for another."""
        if self.ending is not None or self._over:
            return
        self.ending = ending
        self._log.note(f"ended by the server: {_WORDS[ending]}")
        log.info("ending a job's process", job=self.claim.job_id, reason=ending.value)
        if ending in (Ending.CANCELLED, Ending.TIMED_OUT):
            self._signal(signal.SIGTERM)
            self._kill_at = self._loop.time() + self.bounds.kill_grace_s
        elif ending is Ending.LEASE_LOST:
            self.let_go()  # the fence refuses whatever it does; its log may say so
        else:
            self._signal(signal.SIGKILL)

    def let_go(self) -> None:
        """Leaves a child whose work is over a moment to end by itself."""
        if self._kill_at is None:
            self._kill_at = self._loop.time() + self.bounds.kill_grace_s

    def _signal(self, number: signal.Signals) -> None:
        if not self._over:
            os.killpg(self.pid, number)  # the rest of its session goes when it is reaped

    # -- listening

    def _read_on(self) -> None:
        if not self._reading:
            self._loop.add_reader(self._connection, self._receive)
            self._reading = True

    def _stop_reading(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._connection)
            self._reading = False

    def _receive(self) -> bool:
        """Takes what has arrived; returns whether there may be more."""
        try:
            data = self._connection.recv(1 << 16)
        except (BlockingIOError, ConnectionResetError):
            return False
        if not data:
            self._stop_reading()
            return False
        *lines, self._incoming.rest = (self._incoming.rest + data).split(b"\n")
        for line in lines:
            try:
                self._hear(decode(line))
            except (KeyError, TypeError, ValueError):
                log.warning("a job's process sent a line that is no message", job=self.claim.job_id, line=line[:200])
        if len(self._incoming.points) >= _MAX_WAITING_POINTS and not self._over:
            self._stop_reading()
            self._on_urgent()
        return True

    def _hear(self, message: Message) -> None:
        match message:
            case Progress():
                self._incoming.progress = message
            case Metric(name, step, value):
                self._incoming.points[name, step] = value
            case Flush():
                self._incoming.flushes += 1
                self._on_urgent()
