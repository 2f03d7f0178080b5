"""``tholos scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tholos.cli.connection import connect
from tholos.cli.failures import USAGE, WORK_FAILED, fail
from tholos.cli.files import Kind
from tholos.cli.output import AsJson, print_fields, print_json, print_table, say, short
from tholos.cli.waiting import watch

if TYPE_CHECKING:
    from tholos.sdk import Client
    from tholos.sdk.results import Scan


def scan(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="namespace/name or namespace/name@revision.")] = None,
    kind: Kind = "model",
    file: Annotated[
        list[str] | None, typer.Option("--file", help="Tell of this file, whatever its verdict; repeatable.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the scan is done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Scan it anew, and wait.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Scan all repos that another version of the scanner saw (administrators).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="With --all: also those that this version saw.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was found in a repo's files. Every push is scanned by itself.

    A revision that is unsafe, or that could not be scanned, ends with exit code 6.

    Examples:
      tholos scan me/penguins
      tholos scan me/survey --kind dataset --wait
      tholos scan me/penguins@v2 --again
      tholos scan --all
    """
    if (name is None) != everything or (force and not everything):
        fail("Name one repo, or scan --all of them.", "See `tholos scan --help`.", USAGE)
    with connect(ctx) as client:
        if name is None:
            _scan_all(client, force=force, as_json=as_json)
            return
        if again:
            job = client.scans.again(name, kind=kind)
            watch(job, quiet=as_json)
        if wait or again:
            client.scans.wait(name, kind=kind)
        found = client.scans.get(name, kind=kind, paths=file or ())
    if as_json:
        print_json(found.raw)
    else:
        _show(found)
    if found.status in ("unsafe", "error"):
        raise typer.Exit(WORK_FAILED)


def _scan_all(client: Client, *, force: bool, as_json: bool) -> None:
    job = client.scans.all(force=force)
    result: Any = watch(job, quiet=as_json)
    if as_json:
        print_json(job.record.raw)
    else:
        say(f"{result['revisions']} revisions are being scanned, by version {result['version']} of the scanner.")
        say("  → Watch them with `tholos jobs list --kind scan.repo`.")


def _show(found: Scan) -> None:
    print_fields(
        {
            "repo": found.repo,
            "revision": short(found.revision),
            "status": found.status,
            "files": found.files,
            "not safe": found.issues,
            "scanner": found.version,
            "job": found.job_id,
            "error": found.error,
        }
    )
    rows = [
        [item.path, finding.severity, finding.where, finding.message, finding.next]
        for item in found.items
        for finding in item.findings
    ]
    rows += [[item.path, item.status, "", item.error, ""] for item in found.items if item.error or not item.findings]
    if rows:
        print()
        print_table(["file", "severity", "where", "finding", "next"], rows, empty="")
    if not found.done:
        say("  → The scan is not done yet: wait for it with --wait.")
