"""Running one job inside its child process, from its claim to its result or its failure."""

from __future__ import annotations

import io
import logging
import os
import resource
import signal
import socket
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import cast

from sqlalchemy.exc import OperationalError

from tholos.accounts.authorization import Actor
from tholos.jobs import lifecycle
from tholos.jobs.context import JobContext, Publish, Work
from tholos.jobs.errors import JobCancelled, OwnerLost, Superseded
from tholos.jobs.lifecycle import Retry
from tholos.jobs.messages import Channel
from tholos.jobs.models import Job
from tholos.jobs.order import Order
from tholos.jobs.processes import ProcessIdentity
from tholos.jobs.repository import Claim, Usage
from tholos.jobs.service import acting_for
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.errors import TholosError, Unavailable
from tholos.kit.settings import Settings

EXIT_ENDED = 0
"""The job has its result, or its failure is recorded."""
EXIT_REFUSED = 3
"""Nothing was recorded: the run was cancelled, or is no longer the current one."""


def execute(order: Order, channel: int) -> int:
    """Runs the job, whose channel has that descriptor; returns the exit code of the process.

    Whatever happened to the job is then in the database.
    """
    _prepare_output()
    settings = Settings()
    database = Database(settings.resolved_database_url, pool_size=2)
    claim = Claim(order.job_id, order.fence)
    try:
        identity = ProcessIdentity.of(os.getpid())
        with database.write() as write:
            job = lifecycle.begin(write, claim, str(identity), order.lease_s)
            actor = acting_for(write, job)
        os.set_inheritable(channel, False)  # not for the programs that the work starts
        context = _context(job, actor, settings, database, Channel(socket.socket(fileno=channel)))
        _cancel_on_sigterm(context)
        publish = _work(order.work, context)
        context.channel.flush()
        with database.write() as write:
            lifecycle.complete(write, claim, publish, _usage(), order.lease_s)
    except (JobCancelled, OwnerLost, Superseded) as error:
        _say(f"stopped: {error}")
        return EXIT_REFUSED
    except BaseException as error:  # the edge of the process: whatever the work raised becomes the job's error
        return _report(database, claim, error, Retry(settings.job_retry_delay_s))
    return EXIT_ENDED


def _report(database: Database, claim: Claim, error: BaseException, retry: Retry) -> int:
    if isinstance(error, TholosError):
        reason = error
        _say(f"failed: {error.message} {error.next}")
    else:
        traceback.print_exception(error)
        reason = lifecycle.crashed(claim.job_id, "".join(traceback.format_exception_only(error)).strip())
    with database.write() as write:
        # What another time may mend (the database or a service was away) is tried again; what would recur is not.
        if isinstance(error, Unavailable | OperationalError):
            held = lifecycle.retry_or_fail(write, claim, reason, _usage(), retry)
        else:
            held = lifecycle.fail(write, claim, reason, _usage())
    if not held:
        _say(f"stopped: {lifecycle.superseded(claim)}")
    return EXIT_ENDED if held else EXIT_REFUSED


def _context(job: Job, actor: Actor, settings: Settings, database: Database, channel: Channel) -> JobContext:
    return JobContext(
        job_id=job.id,
        kind=job.kind,
        attempt=job.attempt,
        actor=actor,
        settings=settings,
        database=database,
        blobs=open_blob_store(settings),
        folder=Path.cwd(),
        payload=job.payload,
        channel=channel,
    )


def _cancel_on_sigterm(context: JobContext) -> None:
    def cancel(_signal: int, _frame: FrameType | None) -> None:
        context.cancel()
        raise JobCancelled("the runner told it to end")

    signal.signal(signal.SIGTERM, cancel)


def _work(path: str, context: JobContext) -> Publish:
    module, _, name = path.partition(":")
    work: Work = getattr(import_module(module), name)
    publish = work(context)
    if not callable(publish):
        raise TypeError(f"{path} returned a {type(publish).__name__}; it must return a function that publishes")
    return publish


def _usage() -> Usage:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return Usage(cpu_seconds=cpu, peak_memory_bytes=_peak_memory_bytes())


def _peak_memory_bytes() -> int:
    # Not ru_maxrss: the kernel carries that over exec, so it would count the runner's memory as ours.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/self/status has no VmHWM")


def _prepare_output() -> None:
    # Lines reach the log as they are printed, and no character can stop a job.
    for stream in (sys.stdout, sys.stderr):
        cast("io.TextIOWrapper", stream).reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def _say(line: str) -> None:
    sys.stderr.write(f"--- {line}\n")
