"""``tholos lineage``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from tholos.cli.connection import connect
from tholos.cli.output import AsJson, print_json, say


def lineage(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(help="model:ns/name or dataset:ns/name, also with @revision.")],
    depth: Annotated[int | None, typer.Option(min=1, max=20, help="How many jobs to follow each way.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what something was made from, and what was made from it.

    A name without a kind is a model's.

    Examples:
      tholos lineage me/penguins
      tholos lineage dataset:me/penguins@main --depth 2 --json
    """
    with connect(ctx) as client:
        graph = client.lineage(subject, depth=depth)
    if as_json:
        print_json(graph.raw)
        return
    labels = {node["urn"]: _label(node) for node in graph.nodes}
    print(labels.get(graph.root, graph.root))
    _print_branch("made from", graph.root, graph.edges, labels, near="to", far="from")
    _print_branch("led to", graph.root, graph.edges, labels, near="from", far="to")
    if graph.truncated:
        say("There is more; ask with a larger --depth.")


def _label(node: Mapping[str, Any]) -> str:
    return str(node.get("label") or node["kind"])


def _print_branch(
    title: str, root: str, edges: Sequence[Mapping[str, Any]], labels: Mapping[str, str], *, near: str, far: str
) -> None:
    lines: list[str] = []
    seen = {root}

    def descend(urn: str, depth: int) -> None:
        for edge in edges:
            other = edge[far]
            if edge[near] == urn:
                again = " (see above)" if other in seen else ""
                lines.append(f"{'  ' * depth}{labels.get(other, other)}  [{edge['kind']}]{again}")
                if other not in seen:
                    seen.add(other)
                    descend(other, depth + 1)

    descend(root, 2)
    if lines:
        print(f"  {title}")
        print("\n".join(lines))
