"""``tholos hub``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.failures import FAILED
from tholos.cli.output import AsJson, Detach, print_fields, print_json, say, size_text
from tholos.cli.waiting import finish, watch

app = group("Collect garbage, pack and check the store (administrators).")


@app.command("gc", cls=Command)
def collect(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Remove what nothing leads to any more, while the server works on.

    What was uploaded, named or staged within THOLOS_GC_GRACE_S stays. Of what came through Xet the chunks go one such
    period after the first collection that found them unused: clients may still build on them until then.

    Examples:
      tholos hub gc --dry-run
      tholos hub gc
    """
    with connect(ctx) as client:
        finish(client.store.collect(dry_run=dry_run), _show_collected, detach=detach, as_json=as_json)


@app.command("pack", cls=Command)
def pack(ctx: typer.Context, detach: Detach = False, as_json: AsJson = False) -> None:
    """Cut files that came whole (by the SDK, Git LFS or git) into chunks that the versions of a repo share.

    The server does so by itself every THOLOS_PACK_EVERY_S, with files of THOLOS_PACK_MIN_BYTES or more. A whole file
    stays beside its chunks until nobody can have it open: it goes when this has run twice again, two hours apart.

    Examples:
      tholos hub pack
      tholos hub pack --json
    """
    with connect(ctx) as client:
        finish(client.store.pack(), _show_packed, detach=detach, as_json=as_json)


@app.command("fsck", cls=Command)
def fsck(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Existence and sizes only; no file is read.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without losing anything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read back every file and git object, and compute every hash anew. Exit code 1 when something is damaged.

    Examples:
      tholos hub fsck
      tholos hub fsck --quick --json
    """
    with connect(ctx) as client:
        report = watch(client.store.fsck(quick=quick, repair=repair), quiet=as_json)
    if as_json:
        print_json(dict(report))
    else:
        _show_report(report)
    if not report["sound"]:
        raise typer.Exit(FAILED)


def _show_collected(found: Mapping[str, Any]) -> None:
    say("Would go:" if found["dry_run"] else "Removed:")
    counts = ("blobs", "xorbs", "strays", "possessions", "folders", "files", "tags", "temporaries")
    print_fields({name: found[name] for name in counts} | {"freed": size_text(found["freed_bytes"])})
    if found["waiting_xorbs"]:
        say(f"{found['waiting_xorbs']} xorbs ({size_text(found['waiting_bytes'])}) wait for the grace period to pass.")
        say("  → Run it again after THOLOS_GC_GRACE_S, or have the server do so: THOLOS_GC_EVERY_S.")


def _show_packed(found: Mapping[str, Any]) -> None:
    say("Packed:")
    print_fields(
        {
            "files": found["files"],
            "of": size_text(found["bytes"]),
            "new chunks": size_text(found["stored_bytes"]),
            "passed over": found["passed_over"],
            "whole files removed": f"{found['released']} ({size_text(found['released_bytes'])})",
        }
    )
    if found["waiting"]:
        say(f"{found['waiting']} whole files ({size_text(found['waiting_bytes'])}) wait until nobody has them open.")
        say("  → Run it again in two hours, and in four, or have the server do so: THOLOS_PACK_EVERY_S.")


def _show_report(report: Mapping[str, Any]) -> None:
    print_fields(report["checked"])
    for done in report["repaired"]:
        say(f"repaired: {done}")
    for item in report["damage"]:
        where = f" (in {', '.join(item['repos'])})" if item["repos"] else ""
        print(f"{item['what']} {item['name']} {item['problem']}{where}")
    say("Everything is whole." if report["sound"] else f"{report['damaged']} things are damaged.")
    if not report["sound"]:
        say("  → Restore them from a backup; docs/operate.md says how.")
