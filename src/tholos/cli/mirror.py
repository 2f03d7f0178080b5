"""``tholos mirror``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name
from tholos.cli.output import AsJson, Detach, age, print_fields, print_json, print_table, say, short, size_text
from tholos.cli.waiting import finish

app = group("Follow repos of another hub: pull, sync, list, detach.")
Revisions = Annotated[
    list[str] | None, typer.Option("--revision", help="Fetch the large files of this revision; may be repeated.")
]
AllHistory = Annotated[bool, typer.Option("--all-history", help="Fetch the large files of every revision.")]
NoContent = Annotated[bool, typer.Option("--no-content", help="Fetch large files only when somebody asks for them.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete branches and tags that are gone upstream.")]


@app.command("pull", cls=Command)
def pull(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="NS/NAME", help="The repo's name upstream.")],
    url: Annotated[str, typer.Option("--from", help="Base URL of the other hub [default: the server's own].")] = "",
    kind: Kind = "model",
    to: Annotated[str, typer.Option(help="Its name here [default: the same].")] = "",
    revision: Revisions = None,
    all_history: AllHistory = False,
    no_content: NoContent = False,
    prune: Prune = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Make a repo here follow a repo of another hub, with its history and large files.

    Examples:
      tholos mirror pull openai-community/gpt2 --from https://huggingface.co
      tholos mirror pull lab/rows --kind dataset --no-content
    """
    with connect(ctx) as client:
        job = client.mirrors.start(
            source,
            url=url,
            kind=kind,
            to=to,
            revisions=revision or [],
            content=not no_content,
            all_history=all_history,
            prune=prune,
        )
        finish(job, _show_result, detach=detach, as_json=as_json)


@app.command("sync", cls=Command)
def sync(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The mirror; without it, all of them.")] = None,
    kind: Kind = "model",
    revision: Revisions = None,
    all_history: AllHistory = False,
    no_content: NoContent = False,
    prune: Prune = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Bring a mirror level with its upstream, or all mirrors.

    Examples:
      tholos mirror sync openai-community/gpt2
      tholos mirror sync --detach
    """
    with connect(ctx) as client:
        names: list[tuple[Any, str]] = [(kind, name)] if name else []
        if name is None:
            names = [(each.kind, each.name) for each in client.mirrors.list()]
        for its_kind, its_name in names:
            job = client.mirrors.sync(
                its_name,
                kind=its_kind,
                revisions=revision or [],
                content=not no_content,
                all_history=all_history,
                prune=prune,
            )
            finish(job, _show_result, detach=detach, as_json=as_json)


@app.command("list", cls=Command)
def list_mirrors(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List mirrors.

    Examples:
      tholos mirror list
    """
    with connect(ctx) as client:
        found = client.mirrors.list()
    if as_json:
        print_json([mirror.raw for mirror in found])
        return
    rows = [
        [
            each.name,
            each.kind,
            f"{each.url}/{each.source}",
            age(each.checked_at) if each.checked_at else "never",
            size_text(each.waiting_bytes),
            each.error,
        ]
        for each in found
    ]
    print_table(["name", "kind", "follows", "checked", "not fetched", "error"], rows, empty="No mirrors.")


@app.command("status", cls=Command)
def status(ctx: typer.Context, name: Name, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show a mirror: how far it is, and which branches and tags do not follow.

    Examples:
      tholos mirror status openai-community/gpt2
    """
    with connect(ctx) as client:
        mirror = client.mirrors.get(name, kind=kind)
    if as_json:
        print_json(mirror.raw)
        return
    print_fields(
        {
            "name": mirror.name,
            "follows": f"{mirror.url}/{mirror.source}",
            "checked": age(mirror.checked_at) if mirror.checked_at else "never",
            "error": mirror.error or None,
            "not fetched": f"{mirror.waiting_files} files, {size_text(mirror.waiting_bytes)}",
        }
    )
    print()
    rows = [[ref.name, short(ref.commit), ref.note] for ref in mirror.refs]
    print_table(["ref", "commit", "note"], rows, empty="No branches or tags.")


@app.command("detach", cls=Command)
def detach_mirror(ctx: typer.Context, name: Name, kind: Kind = "model") -> None:
    """Let a mirror be a repo of its own. Large files that were never fetched stay missing.

    Examples:
      tholos mirror detach openai-community/gpt2
    """
    with connect(ctx) as client:
        client.mirrors.detach(name, kind=kind)
    say(f"{name} follows nothing any more.")


def _show_result(result: Mapping[str, Any]) -> None:
    print_fields(
        {
            "moved": ", ".join(result["refs"]) or "nothing",
            "deleted": ", ".join(result["deleted"]) or None,
            "left alone": "; ".join(f"{name}: {note}" for name, note in result["notes"].items()) or None,
            "fetched": f"{result['files']} files, {size_text(result['bytes'])}",
        }
    )
