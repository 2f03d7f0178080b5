"""``tholos data``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.failures import INTERRUPTED, USAGE, WORK_FAILED, fail, say_error
from tholos.cli.files import Into, Message, Name, Only, Pinned, pull_from, push_to, show_revision
from tholos.cli.output import AsJson, Detach, age, print_fields, print_json, print_table, say, short
from tholos.cli.waiting import finish

if TYPE_CHECKING:
    from tholos.sdk import Dataset
    from tholos.sdk.results import Profile, Revision
    from tholos.sdk.sql import OnRows

READING_S = 120.0
"""How long a push waits for the server to read the data."""

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
    source: Annotated[
        str, typer.Argument(help="One that `tholos data sources` lists, such as penguins; or a database's URL.")
    ],
    name: Annotated[str | None, typer.Argument(help="The dataset to make; by default called like the source.")] = None,
    query: Annotated[str, typer.Option(help="Of a database: the rows to take, as SQL.")] = "",
    table: Annotated[str, typer.Option(help="Of a database: a whole table (or schema.table).")] = "",
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that a query may take; 0: no limit.")] = 0,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Make a dataset from a real data set that an installed package carries, or from a database by query.

    A query runs on this machine, read only, with `pip install 'tholos[sql]'`: any database that SQLAlchemy has a driver
    for, a DuckDB file (duckdb:///file), or Parquet and CSV files by name (duckdb:). env:NAME takes the URL from the
    environment. Query and URL are recorded with the rows, without password; `tholos data refresh` repeats it.

    Examples:
      tholos data import penguins
      tholos data import diamonds me/gems --detach
      tholos data import postgresql://me@db.example/shop me/sales --query "select * from sales where year = 2026"
      tholos data import env:SHOP_URL me/customers --table public.customers
      tholos data import duckdb: me/events --query "select * from 'events/*.parquet'"
    """
    from tholos.sdk.sql import is_database

    if is_database(source):
        _import_query(ctx, source, name, query, table, timeout, as_json=as_json)
        return
    if query or table:
        fail(f"{source!r} is not a database's URL.", "Write it as postgresql://user@host/name.", USAGE)
    with connect(ctx) as client:
        job = client.datasets.import_(source, name)
        finish(job, _show_result, detach=detach, as_json=as_json)


@app.command("refresh", cls=Command)
def refresh(
    ctx: typer.Context,
    name: Name,
    url: Annotated[
        str | None, typer.Option("--source", help="The database's URL, where the recorded one is not enough.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that the query may take; 0: no limit.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run the recorded query of a dataset again, on this machine, and commit what it answers now.

    Passwords are not recorded: give the URL with --source (env:NAME takes it from the environment), or leave the
    password to the database's own configuration.

    Examples:
      tholos data refresh me/sales
      tholos data refresh me/sales --source env:SHOP_URL
    """
    with connect(ctx) as client:
        dataset = client.dataset(name)
        before = dataset.resolve().id
        revision = dataset.refresh(url, timeout=timeout, progress=_rows_told(quiet=as_json))
        if as_json:
            print_json(revision.raw)
        elif revision.id == before:
            print(revision.id)
            say(f"{dataset.name()} is as it was: the query answers with the same rows.")
        else:
            show_revision(dataset, revision)


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
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until the data has been read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Commit data to a dataset, which is created (private) if absent, and say what the server read in it.

    With --json, what was read is the commit's "profile". Data that cannot be read is kept and ends with exit code 6.

    Examples:
      tholos data push me/penguins penguins.csv
      tholos data push me/birds ./photos --mirror
      tholos data push me/sales sales.parquet --no-wait
    """
    with connect(ctx) as client:
        dataset = client.dataset(name)
        revision = push_to(
            dataset,
            path,
            into=into,
            message=message,
            branch=branch,
            only=only,
            mirror=mirror,
            races=races,
            quiet=as_json,
        )
        if not as_json:
            show_revision(dataset, revision)
        if not no_wait:
            _wait_for_reading(client.dataset(dataset.name(), revision=revision.id), revision, as_json=as_json)
        elif as_json:
            print_json(revision.raw)


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


def _import_query(
    ctx: typer.Context, url: str, name: str | None, query: str, table: str, timeout: float, *, as_json: bool
) -> None:
    with connect(ctx) as client:
        told = _rows_told(quiet=as_json)
        revision = client.datasets.import_query(url, query, name, table=table, timeout=timeout, progress=told)
        dataset = client.dataset(name or table.rpartition(".")[2])
        if not as_json:
            show_revision(dataset, revision)
        _wait_for_reading(client.dataset(dataset.name(), revision=revision.id), revision, as_json=as_json)


def _rows_told(*, quiet: bool) -> OnRows | None:
    return None if quiet else lambda rows: say(f"{rows:,} rows")


def _wait_for_reading(dataset: Dataset, revision: Revision, *, as_json: bool) -> None:
    """Waits until the pushed data has been read and says what is in it.

    The commit stands however the reading ends, so its JSON is printed in every case.
    """
    from tholos.sdk.errors import WaitTimedOut

    look = f"Look with `tholos data profile {dataset.name()}@{short(revision.id)}`"
    found: Profile | None = None
    if not as_json:
        say("Reading the data …")
    try:
        found = dataset.profile(timeout=READING_S)
    except WaitTimedOut:
        message = f"The data was kept, but it has not been read after {READING_S:g} seconds. The reading goes on."
        fail(message, f"{look}, or at its job with `tholos jobs list --kind data.view`.")
    except KeyboardInterrupt:
        say(f"\nThe data was kept; the reading goes on.\n  → {look}.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if as_json:
            print_json({**revision.raw, "profile": found.raw} if found else revision.raw)
    _say_reading(found)


def _say_reading(found: Profile) -> None:
    match found.state:
        case "ready":
            say(f"{found.rows} rows, {len(found.columns)} columns")
        case "empty":
            say("There are no data files in it.\n  → Push CSV, JSON Lines or Parquet, or a folder of images by class.")
        case _:
            error = found.error
            say_error(error.message if error else "The data cannot be read.", error.next if error else "")
            say("  → What was pushed was kept. Pushing a corrected file of the same name replaces it;")
            say("    `tholos data push NAME FOLDER --mirror` also deletes files that are not in the folder.")
            raise typer.Exit(WORK_FAILED)


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
