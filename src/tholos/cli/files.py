"""``tholos push`` and ``tholos pull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tholos.cli.connection import connect
from tholos.cli.output import AsJson, print_json, say, short, transfer_bar

if TYPE_CHECKING:
    from tholos.sdk import Client
    from tholos.sdk._sync.repos import RepoHandle
    from tholos.sdk.local_files import LocalFile
    from tholos.sdk.results import Revision

Kind = Annotated[Literal["model", "dataset", "algorithm"], typer.Option(help="The repo's kind.")]
Name = Annotated[str, typer.Argument(help="namespace/name; a name alone is in your own namespace.")]
Pinned = Annotated[str, typer.Argument(help="namespace/name or namespace/name@revision.")]
Message = Annotated[str, typer.Option("--message", "-m", help="What the commit says.")]
Into = Annotated[str, typer.Option(help="Folder in the repo (ending in /), or the new path of a single file.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only files that match, such as '*.csv'; repeatable.")]

PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".sav", ".pt", ".pth"})
"""Names under which tools write pickles; the server's list, which the light client does not have."""
_PICKLE_HEADS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
"""How pickles of the protocols 2 to 5 begin."""


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
        repo = handle(client, kind, name)
        if kind == "model":
            _warn_of_pickles(path, into, only)
        revision = push_to(
            repo,
            path,
            into=into,
            message=message,
            branch=branch,
            only=only,
            mirror=mirror,
            races=races,
            quiet=as_json,
        )
        if as_json:
            print_json(revision.raw)
        else:
            show_revision(repo, revision)


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


def handle(client: Client, kind: Literal["model", "dataset", "algorithm"], name: str) -> RepoHandle:
    """The repo of that kind and name."""
    return client.repo(kind, name)


def push_to(
    repo: RepoHandle,
    path: Path,
    *,
    into: str,
    message: str,
    branch: str,
    only: list[str] | None,
    mirror: bool,
    races: int,
    quiet: bool,
) -> Revision:
    """Pushes, with a progress bar unless ``quiet``, and returns the revision."""
    with transfer_bar("Uploading", quiet=quiet) as told:
        return repo.push(
            path, into, message=message, branch=branch, files=only, mirror=mirror, races=races, progress=told
        )


def show_revision(repo: RepoHandle, revision: Revision) -> None:
    """Prints the revision that a push made."""
    print(revision.id, flush=True)
    say(f"{repo.name()} is at {short(revision.id)}: {revision.message}")


def pull_from(repo: RepoHandle, folder: Path | None, *, only: list[str] | None, as_json: bool) -> None:
    """Pulls with a progress bar and prints the folder."""
    target = folder or Path(repo.name().rpartition("/")[2])
    with transfer_bar("Downloading", quiet=as_json) as told:
        written = repo.pull(target, files=only, progress=told)
    if as_json:
        print_json({"folder": str(written)})
    else:
        print(written)


def _warn_of_pickles(path: Path, into: str, only: list[str] | None) -> None:
    """Says which of the files to push are pickles, before the time for uploading them is spent."""
    from tholos.sdk.local_files import files_below, selected

    chosen = [file for file in files_below(path, into=into) if selected(file.path, only)]
    pickles = [file.path for file in chosen if _is_pickle(file)]
    if not pickles:
        return
    names = ", ".join(pickles[:3]) + (f" and {len(pickles) - 3} more" if len(pickles) > 3 else "")
    them, are = ("it", "is a pickle, which is") if len(pickles) == 1 else ("them", "are pickles, which are")
    say(f"warning: {names} {are} stored, but a deployment will refuse {them}: a pickle can run any code.")
    say("  → What serves is skops (`skops.io.dump`) or ONNX: push the model in one of these.")


def _is_pickle(file: LocalFile) -> bool:
    if Path(file.path).suffix.lower() in PICKLE_SUFFIXES:
        return True
    with file.source.open("rb") as opened:
        return opened.read(2) in _PICKLE_HEADS
