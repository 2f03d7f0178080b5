"""``tholos data``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.failures import USAGE, fail
from tholos.cli.files import Into, Message, Name, Only, Pinned, pull_from, push_to
from tholos.cli.output import AsJson, Detach, age, print_fields, print_json, print_table, say, short
from tholos.cli.waiting import finish

app = group("Import, push, split and look at datasets.")


@app.command("sources", cls=Command)
def sources(
    ctx: typer.Context,
    search: Annotated[str | None, typer.Argument(help="Only those whose name or title holds this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List real data sets that `tholos data import` can bring, offline.

    Examples:
      tholos data sources
      tholos data sources titanic
    """
    with connect(ctx) as client:
        found = client.datasets.sources(search=search, limit=limit)
    if as_json:
        print_json([source.raw for source in found])
        return
    rows = [[item.source, item.title, item.rows, item.columns, item.installed] for item in found]
    headings = ["source", "title", "rows", "columns", "installed"]
    print_table(headings, rows, empty="No such data set.\n  → Try another word.")


@app.command("import", cls=Command)
def import_data(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="A source that `tholos data sources` lists, such as penguins.")],
    name: Annotated[str | None, typer.Argument(help="The dataset to make; by default called like the source.")] = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Make a dataset from a real data set that an installed package carries.

    Examples:
      tholos data import penguins
      tholos data import diamonds me/gems --detach
    """
    with connect(ctx) as client:
        job = client.datasets.import_(source, name)
        finish(job, _show_result, detach=detach, as_json=as_json)


@app.command("push", cls=Command)
def push(
    ctx: typer.Context,
    name: Name,
    path: Annotated[Path, typer.Argument(help="A CSV, JSON Lines or Parquet file, or a folder (images by class).")],
    into: Into = "",
    message: Message = "",
    branch: Annotated[str, typer.Option(help="The branch to commit to.")] = "main",
    only: Only = None,
    mirror: Annotated[bool, typer.Option("--mirror", help="Also delete in the repo what is not here.")] = False,
    races: Annotated[int, typer.Option(min=0, help="How often to try again when another commit lands first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Commit data to a dataset, which is created (private) if absent.

    Examples:
      tholos data push me/penguins penguins.csv
      tholos data push me/birds ./photos --mirror
    """
    with connect(ctx) as client:
        push_to(
            client.dataset(name),
            path,
            into=into,
            message=message,
            branch=branch,
            only=only,
            mirror=mirror,
            races=races,
            as_json=as_json,
        )


@app.command("pull", cls=Command)
def pull(
    ctx: typer.Context,
    name: Pinned,
    folder: Annotated[Path | None, typer.Argument(help="Where to write; by default a folder of its name.")] = None,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Download a dataset's files, verified.

    Examples:
      tholos data pull me/penguins
      tholos data pull me/penguins@v1 ./data --only '*.csv'
    """
    with connect(ctx) as client:
        pull_from(client.dataset(name), folder, only=only, as_json=as_json)


@app.command("split", cls=Command)
def split(
    ctx: typer.Context,
    name: Pinned,
    part: Annotated[
        list[str] | None,
        typer.Option(help="A part and its share, such as train=0.8; repeatable.", metavar="NAME=SHARE"),
    ] = None,
    method: Annotated[
        Literal["random", "stratified", "grouped", "time"] | None,
        typer.Option(help="How rows are chosen; by default random, or stratified with --by."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="The column to stratify, group or order by.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    split_name: Annotated[str, typer.Option("--name", help="The split's name.")] = "default",
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Split a dataset's rows into parts, by default 80 % train and 20 % test, and commit the split.

    Examples:
      tholos data split me/penguins --by species
      tholos data split me/sales --method time --by day --part train=0.7 --part test=0.3
      tholos data split me/visits --method grouped --by patient --seed 7
    """
    ratios = dict(_share(text) for text in part) if part else None
    with connect(ctx) as client:
        job = client.dataset(name).split(
            ratios, method=method or ("stratified" if by else "random"), column=by, seed=seed, name=split_name
        )
        finish(job, _show_result, detach=detach, as_json=as_json)


@app.command("profile", cls=Command)
def profile(ctx: typer.Context, name: Pinned, as_json: AsJson = False) -> None:
    """Show what a dataset contains, column by column.

    Examples:
      tholos data profile me/penguins
      tholos data profile me/penguins@v1 --json
    """
    with connect(ctx) as client:
        found = client.dataset(name).profile()
    if as_json:
        print_json(found.raw)
        return
    if found.state != "ready":
        reason = found.error.message if found.error else "There is no data in it yet."
        fail(reason, found.error.next if found.error else f"Push some with `tholos data push {name} FILE`.")
    say(f"{found.rows} rows, {len(found.columns)} columns")
    rows = [
        [column.get("name"), column.get("type"), column.get("missing"), column.get("distinct"), _range(column)]
        for column in found.columns
    ]
    print_table(["column", "type", "missing", "distinct", "values"], rows, empty="No columns.")
    for split in found.splits:
        say(f"split {split.name}: " + ", ".join(f"{part} {count}" for part, count in split.counts.items()))


@app.command("show", cls=Command)
def show(
    ctx: typer.Context,
    name: Pinned,
    part: Annotated[str | None, typer.Option("--split", help="Only this part of the split, such as test.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="Rows to leave out.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show some of a dataset's rows.

    Examples:
      tholos data show me/penguins
      tholos data show me/penguins --split test --limit 100 --json
    """
    with connect(ctx) as client:
        found = client.dataset(name).rows(offset, limit, split=part)
    if as_json:
        print_json(found.raw)
        return
    names = [column.name for column in found.columns]
    print_table(names, [[row.get(name) for name in names] for row in found.rows], empty="No rows.")
    say(f"{len(found.rows)} of {found.total} rows")


@app.command("list", cls=Command)
def list_datasets(
    ctx: typer.Context,
    search: Annotated[str | None, typer.Option(help="Only names or descriptions that hold this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the datasets you may see, newest first.

    Examples:
      tholos data list
      tholos data list --search penguin --json
    """
    with connect(ctx) as client:
        repos = client.datasets.list(search=search, limit=limit)
    if as_json:
        print_json([repo.raw for repo in repos])
        return
    rows = [[repo.name, repo.visibility, short(repo.head), age(repo.updated_at)] for repo in repos]
    empty = "No datasets.\n  → Get one with `tholos data import penguins`, or push your own with `tholos data push`."
    print_table(["name", "visibility", "head", "updated"], rows, empty=empty)


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        return name, float(share)
    except ValueError:
        fail(f"{text!r} is not a part and its share.", "Write it like train=0.8.", USAGE)


def _range(column: Mapping[str, Any]) -> str:
    if column.get("minimum") is not None:
        return f"{column['minimum']} … {column['maximum']}"
    labels = [str(item.get("value", item)) if isinstance(item, dict) else str(item) for item in column.get("top", [])]
    return ", ".join(labels[:5]) + (" …" if len(labels) > 5 else "")


def _show_result(result: Mapping[str, Any]) -> None:
    print_fields(result)
