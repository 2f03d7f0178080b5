"""Large files and histories: ``tholos repos lfs-files``, ``tholos repos delete-files``, ``tholos repos squash``."""

from __future__ import annotations

from typing import Annotated

import typer

from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name, handle
from tholos.cli.output import AsJson, Yes, age, print_json, print_table, say, short, size_text


def lfs_files(ctx: typer.Context, name: Name, kind: Kind = "model", as_json: AsJson = False) -> None:
    """List the large files of all revisions of a repo.

    Examples:
      tholos repos lfs-files me/tree
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).lfs_files()
    if as_json:
        print_json([item.raw for item in found])
        return
    rows = [[item.path, size_text(item.size), item.ref or "", age(item.pushed_at), item.sha256] for item in found]
    print_table(["file", "size", "in the head of", "pushed", "sha256"], rows, empty="No large files.")


def delete_files(
    ctx: typer.Context,
    name: Name,
    sha256: Annotated[list[str], typer.Argument(help="SHA-256 of each file, as `lfs-files` lists it.")],
    kind: Kind = "model",
    rewrite: Annotated[
        bool, typer.Option("--rewrite/--keep-history", help="Lead branches and tags to revisions without the files.")
    ] = True,
    yes: Yes = False,
) -> None:
    """Delete large files for good, from every revision. This cannot be undone.

    Examples:
      tholos repos delete-files me/tree 3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name)
        if not yes:
            typer.confirm(f"Delete {len(sha256)} files of {repo.name()} for good?", abort=True, err=True)
        count = repo.delete_lfs_files(sha256, rewrite=rewrite)
    say(f"Deleted {count} of {len(sha256)}.")


def squash(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    branch: Annotated[str, typer.Option(help="The branch.")] = "main",
    message: Annotated[str, typer.Option("--message", "-m", help="What the revision says.")] = "Squash the history",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make the head of a branch its only revision; the others stay, addressed by their ids alone.

    Examples:
      tholos repos squash me/tree -m "First release"
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name)
        if not yes:
            typer.confirm(f"Squash the history of {branch} in {repo.name()}?", abort=True, err=True)
        revision = repo.squash(branch, message=message)
    if as_json:
        print_json(revision.raw)
    else:
        say(f"{branch} is {short(revision.id)}.")
