"""``tholos import`` and ``tholos models``: models made elsewhere, and whole folders of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.failures import FAILED, USAGE, fail, say_error
from tholos.cli.files import Pinned
from tholos.cli.output import AsJson, Detach, age, print_fields, print_json, print_table, say, short, transfer_bar
from tholos.cli.waiting import finish, watch

if TYPE_CHECKING:
    from tholos.sdk import Client, Job
    from tholos.sdk.results import Description
    from tholos.sdk.shared_folders import Plan, Planned

app = group("Look at models, describe and correct them.")

TaskName = Literal[
    "tabular-classification", "tabular-regression", "text-classification", "image-classification", "text-generation"
]
Task = Annotated[TaskName | None, typer.Option(help="What it does, where its files do not say or mislead.")]
Labels = Annotated[str, typer.Option("--label-names", help="Its classes in the order of its outputs: a,b,c.")]
Inputs = Annotated[str, typer.Option("--input-names", help="Its inputs in its own order: a,b,c.")]
Output = Annotated[str, typer.Option("--output-name", help="What it predicts.")]
Data = Annotated[str, typer.Option("--data", help="The dataset it learned from; compiling compares on its rows.")]


def import_things(
    ctx: typer.Context,
    path: Annotated[
        str, typer.Argument(help="An MLflow folder, .onnx, .skops or .gguf file, transformers folder; or many.")
    ],
    name: Annotated[str | None, typer.Argument(help="The model to make; by default called like the file.")] = None,
    task: Task = None,
    label_names: Labels = "",
    input_names: Inputs = "",
    output_name: Output = "",
    data: Data = "",
    namespace: Annotated[str, typer.Option(help="Where to, for a folder of many things; by default yours.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be made.")] = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Make a model that was made elsewhere deployable, or bring in a whole folder of models and data sets.

    Task, inputs and classes are read from the files where they say them, and marked as guessed where they do not;
    `tholos models describe` shows which. mlflow:STORE#model/version names a registered model of an MLflow store that
    lies on this machine. A folder of many things can be imported again: what has not changed is left alone.

    Examples:
      tholos import model.onnx me/iris --label-names setosa,versicolor,virginica
      tholos import ./mlflow-model me/churn
      tholos import mlflow:./mlruns#churn/3
      tholos import /mnt/models --dry-run
    """
    from tholos.sdk._sync.models import default_name
    from tholos.sdk.mlflow_registry import PREFIX
    from tholos.sdk.shared_folders import is_model, plan

    place = Path(path).expanduser()
    one = path.startswith(PREFIX) or not place.is_dir() or is_model(place)
    labels, inputs = _words(label_names), _words(input_names)
    if not one and any((name, data, output_name, task, labels, inputs)):
        fail("Names and corrections are for one model, and this is a folder of many things.", "Import one.", USAGE)
    if one and dry_run:
        print(f"model\t{name or default_name(path, place)}\t{path}")
        return
    if not one:
        found = plan(place)
        if dry_run:
            _show_plan(found, as_json=as_json)
            return
        with connect(ctx) as client:
            _import_all(client, found, namespace, as_json=as_json)
        return
    with connect(ctx) as client:
        with transfer_bar("Uploading", quiet=as_json) as told:
            job = client.models.import_(
                path,
                name,
                task=task,
                label_names=labels,
                input_names=inputs,
                output_name=output_name,
                data=data,
                progress=told,
            )
        _finish(client, job, detach=detach, as_json=as_json)


@app.command("describe", cls=Command)
def describe(ctx: typer.Context, name: Pinned, as_json: AsJson = False) -> None:
    """Show what a model is: format, task, inputs, classes, runtime; and of each whether it was read or guessed.

    Examples:
      tholos models describe me/iris
      tholos models describe me/iris@v1 --json
    """
    with connect(ctx) as client:
        found = client.model(name).describe()
    if as_json:
        print_json(found.raw)
        return
    show_description(found)


