"""Work that the tests run in real child processes, which import this module by PYTHONPATH."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tholos.accounts.service import record_audit
from tholos.jobs import service
from tholos.jobs.context import JobContext, Publish
from tholos.jobs.kinds import JobKind, Kinds, Limits
from tholos.jobs.lineage import Edge
from tholos.kit.database import WriteSession
from tholos.kit.errors import Unavailable, Unprocessable


class TooFewRows(Unprocessable):
    """The data has too few rows."""

    code = "too_few_rows"


class TeapotBusy(Unavailable):
    """The teapot is busy."""

    code = "teapot_busy"


def _result(result: dict[str, Any]) -> Publish:
    return lambda _write: result


def _wait_for(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.01)


def double(ctx: JobContext) -> Publish:
    return _result({"value": 2 * ctx.payload["value"], "actor": ctx.actor.name, "attempt": ctx.attempt})


def report(ctx: JobContext) -> Publish:
    print("printed ✓")  # noqa: T201 - that is what it is for
    logging.getLogger("sample").info("logged")
    for step in range(5):
        ctx.progress((step + 1) / 10, f"step {step}")
        ctx.metric("loss", 1 / (step + 1), step)
    ctx.metric("loss", float("nan"), 5)
    ctx.metric("accuracy", 0.5, 0)
    ctx.metric("accuracy", 0.75, 0)
    _wait_for(ctx.payload["go_on"])
    ctx.progress(0.9, "nearly there")
    return _result({})


def flood(ctx: JobContext) -> Publish:
    for step in range(5000):
        ctx.metric("loss", float(step), step)
    return _result({})


def chatter(ctx: JobContext) -> Publish:
    line = "x" * 1023
    for _ in range(ctx.payload["kilobytes"]):
        print(line)  # noqa: T201 - that is what it is for
    raise RuntimeError("said too much")


def refuse(ctx: JobContext) -> Publish:
    raise TooFewRows("There are 3 rows; training needs 10.", next="Add rows.")


def crash(ctx: JobContext) -> Publish:
    return _result({"value": 1 // int(ctx.payload["zero"])})


def unavailable_once(ctx: JobContext) -> Publish:
    if ctx.attempt == 1:
        raise TeapotBusy(next="Wait.")
    return _result({"attempt": ctx.attempt})


def no_json(ctx: JobContext) -> Publish:
    return _result({"value": float("nan")})


def no_publish(ctx: JobContext) -> Publish:
    return {"value": 1}  # type: ignore[return-value]


def die(ctx: JobContext) -> Publish:
    """Dies by a signal on its first ``deaths`` attempts."""
    if ctx.attempt <= ctx.payload["deaths"]:
        os.kill(os.getpid(), getattr(signal, ctx.payload["signal"]))
    return _result({"attempt": ctx.attempt})


def leave(ctx: JobContext) -> Publish:
    os._exit(0)


def segfault(ctx: JobContext) -> Publish:
    ctypes.string_at(0)
    return _result({})


def hang(ctx: JobContext) -> Publish:
    """Says who it is and runs until it is ended, or until the file ``go_on`` appears."""
    ctx.progress(0.5, "hanging")
    (ctx.folder / "scratch").write_text("temporary")
    Path(ctx.payload["pid_file"]).write_text(f"{os.getpid()}")
    if "go_on" in ctx.payload:
        _wait_for(ctx.payload["go_on"])
    else:
        while True:
            time.sleep(0.05)
    return _publish_effect(ctx)


def ignore_sigterm(ctx: JobContext) -> Publish:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return hang(ctx)


def spawn(ctx: JobContext) -> Publish:
    """Starts a process of its own, in a process group of its own, and leaves it behind or hangs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
    Path(ctx.payload["grandchild_file"]).write_text(str(child.pid))
    child.returncode = 0  # not ours to wait for
    return hang(ctx) if ctx.payload["hang"] else _result({})


def hoard(ctx: JobContext) -> Publish:
    hoarded = bytearray()
    while True:
        hoarded += b"x" * (8 << 20)
        time.sleep(0.005)


def effect(ctx: JobContext) -> Publish:
    time.sleep(ctx.payload.get("seconds", 0.0))
    return _publish_effect(ctx)


def half_effect(ctx: JobContext) -> Publish:
    """Writes, and then dies, stalls or fails inside the publishing transaction."""

    def publish(write: WriteSession) -> dict[str, Any]:
        _publish_effect(ctx)(write)
        write.flush()
        if ctx.attempt == 1 and ctx.payload["how"] in ("SIGKILL", "SIGSTOP"):
            os.kill(os.getpid(), signal.Signals[ctx.payload["how"]])
        if ctx.payload["how"] == "raise":
            raise TooFewRows(next="Add rows.")
        return {}

    return publish


def _publish_effect(ctx: JobContext) -> Publish:
    """An effect that can be counted: an audit entry and an output edge."""

    def publish(write: WriteSession) -> dict[str, Any]:
        record_audit(write, ctx.actor, "sample.effect", ctx.job_id)
        service.add_edges(write, ctx.job_id, outputs=[Edge(f"rev:{ctx.job_id}@{'0' * 40}", "model", "model ada/x")])
        return {"attempt": ctx.attempt}

    return publish


def loaded(ctx: JobContext) -> Publish:
    """Whether a module is imported already, which the work has not done itself."""
    return _result({"loaded": ctx.payload["module"] in sys.modules})


def _kind(name: str, **options: Any) -> JobKind:
    return JobKind(f"sample.{name}", work=f"work_samples:{name}", **options)


DOUBLE, REPORT, FLOOD, CHATTER = _kind("double"), _kind("report"), _kind("flood"), _kind("chatter")
REFUSE, CRASH, NO_JSON, NO_PUBLISH = _kind("refuse"), _kind("crash"), _kind("no_json"), _kind("no_publish")
UNAVAILABLE_ONCE, DIE, LEAVE, SEGFAULT = (
    _kind("unavailable_once"),
    _kind("die"),
    _kind("leave", max_attempts=1),
    _kind("segfault", max_attempts=1),
)
DOOMED = JobKind("sample.doomed", work="work_samples:die", max_attempts=2)
HANG, IGNORE_SIGTERM, SPAWN = _kind("hang"), _kind("ignore_sigterm"), _kind("spawn")
HOARD = _kind("hoard", limits=Limits(memory_mb=300))
LOADED = _kind("loaded")
LOADED_BEFORE = JobKind("sample.reader", work="work_samples:loaded", libraries=("mailbox", "not_installed_either"))
SLOW = JobKind("sample.slow", work="work_samples:hang", limits=Limits(time_s=0.5))
EFFECT, HALF_EFFECT = _kind("effect"), _kind("half_effect")
MISSING = JobKind("sample.missing", work="work_samples:not_there")
KINDS = Kinds(kind for kind in list(globals().values()) if isinstance(kind, JobKind))
