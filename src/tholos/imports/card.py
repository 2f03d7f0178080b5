"""The card of an imported model: README.md with Hugging Face's metadata names; what its owner wrote stays."""

from __future__ import annotations

from typing import Any

from tholos.hub.cards import Card
from tholos.imports.report import Fact, Report
from tholos.runtimes import EXTRAS

BEGIN = "<!-- tholos: begin. This part is written by importing; the rest of the page is yours. -->"
END = "<!-- tholos: end -->"
_MAX_SHOWN = 300


def model_card(name: str, report: Report, present: Card) -> str | None:
    """The card's text; None where the repo's own card needs nothing.

    ``name`` is ``namespace/name``. Of the metadata only what is missing is added; a page written by hand is left alone.
    """
    import yaml

    metadata: dict[str, Any] = {**present.metadata}
    if report.task:
        metadata.setdefault("pipeline_tag", report.task)
    metadata.setdefault("library_name", report.library)
    body = _body(_part(report), present.body, name)
    if metadata == present.metadata and body == present.body:
        return None
    return f"---\n{yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False, width=10_000)}---\n{body}"


def _body(part: str, present: str, name: str) -> str:
    before, begin, rest = present.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return f"{before}{part}{after}"
    return present if present.strip() else f"\n# {name.rpartition('/')[2]}\n\n{part}\n"


def _part(report: Report) -> str:
    lines = [
        BEGIN,
        f"Imported from {_code(report.file)} ({report.format}).",
        "",
        "| | | |",
        "|---|---|---|",
        *(f"| {fact.name} | {_value(fact)} | {_how(fact)} |" for fact in report.facts),
    ]
    if report.runtime is not None and report.runtime in EXTRAS:
        lines += ["", f"Serving it takes the extra {_code(f'tholos[{EXTRAS[report.runtime][0]}]')} on the server."]
    if report.provenance:
        lines += [
            "",
            "## Origin",
            "",
            *(f"- {_code(key)}: {_code(str(value))}" for key, value in report.provenance.items()),
        ]
    if report.obstacle:
        lines += ["", f"Not deployable here: {_plain(report.obstacle.message)}"]
    return "\n".join([*lines, END])


def _value(fact: Fact) -> str:
    values = fact.value if isinstance(fact.value, list) else [fact.value]
    text = ", ".join("yes" if value is True else "no" if value is False else str(value) for value in values)
    return _code(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + " …")


def _how(fact: Fact) -> str:
    return f"**{fact.how}**: {_plain(fact.note)}" if fact.how == "guessed" else fact.how


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
