"""Waiting for a job: a progress bar on a terminal, lines elsewhere; Ctrl-C leaves the job running."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from tholos.cli.failures import INTERRUPTED
from tholos.cli.output import print_json, say

if TYPE_CHECKING:
    from tholos.sdk import Job, JobRecord
    from tholos.sdk._sync.jobs import OnProgress


def finish(job: Job, show: Callable[[Mapping[str, Any]], None], *, detach: bool, as_json: bool) -> None:
    """Waits for the job and shows its result; with ``detach`` only says which job it is.

    Raises JobFailed, which becomes exit code 6.
    """
    if detach:
        if as_json:
            print_json(job.record.raw)
        else:
            print(job.id)
            say(f"  → Watch it with `tholos jobs watch {job.id}`.")
        return
    result = watch(job, quiet=as_json)
    if as_json:
        print_json(job.record.raw)
    else:
        show(result)


def watch(job: Job, *, quiet: bool = False) -> Mapping[str, Any]:
    """Waits for the job's result while showing its progress. Ctrl-C ends the waiting, not the job."""
    try:
        with _progress(job, quiet=quiet) as told:
            return job.result(progress=told)
    except KeyboardInterrupt:
        say(f"\nJob {job.id} goes on.")
        say(f"  → Watch it with `tholos jobs watch {job.id}`; stop it with `tholos jobs cancel {job.id}`.")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _progress(job: Job, *, quiet: bool) -> Iterator[OnProgress | None]:
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(job.record.title or job.record.kind, total=1.0)

            def told(record: JobRecord) -> None:
                step = record.progress.step if record.state == "running" else record.state
                title = record.title or record.kind
                bar.update(task, description=f"{title}: {step}", completed=record.progress.fraction)

            yield told
    else:
        last = ""

        def said(record: JobRecord) -> None:
            nonlocal last
            step = (record.state == "running" and record.progress.step) or record.state
            if step != last:
                last = step
                say(f"{record.id} {step}")

        yield said
