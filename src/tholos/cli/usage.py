"""What is stored and may be: ``tholos users usage``, ``tholos users quota``, ``tholos repos usage``."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name, handle
from tholos.cli.output import AsJson, print_fields, print_json, print_table, say, size_text

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def account_usage(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The account; by default your own.")] = None,
    total: Annotated[bool, typer.Option("--total", help="Of the whole server (administrators).")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how much an account stores, how much it may, and its largest repos.

    Examples:
      tholos users usage
      tholos users usage ada --json
      tholos users usage --total
    """
    with connect(ctx) as client:
        if total:
            found: Any = client.usage()
        else:
            found = client.users.usage(name or client.whoami().name)
    if as_json:
        print_json(found.raw)
        return
    fields = {"logical": size_text(found.logical_bytes), "stored": size_text(found.stored_bytes)}
    if total:
        print_fields(fields)
        return
    most = [size_text(found.max_bytes) if found.max_bytes else "no limit", found.max_repos or "no limit"]
    print_fields({"account": found.account, **fields, "quota": most[0], "repos": found.repos, "repo quota": most[1]})
    print()
    rows = [[it.name, it.kind, size_text(it.logical_bytes), size_text(it.stored_bytes)] for it in found.largest]
    print_table(["repo", "kind", "logical", "stored"], rows, empty="No repos.")


def set_quota(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The account.")],
    size: Annotated[
        str | None, typer.Option("--bytes", help="Bytes it may store, such as 50GB; 0 is without limit.")
    ] = None,
    repos: Annotated[int | None, typer.Option(min=0, help="Repos it may have; 0 is without limit.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set what an account may store (administrators); what is left out is as the server's settings say.

    Examples:
      tholos users quota ada --bytes 50GB --repos 100
      tholos users quota ada
    """
    max_bytes = None if size is None else _bytes(size)
    with connect(ctx) as client:
        found = client.users.set_quota(name, max_bytes=max_bytes, max_repos=repos)
    if as_json:
        print_json(found.raw)
        return
    most = size_text(found.max_bytes) if found.max_bytes else "any number of bytes"
    say(f"{found.account} may store {most} in {found.max_repos or 'any number of'} repos.")


def repo_usage(ctx: typer.Context, name: Name, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show how much a repo stores, in all its revisions.

    Examples:
      tholos repos usage me/tree
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).usage()
    if as_json:
        print_json(found.raw)
        return
    print_fields(
        {"name": found.name, "logical": size_text(found.logical_bytes), "stored": size_text(found.stored_bytes)}
    )


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no size; write 500MB, 50GB or 1.5TiB.")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** _POWERS[match[2].lower()])
