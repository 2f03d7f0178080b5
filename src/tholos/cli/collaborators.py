"""``tholos repos collaborators``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name, handle
from tholos.cli.output import AsJson, age, print_json, print_table, say

app = group("Say who works on a repo besides its owner.")
User = Annotated[str, typer.Argument(help="The user's name.")]


@app.command("list", cls=Command)
def list_collaborators(ctx: typer.Context, name: Name, kind: Kind = "model", as_json: AsJson = False) -> None:
    """List a repo's collaborators with their roles.

    Examples:
      tholos repos collaborators list me/tree
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).collaborators.list()
    if as_json:
        print_json([each.raw for each in found])
        return
    rows = [[each.name, each.role, age(each.since)] for each in found]
    print_table(["name", "role", "since"], rows, empty="No collaborators.")


@app.command("add", cls=Command)
def add(
    ctx: typer.Context,
    name: Name,
    user: User,
    role: Annotated[
        Literal["reader", "writer", "admin"], typer.Option(help="What they may do; an admin also shares and deletes.")
    ] = "reader",
    kind: Kind = "model",
    as_json: AsJson = False,
) -> None:
    """Give a user a role in a repo, or another one.

    Examples:
      tholos repos collaborators add me/tree ada --role writer
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).collaborators.set(user, role)
    if as_json:
        print_json(found.raw)
    else:
        say(f"{found.name} is {found.role} of {name}.")


@app.command("remove", cls=Command)
def remove(ctx: typer.Context, name: Name, user: User, kind: Kind = "model") -> None:
    """Take a user's role in a repo back; you may always give up your own.

    Examples:
      tholos repos collaborators remove me/tree ada
    """
    with connect(ctx) as client:
        handle(client, kind, name).collaborators.remove(user)
    say(f"{user} has no role in {name} any more.")
