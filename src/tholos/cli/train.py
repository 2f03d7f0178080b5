"""``tholos train``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tholos.cli.connection import connect
from tholos.cli.failures import USAGE, fail
from tholos.cli.files import Pinned
from tholos.cli.output import AsJson, Detach, print_fields, print_table, say
from tholos.cli.waiting import finish

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def train(
    ctx: typer.Context,
    dataset: Pinned,
    name: Annotated[str | None, typer.Option(help="The model to make; by default called like the dataset.")] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="The column to predict.")] = None,
    algorithm: Annotated[
        str, typer.Option("--algorithm", "-a", help="One of `tholos algorithms`, ns/name@rev, or auto.")
    ] = "auto",
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A hyper-parameter; repeatable.", metavar="NAME=VALUE")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="A column to use; repeatable. By default all others.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="How long auto may try: 60s, 5m, 1h.")] = None,
    split: Annotated[
        str | None, typer.Option(help="The part to train on; by default train, if there is a split.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="The task; by default told from the target.")] = None,
    validation: Annotated[float | None, typer.Option(min=0, max=1, help="Share of the rows held out to score.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Score by so many folds instead.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on a dataset and commit it, preprocessing included.

    Examples:
      tholos train me/penguins --target species
      tholos train me/penguins -t species -a random_forest -p trees=200 --name me/forest
      tholos train me/penguins -t species --algorithm auto --budget 60s
      tholos train me/penguins -t species --algorithm ada/centroid@v1 -p shrink=0.2
    """
    params = dict(_param(text) for text in param or [])
    with connect(ctx) as client:
        job = client.train(
            dataset,
            name,
            algorithm=algorithm,
            target=target,
            features=feature,
            params=params,
            split=split,
            task=task,
            budget_s=_seconds(budget) if budget else None,
            validation=validation,
            folds=folds,
            seed=seed,
        )
        finish(job, _show, detach=detach, as_json=as_json)


def _param(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        fail(f"{text!r} is not a parameter and its value.", "Write it like max_depth=5.", USAGE)
    try:
        return name, json.loads(value)
    except ValueError:  # a word needs no quotes
        return name, value


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        fail(f"{text!r} is not a duration.", "Write it like 60s, 5m or 1h.", USAGE)
    return float(match[1]) * _SECONDS[match[2]]


def _show(result: Mapping[str, Any]) -> None:
    print_fields({key: value for key, value in result.items() if key not in ("leaderboard", "params", "validation")})
    print_fields({f"param {key}": value for key, value in result["params"].items()})
    print_fields({f"validation {key}": value for key, value in result["validation"].items()})
    if board := result["leaderboard"]:
        print()
        print_table(list(board[0]), [list(line.values()) for line in board], empty="")
    say(f"  → Serve it with `tholos deploy {result['model']}`, or first `tholos compile {result['model']}`.")
