"""``tholos pulls``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.discussions import Limit, Number, Status, Words, show_list, show_one
from tholos.cli.files import Into, Kind, Name, Only, handle
from tholos.cli.output import AsJson, print_json, say, short, transfer_bar

app = group("Propose changes to a repo, look at them, merge them.")


@app.command("list", cls=Command)
def list_pulls(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    status: Status = "all",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List a repo's pull requests, newest first.

    Examples:
      tholos pulls list me/tree --status open
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).discussions.list(type="pull_request", status=status, limit=limit)
    show_list(found, as_json=as_json, empty="No pull requests.")


@app.command("open", cls=Command)
def open_pull(
    ctx: typer.Context,
    name: Name,
    path: Annotated[Path, typer.Argument(help="The file or folder to propose.")],
    kind: Kind = "model",
    into: Into = "",
    title: Annotated[str, typer.Option(help="What it does.")] = "",
    message: Words = "",
    branch: Annotated[str, typer.Option(help="The branch that it is meant for.")] = "main",
    number: Annotated[int | None, typer.Option(min=1, help="Add to this pull request instead.")] = None,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Propose a file or folder to a repo, and print the pull request's number; you need not be allowed to write it.

    Examples:
      tholos pulls open ada/tree model.onnx --title "A smaller model"
      tholos pulls open ada/tree README.md --number 3
    """
    with connect(ctx) as client, transfer_bar("Uploading", quiet=as_json) as told:
        made = handle(client, kind, name).propose(
            path, into, title=title, text=message, branch=branch, number=number, files=only, progress=told
        )
    if as_json:
        print_json(made.raw)
    else:
        print(made.number)


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show a pull request: what it proposes and what was said.

    Examples:
      tholos pulls show me/tree 3
    """
    with connect(ctx) as client:
        threads = handle(client, kind, name).discussions
        found, events = threads.get(number), threads.events(number)
    show_one(found, events, as_json=as_json)


@app.command("diff", cls=Command)
def diff(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Print what a pull request changes, as git writes it.

    Examples:
      tholos pulls diff me/tree 3
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).discussions.diff(number)
    if as_json:
        print_json(found.raw)
    else:
        print(found.text, end="")


@app.command("merge", cls=Command)
def merge(
    ctx: typer.Context,
    name: Name,
    number: Number,
    kind: Kind = "model",
    message: Words = "",
    as_json: AsJson = False,
) -> None:
    """Bring a pull request into its branch.

    Examples:
      tholos pulls merge me/tree 3
    """
    with connect(ctx) as client:
        merged = handle(client, kind, name).discussions.merge(number, message)
    if as_json:
        print_json(merged.raw)
    else:
        commit = merged.proposal.merge_commit if merged.proposal else None
        say(f"#{number} is {merged.status} as {short(commit)}.")


@app.command("close", cls=Command)
def close(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", message: Words = "") -> None:
    """Close a pull request without merging it.

    Examples:
      tholos pulls close me/tree 3 -m "Not now."
    """
    with connect(ctx) as client:
        say(f"#{number} is {handle(client, kind, name).discussions.close(number, message).status}.")


@app.command("ready", cls=Command)
def ready(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", message: Words = "") -> None:
    """Open a draft, or a pull request that was closed.

    Examples:
      tholos pulls ready ada/tree 3
    """
    with connect(ctx) as client:
        say(f"#{number} is {handle(client, kind, name).discussions.reopen(number, message).status}.")
