"""Where contents are looked at: a forked process with limits of its own, which bad bytes may take down.

The job forks once and hands over a list; the fork answers one report after the other. When it dies, or one content
takes too long, that content could not be scanned, and another fork goes on with the next.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tholos.kit.blobs import BlobNotFound, DamagedBlob
from tholos.kit.processes import die_with_parent
from tholos.scanning.findings import Report
from tholos.scanning.scanner import scan

_MAX_REPORT = 16 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """Something to scan."""

    sha256: str
    lens: str
    size: int


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What the scan of one content may take: seconds, and MiB of memory."""

    time_s: float
    memory_mb: int


Scan = Callable[[BinaryIO, int, str], Report]


class Sandbox:
    """Scans contents in forks of this process, which must have one thread."""

    def __init__(self, opening: Callable[[str], BinaryIO], limits: ScanLimits, run: Scan = scan) -> None:
        """``opening`` gives the bytes of a SHA-256; ``run`` looks at them, in the fork."""
        self._opening, self._limits, self._run = opening, limits, run

    def reports(self, contents: Sequence[Content]) -> Iterator[tuple[Content, Report]]:
        """The report on each content, in their order."""
        done = 0
        while done < len(contents):
            for report in self._fork(contents[done:]):
                yield contents[done], report
                done += 1

    def _fork(self, contents: Sequence[Content]) -> Iterator[Report]:
        """Reports of one fork, in order. The last is about a content that took it down, if one did."""
        reading, writing = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._work(parent, contents, writing)
        os.close(writing)
        try:
            with os.fdopen(reading, "rb", buffering=0) as pipe:
                yield from self._read(pid, pipe, len(contents))
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _read(self, pid: int, pipe: BinaryIO, count: int) -> Iterator[Report]:
        waiting = b""
        for _ in range(count):
            deadline = time.monotonic() + self._limits.time_s
            while b"\n" not in waiting:
                ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
                data = pipe.read(1 << 16) if ready else b""
                if not ready:
                    yield Report(error=f"Its scan took longer than {self._limits.time_s:g} seconds.")
                    return
                if not data or len(waiting) > _MAX_REPORT:
                    yield Report(error=f"Its scan ended without a result{_cause(pid)}.")
                    return
                waiting += data
            line, _, waiting = waiting.partition(b"\n")
            yield Report.from_json(json.loads(line))

    def _work(self, parent: int, contents: Sequence[Content], writing: int) -> None:
        """What the fork does; it never returns."""
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            die_with_parent(parent)
            _limit_memory(self._limits.memory_mb)
            warnings.simplefilter("ignore")  # those of libraries about what they read: it is the checks that judge it
            for content in contents:
                report = json.dumps(self._one(content).to_json()).encode() + b"\n"
                while report:
                    report = report[os.write(writing, report) :]
            status = 0
        except BaseException:  # the edge of the process: the parent sees that it ended without a result
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)  # none of what it shares with its parent is to be closed or flushed twice

    def _one(self, content: Content) -> Report:
        try:
            with self._opening(content.sha256) as file:
                return self._run(file, content.size, content.lens)
        except MemoryError:
            return Report(error=f"Its scan needs more than {self._limits.memory_mb:,} MiB of memory.")
        except (BlobNotFound, DamagedBlob) as problem:
            return Report(error=f"The stored content cannot be read: {problem}")
        except Exception as problem:  # a fault of a check must not keep the other files from their verdict
            traceback.print_exc()
            return Report(error=f"The scanner failed on it ({type(problem).__name__}); the job's log has the details.")


def _limit_memory(memory_mb: int) -> None:
    used = next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmData:")
    )
    limit = used + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _cause(pid: int) -> str:
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        done = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if done is not None:
            killed = done.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            return f" ({signal.Signals(done.si_status).name})" if killed else f" (exit code {done.si_status})"
        time.sleep(0.01)
    return ""
