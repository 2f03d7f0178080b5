"""``tholos search`` and ``tholos reindex``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tholos.cli.connection import connect
from tholos.cli.output import AsJson, age, print_json, print_table, say

Sort = Literal["trending", "downloads", "likes", "updated", "created"]
_FACETS_SHOWN = 5


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="Words; a repo must have all of them.")] = "",
    kind: Annotated[Literal["model", "dataset"] | None, typer.Option(help="Only this kind.")] = None,
    task: Annotated[str | None, typer.Option(help="Only for this task.")] = None,
    library: Annotated[str | None, typer.Option(help="Only models of this library.")] = None,
    licence: Annotated[str | None, typer.Option("--license", help="Only under this licence.")] = None,
    language: Annotated[str | None, typer.Option(help="Only of this language, such as en.")] = None,
    size: Annotated[str | None, typer.Option(help="Only of this size, such as 1B-10B.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; may be repeated.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    sort: Annotated[Sort, typer.Option(help="What comes first.")] = "trending",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Find models and datasets by words, filters and use.

    Examples:
      tholos search penguins
      tholos search "sentence embeddings" --kind model --license mit --sort downloads
      tholos search --task text-generation --json
    """
    with connect(ctx) as client:
        found = client.search(
            text,
            kind=kind,
            owner=owner,
            tags=tag or (),
            task=task,
            library=library,
            license=licence,
            language=language,
            size=size,
            sort=sort,
            limit=limit,
        )
    if as_json:
        print_json(found.raw)
        return
    for wrong, meant in found.corrections.items():
        say(f'Nothing has "{wrong}"; searched for {" or ".join(meant)}.')
    rows = [
        [hit.name, hit.kind, hit.task or "", hit.library or "", hit.downloads, hit.likes, age(hit.updated_at)]
        for hit in found.items
    ]
    header = ["name", "kind", "task", "library", "downloads", "likes", "updated"]
    print_table(header, rows, empty="Nothing found.\n  → Use fewer words or filters.")
    say(f"{'About ' if found.estimated else ''}{found.total} in all.")
    for name, values in found.facets.items():
        if len(values) > 1:
            say(f"  {name}: {', '.join(f'{one.value} ({one.count})' for one in values[:_FACETS_SHOWN])}")


def reindex(ctx: typer.Context) -> None:
    """Have the server read every repo anew for its search index, in the background (administrators).

    Examples:
      tholos reindex
    """
    with connect(ctx) as client:
        count = client.search.rebuild()
    say(f"{count} repos are being read anew; searches go on meanwhile.")
