"""The card of a trained model: README.md with Hugging Face's metadata names. Figures are never written into it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tholos.hub.cards import Card
from tholos.runtimes.model import ModelDescription
from tholos.tasks.fields import Field
from tholos.tasks.task import task
from tholos.training.algorithm import Algorithm
from tholos.training.catalogue import algorithm, catalogue

BEGIN = "<!-- tholos: begin. This part is written by training; the rest of the page is yours. -->"
END = "<!-- tholos: end -->"

_MAX_LABELS = 20
_ALGORITHM = "algorithm:"
"""Before the name of an algorithm repo, as a tag."""


def model_card(
    name: str, model: ModelDescription, notes: tuple[str, ...], present: Card, entry: Algorithm | None = None
) -> str:
    """The card's text, metadata first.

    `name` is `namespace/name`; `present` is the card that the repo has: what its owner wrote is kept, only the metadata
    that training knows and the part between the two marks change. `entry` is the algorithm, by default the catalogue's.
    """
    import yaml

    metadata = yaml.safe_dump(_metadata(model, present.metadata), allow_unicode=True, sort_keys=False, width=10_000)
    part = _part(name, model, notes, entry or algorithm(model.algorithm.name))
    return f"---\n{metadata}---\n{_body(part, present.body, name)}"


def _metadata(model: ModelDescription, present: Mapping[str, Any]) -> dict[str, Any]:
    tags = present.get("tags")
    ours = {"tholos", *catalogue()}
    kept = [tag for tag in tags if tag not in ours and not _names_repo(tag)] if isinstance(tags, list) else []
    repo = model.algorithm.name.partition("@")[0]
    found = {
        **present,
        "pipeline_tag": model.task,
        "library_name": "sklearn",
        "tags": ["tholos", f"{_ALGORITHM}{repo}" if "/" in repo else repo, *kept],
    }
    if model.training.data.repo:
        found["datasets"] = [model.training.data.repo]
    return found


def _names_repo(tag: Any) -> bool:
    return isinstance(tag, str) and tag.startswith(_ALGORITHM)


def _body(part: str, present: str, name: str) -> str:
    before, begin, rest = present.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return f"{before}{part}{after}"
    if present.strip():
        return present  # written by hand: it is its owner's
    return f"\n# {name.rpartition('/')[2]}\n\n{part}\n"


def _part(name: str, model: ModelDescription, notes: tuple[str, ...], entry: Algorithm) -> str:
    signature = model.signature
    data = model.training.data
    source = f" on [{data.repo}](/datasets/{data.repo})" if data.repo else ""
    title = _plain(entry.title)
    lines = [
        BEGIN,
        f"{task(model.task).title} of {_code(signature.output.name)} by {title.lower()}, trained{source}.",
        "",
        "## Input",
        "",
        "| name | type | |",
        "|---|---|---|",
        *(f"| {_code(item.name)} | {item.dtype} | {_remark(item)} |" for item in signature.inputs),
        "",
        f"The answer is {_answer(model)}",
        "",
        "## Use",
        "",
        *_fenced("python", _usage(name, model)),
        "",
        "## Training",
        "",
        f"- {title}: {_plain(entry.summary)}",
        *_origin(model.algorithm.name),
        f"- Hyper-parameters: {_code(json.dumps(model.algorithm.params))}",
        f"- Rows: {data.rows}" + (f", split {_code(data.split)}" if data.split else ""),
        *([f"- Data revision: {_code(data.revision)}"] if data.revision else []),
        *([f"- Reference: {_plain(entry.citation)}"] if entry.citation else []),
        *(f"- Note: {_plain(note)}" for note in notes),
        "",
        "Measurements are kept with the revision that they were taken of and are shown beside this card.",
        END,
    ]
    return "\n".join(lines)


def _origin(name: str) -> list[str]:
    """Where the code of an algorithm repo is, down to its commit."""
    repo, _, commit = name.partition("@")
    return [f"- Code: [{repo}](/algorithms/{repo}/tree/{commit}), revision {_code(commit)}"] if commit else []


def _remark(item: Field) -> str:
    remarks = []
    if item.shape:
        remarks.append("x".join(map(str, item.shape)) + " (height, width, channels)")
    if item.categories:
        more = len(item.categories) - _MAX_LABELS
        shown = ", ".join(_code(category) for category in item.categories[:_MAX_LABELS])
        remarks.append(f"{shown} and {more} more" if more > 0 else shown)
    if item.minimum is not None and item.maximum is not None:
        remarks.append(f"seen from {item.minimum:g} to {item.maximum:g}")
    if item.missing:
        remarks.append("may be null")
    return "; ".join(remarks)


def _answer(model: ModelDescription) -> str:
    labels = model.signature.output.labels
    if labels is None:
        return "a number."
    shown = ", ".join(_code(str(label)) for label in labels[:_MAX_LABELS])
    more = len(labels) - _MAX_LABELS
    return f"one of {shown}" + (f" and {more} more." if more > 0 else ".")


def _usage(name: str, model: ModelDescription) -> str:
    lines = ["from tholos.sdk import Model", "", f"model = Model({name!r})"]
    if model.task == "image-classification":
        lines = ["from pathlib import Path", *lines, 'model.set_input(Path("image.png").read_bytes())']
    else:
        lines.append(f"model.set_input({model.signature.example!r})")
    return "\n".join([*lines, "print(model.predict())"])


def _fenced(language: str, text: str) -> list[str]:
    """A code block whose fence is longer than any run of backticks inside."""
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}{language}", text, fence]


def _code(text: str) -> str:
    """Text as inline code that neither ends early nor breaks a table."""
    flat = " ".join(text.replace("|", "¦").split()) or " "
    ticks = "`"
    while ticks in flat:
        ticks += "`"
    return f"{ticks} {flat} {ticks}" if "`" in flat else f"{ticks}{flat}{ticks}"


def _plain(text: str) -> str:
    """A sentence on one line, with nothing that Markdown or HTML would take for more."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in r"\`*_[]<>#|" else letter for letter in flat)