@app.command("correct", cls=Command)
def correct(
    ctx: typer.Context,
    name: Pinned,
    task: Task = None,
    label_names: Labels = "",
    input_names: Inputs = "",
    output_name: Output = "",
    data: Data = "",
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Commit a description of a model that was pushed, with what you say about it; it is then deployable.

    What was said earlier stays, unless it is said anew.

    Examples:
      tholos models correct me/iris --label-names setosa,versicolor,virginica
      tholos models correct me/iris --input-names length,width --output-name species
      tholos models correct me/iris --data me/iris-data
    """
    with connect(ctx) as client:
        job = client.model(name).import_(
            task=task,
            label_names=_words(label_names),
            input_names=_words(input_names),
            output_name=output_name,
            data=data,
        )
        _finish(client, job, detach=detach, as_json=as_json)


@app.command("list", cls=Command)
def list_models(
    ctx: typer.Context,
    search: Annotated[str | None, typer.Option(help="Only names or descriptions that hold this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the models you may see, newest first.

    Examples:
      tholos models list
      tholos models list --search iris --json
    """
    with connect(ctx) as client:
        repos = client.models.list(search=search, limit=limit)
    if as_json:
        print_json([repo.raw for repo in repos])
        return
    rows = [[repo.name, repo.card.get("pipeline_tag"), repo.visibility, age(repo.updated_at)] for repo in repos]
    empty = "No models.\n  → Train one with `tholos train`, or bring one in with `tholos import`."
    print_table(["name", "task", "visibility", "updated"], rows, empty=empty)


def show_description(found: Description) -> None:
    """Prints what a model is, guesses marked, and the next step."""
    if found.state == "none":
        say("There is no model of a known format in it.\n  → Push an ONNX or skops file, or an MLflow folder.")
        return
    print_fields({"model": found.model, "revision": short(found.revision), "deployable": found.deployable})
    rows = [[fact.name, fact.value, fact.how, fact.note] for fact in found.facts]
    if rows:
        print_table(["fact", "value", "how", "note"], rows, empty="")
    else:
        print_fields({"format": found.format, "task": found.task, "runtime": found.runtime})
    if found.obstacle is not None:
        say_error(found.obstacle.message, found.obstacle.next)
    elif found.lacks is not None:
        say_error(found.lacks.message, found.lacks.next)
    elif found.importable:
        say(f"  → Make it deployable: tholos models correct {found.model}")
    elif found.guessed:
        say(f"  → Guessed: {', '.join(found.guessed)}. Correct with `tholos models correct {found.model} …`.")


def _finish(client: Client, job: Job, *, detach: bool, as_json: bool) -> None:
    def show(result: Mapping[str, Any]) -> None:
        print(result["revision"], flush=True)
        show_description(client.model(f"{result['model']}@{result['revision']}").describe())
        if result["deployable"] and not result.get("lacks"):
            say(f"  → Serve it: tholos deploy {result['model']}")

    finish(job, show, detach=detach, as_json=as_json)


def _show_plan(found: Plan, *, as_json: bool) -> None:
    if as_json:
        things = [{"path": str(item.path), "kind": item.kind, "name": item.name} for item in found.things]
        print_json({"things": things, "skipped": [{"path": str(path), "why": why} for path, why in found.skipped]})
        return
    print_table(
        ["kind", "name", "path"],
        [[item.kind, item.name, str(item.path)] for item in found.things],
        empty="There is nothing in it that can be imported.",
    )
    for path, why in found.skipped:
        say(f"left out: {path} ({why})")


def _import_all(client: Client, found: Plan, namespace: str, *, as_json: bool) -> None:
    """One after the other; what fails is told and does not stop the rest."""
    from tholos.sdk.errors import JobFailed, ServerUnreachable, TholosError

    told: list[dict[str, Any]] = []
    for thing in found.things:
        name = f"{namespace}/{thing.name}" if namespace else client.full_name(thing.name)
        line: dict[str, Any] = {"path": str(thing.path), "kind": thing.kind, "name": name, "error": None}
        try:
            line["state"] = _import_one(client, thing, name)
        except ServerUnreachable:
            raise
        except (TholosError, JobFailed) as error:
            line |= {"state": "failed", "error": error.message}
        told.append(line)
        if not as_json:
            say(f"{line['state']}: {thing.kind} {name}" + (f" ({line['error']})" if line["error"] else ""))
    if as_json:
        print_json(told)
    failed = sum(line["state"] == "failed" for line in told)
    if failed:
        fail(f"{failed} of {len(told)} could not be imported.", "Correct them, and run the same command again.", FAILED)


def _import_one(client: Client, thing: Planned, name: str) -> str:
    """What became of it. Run again, it takes up where it was left."""
    repo = client.model(name) if thing.kind == "model" else client.dataset(name)
    from tholos.sdk.errors import NotFound

    try:
        before = repo.resolve().id
    except NotFound:
        before = None
    after = repo.push(thing.path, message=f"Import {thing.path.name}").id
    if thing.kind == "dataset":
        return "unchanged" if after == before else "imported"
    model = client.model(name)
    found = model.describe()
    if found.deployable and after == before:
        return "unchanged"
    if found.obstacle is not None or found.state == "none":
        return "pushed, not deployable"
    if found.importable or not found.deployable:
        watch(model.import_(), quiet=True)
    return "imported"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text.strip() else ()
