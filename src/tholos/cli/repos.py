"""``tholos repos``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tholos.cli import collaborators
from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name, Pinned, handle
from tholos.cli.history import delete_files, lfs_files, squash
from tholos.cli.output import AsJson, Yes, age, print_fields, print_json, print_table, say, short, size_text
from tholos.cli.usage import repo_usage

app = group("List, create, share and delete models, datasets and algorithms.")
app.add_typer(collaborators.app, name="collaborators")
app.command("usage", cls=Command)(repo_usage)
app.command("lfs-files", cls=Command)(lfs_files)
app.command("delete-files", cls=Command)(delete_files)
app.command("squash", cls=Command)(squash)
Visibility = Annotated[Literal["private", "public"], typer.Option(help="Who may read it.")]


@app.command("list", cls=Command)
def list_repos(
    ctx: typer.Context,
    kind: Annotated[Literal["model", "dataset", "algorithm"] | None, typer.Option(help="Only this kind.")] = None,
    search: Annotated[str | None, typer.Option(help="Only names or descriptions that hold this.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the repos you may see, newest first.

    Examples:
      tholos repos list
      tholos repos list --kind model --search penguin
    """
    with connect(ctx) as client:
        if kind == "algorithm":
            repos = list(client.algorithms.repos(search=search, owner=owner, limit=limit))
        else:
            source = {None: client.repos, "model": client.models, "dataset": client.datasets}[kind]
            repos = source.list(search=search, owner=owner, limit=limit)
    if as_json:
        print_json([repo.raw for repo in repos])
        return
    rows = [[repo.name, repo.kind, repo.visibility, short(repo.head), age(repo.updated_at)] for repo in repos]
    print_table(
        ["name", "kind", "visibility", "head", "updated"],
        rows,
        empty="No repos.\n  → Get a dataset with `tholos data import penguins`.",
    )


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    visibility: Visibility = "private",
    description: Annotated[str, typer.Option(help="One sentence about it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create an empty repo.

    Examples:
      tholos repos create me/tree
      tholos repos create me/birds --kind dataset --visibility public
    """
    with connect(ctx) as client:
        repo = client.repos.create(kind, name, visibility=visibility, description=description)
    if as_json:
        print_json(repo.raw)
    else:
        print(repo.name)


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Pinned, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show a repo: its state, files and latest revisions.

    Examples:
      tholos repos show me/tree
      tholos repos show me/birds --kind dataset --json
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name)
        info = repo.info()
        files = repo.files() if info.head else []
        revisions = repo.revisions(limit=10) if info.head else []
    if as_json:
        print_json(
            {"repo": info.raw, "files": [entry.raw for entry in files], "revisions": [item.raw for item in revisions]}
        )
        return
    print_fields(
        {
            "name": info.name,
            "kind": info.kind,
            "visibility": info.visibility,
            "gated": info.gated or "no",
            "description": info.description,
            "head": info.head,
            "tags": info.tags,
        }
    )
    if info.head:
        print()
        print_table(["file", "size"], [[entry.path, size_text(entry.size)] for entry in files], empty="No files.")
        print()
        rows = [[short(item.id), item.message.splitlines()[0], age(item.created_at)] for item in revisions]
        print_table(["revision", "message", "when"], rows, empty="No revisions.")


@app.command("update", cls=Command)
def update(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    visibility: Annotated[Literal["private", "public"] | None, typer.Option(help="Who may read it.")] = None,
    description: Annotated[str | None, typer.Option(help="One sentence about it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a repo's visibility or description.

    Examples:
      tholos repos update me/tree --visibility public
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name).update(visibility=visibility, description=description)
    if as_json:
        print_json(repo.raw)
    else:
        say(f"{repo.name} is {repo.visibility}.")


@app.command("move", cls=Command)
def move(
    ctx: typer.Context,
    name: Name,
    to: Annotated[str, typer.Argument(help="The new name: namespace/name; a name alone is in your own namespace.")],
    kind: Kind = "model",
    as_json: AsJson = False,
) -> None:
    """Give a repo another name, or another owner; the old name leads to it.

    Examples:
      tholos repos move me/tree me/oak
      tholos repos move me/birds acme/birds --kind dataset
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name).move(to)
    if as_json:
        print_json(repo.raw)
    else:
        say(f"The {repo.kind} is called {repo.name} now.")


@app.command("gate", cls=Command)
def gate(
    ctx: typer.Context,
    name: Name,
    mode: Annotated[Literal["auto", "manual", "off"], typer.Argument(help="Who lets readers in.")],
    kind: Kind = "model",
    as_json: AsJson = False,
) -> None:
    """Set who may download a repo's files: whoever asks (auto), whom you accept (manual), whoever sees it (off).

    Examples:
      tholos repos gate me/tree manual
      tholos repos gate me/birds off --kind dataset
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name).update(gated=False if mode == "off" else mode)
    if as_json:
        print_json(repo.raw)
    else:
        say(f"{repo.name} is {f'gated ({mode})' if repo.gated else 'not gated'}.")


@app.command("licence", cls=Command)
def licence(ctx: typer.Context, name: Pinned, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show a repo's licence, and whether it fits those of what it was made from.

    Examples:
      tholos repos licence me/tree
      tholos repos licence me/birds --kind dataset --json
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).licence()
    if as_json:
        print_json(found.raw)
        return
    print(", ".join(found.licences) or "No licence is named in the card.")
    for finding in found.findings:
        print(f"{finding.level}: {finding.message}{f' ({finding.source})' if finding.source else ''}")


@app.command("delete", cls=Command)
def delete(ctx: typer.Context, name: Name, kind: Kind = "model", yes: Yes = False) -> None:
    """Delete a repo with all its revisions.

    Examples:
      tholos repos delete me/tree
      tholos repos delete me/birds --kind dataset --yes
    """
    with connect(ctx) as client:
        repo = handle(client, kind, name)
        full = repo.name()
        if not yes:
            typer.confirm(f"Delete {kind} {full} with all its revisions?", abort=True, err=True)
        repo.delete()
    say(f"Deleted {full}.")
