"""A plain folder of models and data sets: what each thing in it would become. Nothing is opened but names."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tholos.sdk.errors import InvalidInput
from tholos.sdk.references import Kind

MAX_DEPTH = 8
MAX_THINGS = 10_000
_MODEL_FILES = frozenset({".skops", ".onnx", ".gguf"})
_DATA_FILES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
_PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth"})
_MODEL_MARKS = ("MLmodel", "model.json")
_WEIGHTS = frozenset({".safetensors", ".bin"})


@dataclass(frozen=True, slots=True)
class Planned:
    """Something that can be imported: a file, or a folder that belongs together."""

    path: Path
    kind: Kind
    name: str
    """The repo's name, without a namespace."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folder holds."""

    things: tuple[Planned, ...]
    skipped: tuple[tuple[Path, str], ...]
    """What is left out, and why."""


def is_model(folder: Path) -> bool:
    """Whether a folder as a whole is one model."""
    names = {item.name for item in folder.iterdir() if item.is_file()}
    if any(mark in names for mark in _MODEL_MARKS):
        return True
    if "config.json" in names and any(Path(name).suffix in _WEIGHTS for name in names):
        return True
    return sum(Path(name).suffix.lower() in _MODEL_FILES for name in names) == 1 and not any(
        Path(name).suffix.lower() in _DATA_FILES for name in names
    )


def plan(root: Path) -> Plan:
    """Everything below a folder that can be imported, in the order of paths. Links are not followed.

    Raises InvalidInput where there is nothing, or two things would get the same name.
    """
    if not root.is_dir():
        raise InvalidInput(f"There is no folder {str(root)!r}.", next="Check the path.")
    things: list[Planned] = []
    skipped: list[tuple[Path, str]] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not (here / name).is_symlink())
        if here != root and is_model(here):
            things.append(Planned(here, "model", _name(root, here)))
            folders.clear()
            continue
        if len(here.relative_to(root).parts) >= MAX_DEPTH:
            skipped.extend((here / name, "too deep") for name in folders)
            folders.clear()
        things.extend(_files(root, here, sorted(names), skipped))
        if len(things) > MAX_THINGS:
            raise InvalidInput(f"There are more than {MAX_THINGS:,} things to import.", next="Name a folder below it.")
    _require_names(things)
    return Plan(tuple(things), tuple(skipped))


def _files(root: Path, folder: Path, names: list[str], skipped: list[tuple[Path, str]]) -> list[Planned]:
    found: list[Planned] = []
    parts = _parts(folder, names) if folder != root else None
    if parts is not None:
        return [Planned(folder, "dataset", _name(root, folder))]
    for name in names:
        path, suffix = folder / name, Path(name).suffix.lower()
        if path.is_symlink():
            skipped.append((path, "a link"))
        elif suffix in _MODEL_FILES:
            found.append(Planned(path, "model", _name(root, path.with_suffix(""))))
        elif suffix in _DATA_FILES:
            found.append(Planned(path, "dataset", _name(root, path.with_suffix(""))))
        elif suffix in _PICKLES:
            skipped.append((path, "a pickle: save it as skops or ONNX"))
        elif not name.startswith("."):
            skipped.append((path, "of no known format"))
    return found


def _parts(folder: Path, names: list[str]) -> str | None:
    """The ending of files that are parts of one table: several, whose names differ in digits only."""
    shown = [name for name in names if not name.startswith(".") and not (folder / name).is_symlink()]
    shapes = Counter(re.sub(r"[0-9a-f]{8,}|\d+", "#", name) for name in shown)
    if len(shapes) != 1 or len(shown) < 2:
        return None
    suffix = Path(shown[0]).suffix.lower()
    return suffix if suffix in _DATA_FILES else None


def _name(root: Path, path: Path) -> str:
    words = "-".join(path.relative_to(root).parts)
    return re.sub(r"-{2,}|\.{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "-", words)).strip("-._")[:96] or "unnamed"


def _require_names(things: list[Planned]) -> None:
    taken: dict[tuple[str, str], Path] = {}
    for thing in things:
        key = (thing.kind, thing.name.lower())
        if key in taken:
            raise InvalidInput(
                f"{str(taken[key])!r} and {str(thing.path)!r} would both become the {thing.kind} {thing.name!r}.",
                next="Rename one of them.",
            )
        taken[key] = thing.path
