"""Starting sandboxed code, listening to it, holding it to its limits, and seeing that nothing of it is left."""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tholos.jobs.processes import memory_of
from tholos.jobs.sandbox import mechanisms
from tholos.jobs.sandbox.errors import SandboxCrashed, SandboxLimit, SandboxUnavailable
from tholos.jobs.sandbox.mechanisms import MECHANISMS, Mechanism, Order
from tholos.jobs.sandbox.results import MAX_FILES, disk_use, take
from tholos.kit.settings import Settings

_LOOK_S = 0.1
_KILL_S = 10.0
_PIECE = 1 << 16
_MAX_LINE = 8 << 10
_MAX_TEXT = 500
_MAX_REASON = 2000
_MAX_THREADS = 512
_MAX_NOTES = 20
_MAX_OUTPUT = 1 << 20
_SLACK = 2 << 30
"""Address space beyond the memory that may be used: libraries reserve more than they use."""
_RAISE: Final = "or have the operator raise the limit"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What sandboxed code may use."""

    time_s: float
    """Seconds from start to end."""
    cpu_s: int
    """Seconds on all processors together."""
    memory_bytes: int
    disk_bytes: int
    """Of all its files together, and of each."""

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the operator set them."""
        return cls(
            time_s=settings.algorithm_time_s,
            cpu_s=settings.algorithm_cpu_s,
            memory_bytes=settings.algorithm_memory_mb << 20,
            disk_bytes=settings.algorithm_disk_mb << 20,
        )

    def to_kernel(self) -> dict[str, int]:
        """What the kernel is told to enforce by itself."""
        return {
            "address_space": self.memory_bytes + _SLACK,
            "cpu_s": self.cpu_s,
            "file_bytes": self.disk_bytes,
        }


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who hears what sandboxed code says. All of it is checked, cut and bounded before."""

    progress: Callable[[float, str], None] = lambda _fraction, _step: None
    metric: Callable[[str, float, int], None] = lambda _name, _value, _step: None
    note: Callable[[str], None] = lambda _text: None
    printed: Callable[[str], None] = lambda _text: None


def choose(settings: Settings) -> tuple[Mechanism, str]:
    """The mechanism to use here, after it was seen to work, and a sentence about it.

    Raises SandboxUnavailable: none works, or may be used, and the operator has not allowed to do without.
    """
    wanted = settings.algorithm_sandbox
    tried = MECHANISMS if wanted == "auto" else () if wanted == "off" else (wanted,)
    reasons: list[str] = []
    private = [settings.home]
    if settings.resolved_database_url.startswith("sqlite:///"):
        private.append(Path(settings.resolved_database_url.removeprefix("sqlite:///")))
    if tried and (path := mechanisms.exposed(private)):
        tried = ()
        reasons.append(f"{path.name!r} of this server lies inside the Python environment, which the code could read")
    for mechanism in tried:
        reason = fault(mechanism)
        if reason is None:
            return mechanism, f"Confined by {mechanism}."
        reasons.append(f"{mechanism}: {reason}")
    if wanted == "off":
        reasons.append("THOLOS_ALGORITHM_SANDBOX is off")
    told = "; ".join(reasons)
    if settings.allow_unsandboxed_algorithms:
        return "off", f"NOT confined, as the operator allows ({told}): the code can do whatever the server can."
    raise SandboxUnavailable(
        f"This server cannot confine the code of an algorithm repo: {told}.",
        next="Have the operator install bubblewrap, use Linux 6.2 or newer with Landlock, or (only where all "
        "authors of algorithms are trusted) set THOLOS_ALLOW_UNSANDBOXED_ALGORITHMS=true.",
    )


def fault(mechanism: Mechanism) -> str | None:
    """Why a mechanism does not work here, found by trying it; None when it does."""
    if reason := mechanisms.missing(mechanism):
        return reason
    limits = Limits(time_s=60.0, cpu_s=30, memory_bytes=1 << 30, disk_bytes=1 << 20)
    with tempfile.TemporaryDirectory(prefix="tholos-sandbox-") as name:
        folder = Path(name)
        for part in ("in", "out", "outside"):
            (folder / part).mkdir()
        outside, result = folder / "outside" / "canary", folder / "out" / "result"
        outside.write_bytes(b"canary")
        arguments = {"outside": str(outside), "result": str(result)}
        order = Order(
            target="tholos.jobs.sandbox.trial:check", arguments=arguments, read=folder / "in", write=folder / "out"
        )
        said: list[str] = []
        try:
            run(order, limits, mechanism, Listener(printed=said.append))
            take(result, folder / "taken", 100)
        except (SandboxCrashed, SandboxLimit, OSError) as error:
            return " ".join(("".join(said).strip().splitlines() or [str(error)])[-1].split())[:_MAX_TEXT]
        if outside.read_bytes() != b"canary":
            return "it let a file outside be written"
    return None


def run(order: Order, limits: Limits, mechanism: Mechanism, listener: Listener) -> None:
    """Runs an order to its end. When this returns or raises, no process of it is left.

    Call it in the thread that lives as long as the process: the child dies with it.

    Raises:
        SandboxLimit: it used more than it may.
        SandboxCrashed: it ended with an error, or broke the rules of its channel.

    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            mechanisms.command(mechanism, order, limits.to_kernel(), writing),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=order.write,
            env=order.environment(),
            pass_fds=[writing],
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as channel, process:
        assert process.stdout is not None
        try:
            _Watch(process, order.write, limits, listener).until_end(channel.fileno(), process.stdout.fileno())
        finally:
            _kill(process)


