"""Processes of this machine: who they are across restarts, what they use, how to end all of a session.

Each job's child leads a session of its own, so "the job's processes" are the members of that session, whatever process
groups they formed. Linux only, as is the death signal that ties a child to its owner.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_KILL_S = 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TICKS = 19
"""Index of the start time (field 22 of /proc/PID/stat) among the fields after the command's closing bracket."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same number: boot, pid, start in clock ticks."""

    boot: str
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.boot}/{self.pid}/{self.start}"

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity:
        """The identity that was written with ``str``."""
        boot, pid, start = text.split("/")
        return cls(boot, int(pid), int(start))

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of a process that exists now, or None."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return cls(_BOOT_ID.read_text().strip(), pid, int(stat.rpartition(")")[2].split()[_START_TICKS]))


def sessions(leaders: set[int]) -> dict[int, list[int]]:
    """The process ids in each of these sessions, zombies included, in one pass over the machine's processes."""
    members: dict[int, list[int]] = {leader: [] for leader in leaders}
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if (session := os.getsid(pid)) in members:
                members[session].append(pid)
    return members


def memory_of(pids: list[int]) -> int:
    """Resident bytes of these processes together; pages that they share count once for each."""
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_info().rss
    return total


def signal_session(leader: int, number: signal.Signals) -> None:
    """Sends a signal to every process of a session."""
    for pid in sessions({leader})[leader]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_session(leader: int) -> None:
    """Kills every process of a session, and those that they start meanwhile.

    The leader must be alive or unreaped, or its number could by now belong to someone else. Blocks for milliseconds;
    gives up after seconds on a process that sleeps in the kernel, which dies when it wakes.
    """
    deadline = time.monotonic() + _KILL_S
    while any(_alive(pid) for pid in sessions({leader})[leader]) and time.monotonic() < deadline:
        signal_session(leader, signal.SIGKILL)
        time.sleep(0.002)


def kill_left_over(identity: ProcessIdentity) -> bool:
    """Kills what is left of a session that a dead runner started; returns whether anything was."""
    now = ProcessIdentity.of(identity.pid)
    boot = _BOOT_ID.read_text().strip()
    # While any member lives the kernel does not reuse the session's number. So a process with that number is either
    # the leader itself or the proof that the session is gone.
    if boot != identity.boot or (now is not None and now != identity):
        return False
    found = any(_alive(pid) for pid in sessions({identity.pid})[identity.pid])
    kill_session(identity.pid)
    return found


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
