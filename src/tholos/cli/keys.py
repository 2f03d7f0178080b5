"""``tholos keys``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.output import AsJson, age, print_json, print_table, say

app = group("List, create and revoke API keys.")
_LONGEST_DAYS = 3650


class Scope(StrEnum):
    """What a key may be allowed; an enumeration because Typer takes no list of literals."""

    READ = "read"
    WRITE = "write"
    PREDICT = "predict"
    ADMIN = "admin"


def _checked_days(days: float | None) -> float | None:
    # Typer's own bounds are inclusive, and zero is not allowed.
    if days is not None and not 0 < days <= _LONGEST_DAYS:
        raise typer.BadParameter(
            f"{days:g} is not more than 0 and at most {_LONGEST_DAYS}. Leave it out for a key that never expires."
        )
    return days


@app.command("list", cls=Command)
def list_keys(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List your keys that were not revoked.

    Examples:
      tholos keys list
    """
    with connect(ctx) as client:
        keys = client.keys.list()
    if as_json:
        print_json([key.raw for key in keys])
        return
    rows = [
        [
            key.id,
            key.name,
            key.prefix,
            ", ".join(key.scopes),
            "everything" if key.limits is None else ", ".join(key.limits),
            key.expires_at or "never",
            age(key.created_at),
        ]
        for key in keys
    ]
    print_table(["id", "name", "begins with", "scopes", "reaches", "expires", "created"], rows, empty="No keys.")


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")] = "key",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="read, write, predict or admin; repeatable. By default the first three."),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            help=f"Days until it expires, more than 0 and at most {_LONGEST_DAYS}; by default never.",
            callback=_checked_days,
        ),
    ] = None,
    repo: Annotated[
        list[str] | None,
        typer.Option(
            help="All it may reach: namespace/name:read or :write, or with * for a whole namespace; repeatable. "
            "By default whatever you may."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for your own account and print its secret, this once.

    Examples:
      tholos keys create "web shop" --scope predict --days 90
      tholos keys create nightly --repo ada/penguins:read --repo 'acme/*:write'
    """
    with connect(ctx) as client:
        key = client.keys.create(
            name, scopes=scope or ("read", "write", "predict"), expires_in_days=days, limits=repo or ()
        )
    if as_json:
        print_json(key.raw)
    else:
        print(key.secret)
        say(f"Key {key.id}. It is shown this once: keep it now.")


@app.command("revoke", cls=Command)
def revoke(ctx: typer.Context, key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id.")]) -> None:
    """Revoke a key at once.

    Examples:
      tholos keys revoke key_01jd…
    """
    with connect(ctx) as client:
        client.keys.revoke(key_id)
    say(f"Revoked {key_id}.")