@dataclass
class _Watch:
    process: subprocess.Popen[bytes]
    folder: Path
    limits: Limits
    listener: Listener
    rest: bytes = b""
    printed: int = 0
    notes: int = 0
    reason: str = ""
    """What the code said last about its own failure."""
    last: str = field(default="", repr=False)

    def until_end(self, channel: int, output: int) -> None:
        deadline = time.monotonic() + self.limits.time_s
        with selectors.DefaultSelector() as selector:
            for descriptor, hear in ((channel, self._hear), (output, self._print)):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, hear)
            looked = 0.0
            while self.process.poll() is None:
                for key, _ in selector.select(_LOOK_S):
                    data = os.read(key.fd, _PIECE)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fd)
                if not selector.get_map():
                    time.sleep(0.005)  # it closed both and goes on: only its end is waited for
                now = time.monotonic()
                if now > deadline:
                    raise _limit(f"ran longer than {self.limits.time_s:g} seconds", "THOLOS_ALGORITHM_TIME_S")
                if now - looked > _LOOK_S:
                    looked = now
                    self._look()
            for descriptor, hear in ((channel, self._hear), (output, self._print)):
                self._drain(descriptor, hear)
        self._conclude()

    def _drain(self, descriptor: int, hear: Callable[[bytes], None]) -> None:
        """What was said just before the end; no more than a full pipe."""
        for _ in range(32):
            try:
                data = os.read(descriptor, _PIECE)
            except BlockingIOError:
                return
            if not data:
                return
            hear(data)

    def _conclude(self) -> None:
        status = self.process.returncode
        if status == 0:
            return
        number = -status if status < 0 else status - 128  # bubblewrap tells signals as a shell does
        if number == signal.SIGXCPU or (number == signal.SIGKILL and not self.reason):
            limit = f"used more than {self.limits.cpu_s} seconds of processor time, or was killed for want of memory"
            raise _limit(limit, "THOLOS_ALGORITHM_CPU_S")
        reason = self.reason or self.last or f"its process ended with status {status}"
        raise SandboxCrashed(
            f"The algorithm's code failed: {reason}",
            next="Look at the job's log; the algorithm's author can mend its code.",
        )

    def _look(self) -> None:
        pids = _family(self.process.pid)
        if memory_of(pids) > self.limits.memory_bytes:
            raise _limit(
                f"used more than {self.limits.memory_bytes >> 20:,} MiB of memory", "THOLOS_ALGORITHM_MEMORY_MB"
            )
        if sum(_threads(pid) for pid in pids) > _MAX_THREADS:
            raise SandboxLimit(
                f"The algorithm's code started more than {_MAX_THREADS} threads.", next="Have it start fewer."
            )
        try:
            used, files = disk_use(self.folder, pids)
        except PermissionError as error:
            raise SandboxCrashed(
                "The algorithm's code made a folder that cannot be looked into.", next="Have it leave modes alone."
            ) from error
        if used > self.limits.disk_bytes:
            raise _limit(f"wrote more than {self.limits.disk_bytes >> 20:,} MiB to disk", "THOLOS_ALGORITHM_DISK_MB")
        if files > MAX_FILES:
            raise SandboxLimit(
                f"The algorithm's code made more than {MAX_FILES:,} files, or folders too deep.",
                next="Have it write fewer.",
            )

    # -- listening

    def _hear(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        if any(len(line) > _MAX_LINE for line in (*lines, self.rest)):
            raise _unintelligible()
        for line in lines:
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
                raise _unintelligible() from error

    def _take(self, message: object) -> None:
        """Raises ValueError, TypeError for what is no message."""
        match message:
            case ["progress", int() | float() as fraction, str(step)] if math.isfinite(fraction):
                self.listener.progress(min(1.0, max(0.0, float(fraction))), plain(step)[:_MAX_TEXT])
            case ["metric", str(name), int() | float() as value, int(step)]:
                self.listener.metric(plain(name)[:_MAX_TEXT], float(value), step)
            case ["note", str(text)]:
                self.notes += 1
                if self.notes <= _MAX_NOTES:
                    self.listener.note(plain(text)[:_MAX_TEXT])
            case ["failed", str(text)]:
                self.reason = plain(text)[:_MAX_REASON]
            case _:
                raise ValueError("no message")

    def _print(self, data: bytes) -> None:
        text = plain(data.decode(errors="replace"), keep="\n\t")
        if lines := text.strip().splitlines():
            self.last = lines[-1][:_MAX_TEXT]
        room = _MAX_OUTPUT - self.printed
        self.printed += len(data)
        if room > 0:
            self.listener.printed(text[:room])
            if self.printed >= _MAX_OUTPUT:
                self.listener.printed(f"\n[… more than {_MAX_OUTPUT:,} bytes: the rest is left out …]\n")


def plain(text: str, keep: str = "") -> str:
    """Text without characters that steer terminals or turn the direction of writing."""
    return "".join(letter if letter.isprintable() or letter in keep else "\ufffd" for letter in text)


def _limit(what: str, setting: str) -> SandboxLimit:
    return SandboxLimit(
        f"The algorithm's code {what}.",
        next=f"Give it less to do, {_RAISE} ({setting}).",
        setting=setting,
    )


def _unintelligible() -> SandboxCrashed:
    return SandboxCrashed(
        "The algorithm's code wrote something to its channel that is no message.",
        next="Have it report by the `progress` that it is given alone.",
    )


def _family(pid: int) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return [pid]


def _threads(pid: int) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(psutil.Process(pid).num_threads())
    return 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and all that it started, and waits until they are gone."""
    deadline = time.monotonic() + _KILL_S
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(process.pid)
        family = leader.children(recursive=True)
        leader.kill()
    while time.monotonic() < deadline:
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        _, family = psutil.wait_procs(family, timeout=0.05)
        if not family:
            break
    process.wait()
