"""What commands print: JSON for programs; tables and progress bars for people on a terminal, plain text elsewhere.

Results go to stdout, messages and progress to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tholos.sdk.progress import OnTransfer, Transferred

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Print the job's id and do not wait for it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def say(message: str) -> None:
    """A message for people, out of the way of what programs read."""
    print(message, file=sys.stderr)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """A table on a terminal; tab-separated lines elsewhere. ``empty`` is said when there are no rows."""
    if not rows:
        say(empty)
        return
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in cells:
            print("\t".join(line))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in cells:
        table.add_row(*line)
    Console(highlight=False, markup=False).print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Names and values below each other; those without a value are left out."""
    shown = {name: _cell(value) for name, value in fields.items() if value not in (None, "", (), [], {})}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        print(f"{name:<{width}}  {value}")


def age(moment: datetime | None) -> str:
    """How long ago, roughly."""
    if moment is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def size_text(size: float) -> str:
    """A number of bytes with a binary unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def short(revision: str | None) -> str:
    """The first digits of a revision, enough to name it."""
    return (revision or "")[:10]


@contextmanager
def transfer_bar(title: str, *, quiet: bool) -> Iterator[OnTransfer | None]:
    """A progress bar for an upload or download, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def told(state: Transferred) -> None:
            files = f"{title} {state.files_done}/{state.files}"
            bar.update(task, description=files, completed=state.bytes_done, total=state.bytes)

        yield told


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case list() | tuple():
            return ", ".join(_cell(item) for item in value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
