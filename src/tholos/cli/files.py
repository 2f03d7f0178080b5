"""``tholos push`` and ``tholos pull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tholos.cli.connection import connect
from tholos.cli.output import AsJson, print_json, say, short, transfer_bar

if TYPE_CHECKING:
    from tholos.sdk import Client, Dataset, Model

Kind = Annotated[Literal["model", "dataset"], typer.Option(help="The repo's kind.")]
Name = Annotated[str, typer.Argument(help="namespace/name; a name alone is in your own namespace.")]
Pinned = Annotated[str, typer.Argument(help="namespace/name or namespace/name@revision.")]
Message = Annotated[str, typer.Option("--message", "-m", help="What the commit says.")]
Into = Annotated[str, typer.Option(help="Folder in the repo (ending in /), or the new path of a single file.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only files that match, such as '*.csv'; repeatable.")]


def push(
    ctx: typer.Context,
    name: Name,
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    kind: Kind = "model",
    into: Into = "",
    message: Message = "",
    branch: Annotated[str, typer.Option(help="The branch to commit to.")] = "main",
    only: Only = None,
    mirror: Annotated[bool, typer.Option("--mirror", help="Also delete in the repo what is not here.")] = False,
    races: Annotated[int, typer.Option(min=0, help="How often to try again when another commit lands first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Commit a file or folder to a repo, which is created (private) if absent.

    Content that the branch has already is not sent again; the commit is atomic.

    Examples:
      tholos push me/tree model.onnx
      tholos push me/tree ./export --mirror -m "Second try"
      tholos push me/birds ./photos --kind dataset --into photos/
    """
    with connect(ctx) as client:
        push_to(
            handle(client, kind, name),
            path,
            into=into,
            message=message,
            branch=branch,
            only=only,
            mirror=mirror,
            races=races,
            as_json=as_json,
        )


def pull(
    ctx: typer.Context,
    name: Pinned,
    folder: Annotated[
        Path | None, typer.Argument(help="Where to write; by default a folder of the repo's name.")
    ] = None,
    kind: Kind = "model",
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Download a repo's files, verified; interrupted downloads are taken up again.

    Files there already with the same content are left alone; nothing is deleted.

    Examples:
      tholos pull me/tree
      tholos pull me/tree@v1 ./tree --only '*.onnx'
      tholos pull me/birds --kind dataset
    """
    with connect(ctx) as client:
        pull_from(handle(client, kind, name), folder, only=only, as_json=as_json)


def handle(client: Client, kind: Literal["model", "dataset"], name: str) -> Model | Dataset:
    """The repo of that kind and name."""
    return client.model(name) if kind == "model" else client.dataset(name)


def push_to(
    repo: Model | Dataset,
    path: Path,
    *,
    into: str,
    message: str,
    branch: str,
    only: list[str] | None,
    mirror: bool,
    races: int,
    as_json: bool,
) -> None:
    """Pushes with a progress bar and prints the revision."""
    with transfer_bar("Uploading", quiet=as_json) as told:
        revision = repo.push(
            path, into, message=message, branch=branch, files=only, mirror=mirror, races=races, progress=told
        )
    if as_json:
        print_json(revision.raw)
    else:
        print(revision.id)
        say(f"{repo.name()} is at {short(revision.id)}: {revision.message}")


def pull_from(repo: Model | Dataset, folder: Path | None, *, only: list[str] | None, as_json: bool) -> None:
    """Pulls with a progress bar and prints the folder."""
    target = folder or Path(repo.name().rpartition("/")[2])
    with transfer_bar("Downloading", quiet=as_json) as told:
        written = repo.pull(target, files=only, progress=told)
    if as_json:
        print_json({"folder": str(written)})
    else:
        print(written)
