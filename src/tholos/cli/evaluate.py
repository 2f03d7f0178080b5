"""``tholos evaluate``, ``compare`` and ``evaluations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Pinned
from tholos.cli.output import AsJson, Detach, age, print_fields, print_json, print_table, say, short
from tholos.cli.waiting import finish

if TYPE_CHECKING:
    from tholos.sdk import Evaluation
    from tholos.sdk.results import ComparedMetric

app = group("Look at what evaluations measured.")
EvaluationId = Annotated[str, typer.Argument(help="The evaluation's id.")]


def evaluate(
    ctx: typer.Context,
    name: Pinned,
    dataset: Annotated[str, typer.Argument(help="The dataset: namespace/name or namespace/name@revision.")],
    split: Annotated[str | None, typer.Option(help="The part to measure on; by default test.")] = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model on a dataset as it would be served, with confidence intervals.

    Examples:
      tholos evaluate me/penguins me/penguins
      tholos evaluate me/penguins@v1 me/penguins --split validation
    """
    with connect(ctx) as client:
        job = client.model(name).evaluate(dataset, split=split)
        finish(
            job,
            lambda result: _show(client.evaluations.get(result["evaluation"])),
            detach=detach,
            as_json=as_json,
        )


def compare(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(help="namespace/name or namespace/name@revision.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    as_json: AsJson = False,
) -> None:
    """Set two model revisions side by side, on the data that both were measured on.

    Examples:
      tholos compare me/forest me/tree
      tholos compare me/penguins@v1 me/penguins@main --json
    """
    with connect(ctx) as client:
        found = client.evaluations.compare(a, b)
    if as_json:
        print_json(found.raw)
        return
    rows = [
        [metric.title or metric.name, metric.a.get("value"), metric.b.get("value"), metric.difference, _verdict(metric)]
        for metric in found.metrics
    ]
    where = f"on {found.dataset} {found.split or ''}, {found.rows} rows" if found.same_data else "on different data"
    say(f"a: {a}\nb: {b}\n{where}")
    print_table(["metric", "a", "b", "b - a", "better"], rows, empty="Nothing that both measured.")
    for note in found.notes:
        say(note)


@app.command("list", cls=Command)
def list_evaluations(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Option(help="Only of this model (also with @revision).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List evaluations, newest first.

    Examples:
      tholos evaluations list
      tholos evaluations list --model me/penguins
    """
    with connect(ctx) as client:
        found = client.evaluations.list(model=model, limit=limit)
    if as_json:
        print_json([item.raw for item in found])
        return
    rows = [
        [item.id, item.model, short(item.revision), item.dataset, item.split, age(item.created_at)] for item in found
    ]
    print_table(
        ["id", "model", "revision", "dataset", "split", "when"],
        rows,
        empty="No evaluations.\n  → Make one with `tholos evaluate MODEL DATASET`.",
    )


@app.command("show", cls=Command)
def show(ctx: typer.Context, evaluation_id: EvaluationId, as_json: AsJson = False) -> None:
    """Show what one evaluation measured.

    Examples:
      tholos evaluations show eval_01jd…
    """
    with connect(ctx) as client:
        found = client.evaluations.get(evaluation_id)
    if as_json:
        print_json(found.raw)
    else:
        _show(found)


@app.command("predictions", cls=Command)
def predictions(
    ctx: typer.Context,
    evaluation_id: EvaluationId,
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
) -> None:
    """Save what the model answered for every row, as Parquet.

    Examples:
      tholos evaluations predictions eval_01jd… answers.parquet
    """
    with connect(ctx) as client:
        file.write_bytes(client.evaluations.predictions(evaluation_id))
    print(file)


def _show(found: Evaluation) -> None:
    print_fields(
        {
            "id": found.id,
            "model": f"{found.model}@{short(found.revision)}",
            "dataset": f"{found.dataset}@{short(found.dataset_revision)}" if found.dataset else None,
            "split": found.split,
            "rows": found.rows,
            "hardware": found.hardware,
            "plots": found.plots,
        }
    )
    print()
    rows = [
        [metric.title or name, metric.value, _interval(metric.low, metric.high), metric.unit, metric.reason]
        for name, metric in found.metrics.items()
    ]
    print_table(["metric", "value", "95 % interval", "unit", "note"], rows, empty="No metrics.")
    for note in found.notes:
        say(note)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4g} … {high:.4g}"


def _verdict(metric: ComparedMetric) -> str:
    if metric.winner is None:
        return ""
    return metric.winner if metric.significant else f"{metric.winner} (may be chance)"
