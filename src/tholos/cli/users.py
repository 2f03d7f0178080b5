"""``tholos users``."""

from __future__ import annotations

from typing import Annotated

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.output import AsJson, age, print_json, print_table, say
from tholos.cli.usage import account_usage, set_quota

app = group("List and create users (administrators).")
app.command("usage", cls=Command)(account_usage)
app.command("quota", cls=Command)(set_quota)


@app.command("list", cls=Command)
def list_users(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List every user.

    Examples:
      tholos users list
    """
    with connect(ctx) as client:
        users = client.users.list()
    if as_json:
        print_json([user.raw for user in users])
        return
    rows = [[user.name, user.is_admin, user.state, age(user.created_at)] for user in users]
    print_table(["name", "administrator", "state", "created"], rows, empty="No users.")


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The user's name, and their namespace.")],
    admin: Annotated[bool, typer.Option("--admin", help="Make them an administrator.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a user and print the secret of their first key, this once.

    Examples:
      tholos users create ada
    """
    with connect(ctx) as client:
        user = client.users.create(name, is_admin=admin)
    if as_json:
        print_json(user.raw)
    else:
        print(user.secret)
        say(f"User {user.name}. The key is shown this once: hand it over safely.")


@app.command("update", cls=Command)
def update(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The user.")],
    disable: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether they may sign in.")] = None,
    admin: Annotated[bool | None, typer.Option("--admin/--no-admin", help="Whether they administer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Disable, enable, promote or demote a user.

    Examples:
      tholos users update ada --disable
      tholos users update ada --admin
    """
    with connect(ctx) as client:
        user = client.users.update(name, disabled=disable, is_admin=admin)
    if as_json:
        print_json(user.raw)
    else:
        say(f"{user.name} is {user.state}{', an administrator' if user.is_admin else ''}.")
