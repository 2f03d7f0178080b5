"""``tholos jobs`` and ``tholos logs``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.output import AsJson, Detach, age, print_fields, print_json, print_table, say, size_text
from tholos.cli.waiting import finish

app = group("List, watch, cancel, retry and replay jobs.")
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command("list", cls=Command)
def list_jobs(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as training.train.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first.

    Examples:
      tholos jobs list
      tholos jobs list --state failed --json
    """
    with connect(ctx) as client:
        found = [job.record for job in client.jobs.list(state=state, kind=kind, limit=limit)]
    if as_json:
        print_json([job.raw for job in found])
        return
    rows = [[job.id, job.state, f"{job.progress.fraction:.0%}", job.title, age(job.created_at)] for job in found]
    print_table(["id", "state", "done", "title", "created"], rows, empty="No jobs.")


@app.command("show", cls=Command)
def show(ctx: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show a job: its state, what it read and wrote, its result or error.

    Examples:
      tholos jobs show job_01jd…
    """
    with connect(ctx) as client:
        job = client.jobs.get(job_id).record
    if as_json:
        print_json(job.raw)
        return
    print_fields(
        {
            "id": job.id,
            "title": job.title,
            "kind": job.kind,
            "state": job.state,
            "step": job.progress.step,
            "attempt": f"{job.attempt} of {job.max_attempts}",
            "created": age(job.created_at),
            "cpu": f"{job.cpu_seconds:.1f} s" if job.cpu_seconds is not None else None,
            "memory": size_text(job.peak_memory_bytes) if job.peak_memory_bytes else None,
            "read": [edge.label or edge.urn for edge in job.inputs],
            "wrote": [edge.label or edge.urn for edge in job.outputs],
            "error": job.error.message if job.error else None,
            "next": job.error.next if job.error else None,
            "result": dict(job.result) if job.result else None,
        }
    )


@app.command("watch", cls=Command)
def watch(ctx: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Follow a job's progress until it ends; Ctrl-C leaves it running.

    Examples:
      tholos jobs watch job_01jd…
    """
    with connect(ctx) as client:
        finish(client.jobs.get(job_id), _show_result, detach=False, as_json=as_json)


@app.command("cancel", cls=Command)
def cancel(ctx: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Stop a job.

    Examples:
      tholos jobs cancel job_01jd…
    """
    with connect(ctx) as client:
        job = client.jobs.cancel(job_id)
    if as_json:
        print_json(job.raw)
    else:
        say(f"Job {job.id} is {job.state}." if job.ended else f"Job {job.id} is being stopped.")


@app.command("retry", cls=Command)
def retry(ctx: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Queue a job that failed or was cancelled once more.

    Examples:
      tholos jobs retry job_01jd…
    """
    with connect(ctx) as client:
        job = client.jobs.retry(job_id)
    if as_json:
        print_json(job.record.raw)
    else:
        print(job.id)
        say(f"  → Watch it with `tholos jobs watch {job.id}`.")


@app.command("replay", cls=Command)
def replay(ctx: typer.Context, job_id: JobId, detach: Detach = False, as_json: AsJson = False) -> None:
    """Train once more with the recorded trials of a training job that succeeded, on the same data.

    The metrics come out the same; the model gets a new revision.

    Examples:
      tholos jobs replay job_01jd…
      tholos jobs replay job_01jd… --detach
    """
    with connect(ctx) as client:
        finish(client.jobs.get(job_id).replay(), _show_result, detach=detach, as_json=as_json)


def logs(
    ctx: typer.Context,
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Print what a job wrote.

    Examples:
      tholos logs job_01jd…
      tholos logs job_01jd… -f
    """
    with connect(ctx) as client:
        job = client.jobs.get(job_id)
        if not follow:
            sys.stdout.write(job.log())
            return
        try:
            for text in job.follow_log():
                sys.stdout.write(text)
                sys.stdout.flush()
        except KeyboardInterrupt:
            say(f"\nJob {job.id} goes on.\n  → Stop it with `tholos jobs cancel {job.id}`.")
            raise typer.Exit(130) from None


def _show_result(result: Mapping[str, Any]) -> None:
    print_fields(result)
