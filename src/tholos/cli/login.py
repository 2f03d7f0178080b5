"""``tholos login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tholos.cli.connection import Connection, connect
from tholos.cli.output import AsJson, print_fields, print_json, say


def login(
    ctx: typer.Context,
    token: Annotated[
        str | None, typer.Option(help="The API key; `-` reads it from stdin. Asked for if absent.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The server's URL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign in to a server and remember its URL and your key for later calls.

    The key is checked first, then kept in ~/.config/tholos/login.json, readable by you alone. The administrator's first
    key was printed by `tholos up`; others are made with `tholos keys create`.

    Examples:
      tholos login
      tholos login --url https://tholos.example --token tholos_abc…
      cat key.txt | tholos login --token -
    """
    from tholos.sdk import Client
    from tholos.sdk.credentials import Server, find_server, save_login

    given = ctx.find_object(Connection) or Connection(None, None)
    server = find_server(url or given.url)
    token = token or given.token
    if token == "-":  # noqa: S105 - the sign for stdin
        token = sys.stdin.readline()
    if token is None:
        token = typer.prompt(f"API key for {server.url}", hide_input=True, err=True)
    token = token.strip()
    with Client(server.url, token) as client:
        identity = client.whoami()
    path = save_login(Server(server.url, token))
    if as_json:
        print_json({"url": server.url, **identity.raw})
    else:
        say(f"Signed in to {server.url} as {identity.name}. Saved in {path}.")


def logout() -> None:
    """Forget the saved login; the key itself stays valid until it is revoked.

    Examples:
      tholos logout
    """
    from tholos.sdk.credentials import forget_login

    say("Signed out." if forget_login() else "There was no saved login.")


def whoami(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show who you are, on which server, and what your key may do.

    Examples:
      tholos whoami
      tholos whoami --json
    """
    with connect(ctx) as client:
        identity = client.whoami()
        if as_json:
            print_json({"url": client.url, **identity.raw})
        else:
            print_fields(
                {
                    "name": identity.name,
                    "server": client.url,
                    "administrator": identity.is_admin,
                    "scopes": identity.scopes,
                    "reaches": "everything" if identity.limits is None else identity.limits,
                    "organizations": [f"{each.name} ({each.role})" for each in identity.organizations],
                }
            )
