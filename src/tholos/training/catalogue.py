"""The algorithms that can be trained. A file in `training/algorithms` with `ALGORITHMS` is all it takes to add one."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from tholos.tasks.signature import TaskId
from tholos.training import algorithms as families
from tholos.training.algorithm import Algorithm
from tholos.training.errors import UnknownAlgorithm, WrongTask

AUTO = "auto"
"""The name that asks for a search over the catalogue instead of one algorithm."""


@cache
def catalogue() -> Mapping[str, Algorithm]:
    """Every algorithm by name. Cheap: the files import their libraries only when they build an estimator.

    Raises:
        ValueError: two files claim one name, or a default breaks its own bounds (found by the tests).

    """
    entries: dict[str, Algorithm] = {}
    for module in sorted(item.name for item in pkgutil.iter_modules(families.__path__)):
        for entry in importlib.import_module(f"{families.__name__}.{module}").ALGORITHMS:
            if entry.name in entries or entry.name == AUTO:
                raise ValueError(f"The algorithm {entry.name!r} is defined twice.")
            entries[entry.name] = entry
    return entries


def algorithm(name: str, task: TaskId | None = None) -> Algorithm:
    """The algorithm of this name.

    Raises:
        UnknownAlgorithm: there is none; the error names the nearest.
        WrongTask: it does not solve `task`; the error names those that do.

    """
    entries = catalogue()
    found = entries.get(name)
    if found is None:
        near = difflib.get_close_matches(name, [*entries, AUTO], n=2, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UnknownAlgorithm(
            f"There is no algorithm {name!r:.80}.",
            next=f"{hint}`tholos algorithms` lists them: {', '.join(entries)}, {AUTO}.",
            near=near,
        )
    return found if task is None else suited(found, task)


def suited(entry: Algorithm, task: TaskId) -> Algorithm:
    """The algorithm, which solves this task.

    Raises:
        WrongTask: it does not; the error names those of the catalogue that do.

    """
    if task not in entry.tasks:
        names = [item.name for item in for_task(task)]
        raise WrongTask(
            f"{entry.title} does not do {task}.",
            next=f"Algorithms for {task}: {', '.join(names)}, {AUTO}.",
            suited=names,
        )
    return entry


def for_task(task: TaskId) -> list[Algorithm]:
    """The algorithms that solve a task, in the order in which `auto` tries them."""
    return sorted(
        (item for item in catalogue().values() if task in item.tasks), key=lambda item: (item.rank, item.name)
    )
