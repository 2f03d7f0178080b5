"""``tholos algorithms``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tholos.cli.app import Command
from tholos.cli.connection import connect
from tholos.cli.failures import fail
from tholos.cli.output import AsJson, age, print_fields, print_json, print_table, say, short

_README = """---
license: apache-2.0
---
# {title}

Train with it: `tholos train DATASET --target COLUMN --algorithm NAMESPACE/{name}`
"""
_DESCRIPTION = """# What this algorithm is: see docs/algorithms.md.
title: {title}
summary: Each class is its mean; a row belongs to the class whose mean is nearest.
tasks: [tabular-classification]
entry: train.py:fit
scale: true  # numeric columns have mean 0 and deviation 1
parameters:
  shrink:
    type: number
    minimum: 0
    maximum: 1
    default: 0.1
    description: How far the means of the classes move towards the mean of all rows.
"""
_TRAIN = '''"""Nearest centroid, as the linear classifier that it is."""

import numpy as np
from sklearn.linear_model import LogisticRegression


def fit(data, params, seed, progress):
    """Return a fitted scikit-learn estimator for data.X (rows, prepared) and data.y (classes 0, 1, …)."""
    classes = np.unique(data.y)
    middle = data.X.mean(axis=0)
    means = []
    for done, label in enumerate(classes, start=1):
        mean = data.X[data.y == label].mean(axis=0)
        means.append(mean + params["shrink"] * (middle - mean))
        progress(done / len(classes), f"class {{done}} of {{len(classes)}}")
    means = np.stack(means)
    # The squared distance to a mean m is |x|² - 2 x·m + |m|²: the nearest has the largest x·m - |m|²/2.
    coefficients, intercepts = means, -0.5 * (means**2).sum(axis=1)
    if len(classes) == 2:
        coefficients, intercepts = coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = classes, coefficients, intercepts
    model.n_features_in_, model.n_iter_ = data.X.shape[1], np.array([1], dtype=np.int32)
    return model
'''
_TEST = '''"""Run with pytest."""

from types import SimpleNamespace

import numpy as np
from train import fit


def test_three_groups_are_told_apart():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 50)
    X = rng.normal(size=(150, 2)) + 10 * y[:, None]
    model = fit(SimpleNamespace(X=X, y=y, task="tabular-classification"), {{"shrink": 0.0}}, 0, lambda *_: None)
    assert (model.predict(X) == y).all()
'''


class _Group(TyperGroup):
    """A name that is no command is an algorithm's to show: ``tholos algorithms svm``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the base, with ``show`` put before what is no command."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


app = typer.Typer(
    cls=_Group,
    help="List, show and start algorithms: what can be trained.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def algorithms(
    ctx: typer.Context,
    task: Annotated[str | None, typer.Option(help="Only those for this task, such as tabular-regression.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what can be trained: the catalogue; show one, list or start those of repos.

    Examples:
      tholos algorithms
      tholos algorithms --task text-classification --json
      tholos algorithms show random_forest
      tholos algorithms repos
    """
    if ctx.invoked_subcommand is not None:
        return
    with connect(ctx) as client:
        found = client.algorithms.list(task=task)
    if as_json:
        print_json([item.raw for item in found])
        return
    rows = [[item.name, item.title, ", ".join(item.tasks)] for item in found]
    print_table(["algorithm", "title", "tasks"], rows, empty="No algorithm does that task.")
    say("auto tries a portfolio of them; `tholos algorithms show NAME` has the parameters.")
    say("`tholos algorithms repos` lists those that accounts share.")


@app.command("show", cls=Command)
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name of the catalogue, or namespace/name[@revision] of a repo.")],
    as_json: AsJson = False,
) -> None:
    """Show an algorithm: what it does, and its hyper-parameters with bounds and meanings.

    Examples:
      tholos algorithms show random_forest
      tholos algorithms show ada/centroid@v1
    """
    with connect(ctx) as client:
        if "/" in name:
            item = client.algorithm(name).description()
        else:
            found = [entry for entry in client.algorithms.list() if entry.name == name]
            if not found:
                fail(f"There is no algorithm {name!r}.", "`tholos algorithms` lists all.")
            item = found[0]
    if as_json:
        print_json(item.raw if item.repo else [item.raw])
        return
    told = {"name": item.name, "title": item.title, "tasks": item.tasks, "summary": item.summary}
    print_fields({**told, "revision": item.revision, "entry": item.entry} if item.repo else told)
    print()
    rows = [[each["name"], each["type"], each["default"], _bounds(each), each["doc"]] for each in item.parameters]
    print_table(["parameter", "type", "default", "allowed", "meaning"], rows, empty="It has no parameters.")


@app.command("repos", cls=Command)
def repos(
    ctx: typer.Context,
    search: Annotated[str | None, typer.Option(help="Only names or descriptions that hold this.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the algorithm repos you may see, newest first.

    Examples:
      tholos algorithms repos
      tholos algorithms repos --owner ada
    """
    with connect(ctx) as client:
        found = client.algorithms.repos(search=search, owner=owner, limit=limit)
    if as_json:
        print_json([repo.raw for repo in found])
        return
    rows = [[repo.name, repo.visibility, short(repo.head), age(repo.updated_at)] for repo in found]
    empty = "No algorithm repos.\n  → Start one with `tholos algorithms init FOLDER`."
    print_table(["name", "visibility", "head", "updated"], rows, empty=empty)


@app.command("init", cls=Command)
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must be empty or absent.")],
) -> None:
    """Write a small algorithm that works, with a test: a start for one of your own.

    Examples:
      tholos algorithms init ./centroid
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fail(f"{folder} is there already and not empty.", "Name a folder that does not exist yet.")
    folder.mkdir(parents=True, exist_ok=True)
    name = folder.resolve().name
    title = " ".join(name.replace("-", " ").replace("_", " ").split()).capitalize() or "Nearest centroid"
    words = {"name": name, "title": json_text(title)}
    written = {"algorithm.yaml": _DESCRIPTION, "train.py": _TRAIN, "test_train.py": _TEST}
    for file, text in written.items():
        (folder / file).write_text(text.format(**words), encoding="utf-8")
    (folder / "README.md").write_text(_README.format(name=name, title=title), encoding="utf-8")
    print(folder)
    say(f"  → Share it with `tholos push {name} {folder} --kind algorithm`, and train with")
    say(f"    `tholos train DATASET --target COLUMN --algorithm NAMESPACE/{name}`.")


def json_text(text: str) -> str:
    """Text as a YAML scalar that cannot be taken for anything else."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _bounds(parameter: Mapping[str, Any]) -> str:
    if parameter.get("choices"):
        return ", ".join(parameter["choices"])
    if parameter.get("minimum") is not None:
        return f"{parameter['minimum']:g} … {parameter['maximum']:g}"
    return ""
