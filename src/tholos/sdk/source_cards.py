"""The card of a dataset that a query brought: its source, in the metadata and in words; the rest is its owner's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_FENCE = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
BEGIN = "<!-- tholos: begin. This part is written by the import; the rest of the page is yours. -->"
END = "<!-- tholos: end -->"


def source_of(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a card says of the query that its rows are from."""
    told = metadata.get("tholos")
    source = told.get("source") if isinstance(told, Mapping) else None
    return dict(source) if isinstance(source, Mapping) and "query" in source and "url" in source else None


def with_source(name: str, metadata: Mapping[str, Any], text: str, source: Mapping[str, Any]) -> str:
    """The card's new text. ``metadata`` is that of the present card, ``text`` its README.md."""
    told = metadata.get("tholos")
    kept = {**metadata, "tholos": {**(told if isinstance(told, Mapping) else {}), "source": dict(source)}}
    # A JSON value is a YAML value: no YAML library is needed to write what the server reads.
    front = "".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in kept.items())
    match = _FENCE.match(text)
    body = text[match.end() :] if match else text
    return f"---\n{front}---\n{_body(body, _part(source), name)}"


def _body(present: str, part: str, name: str) -> str:
    before, begin, rest = present.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return f"{before}{part}{after}"
    if present.strip():
        return f"{present.rstrip()}\n\n{part}\n"
    return f"\n# {name.rpartition('/')[2]}\n\n{part}\n"


def _part(source: Mapping[str, Any]) -> str:
    fence = "```"
    while fence in str(source["query"]):
        fence += "`"
    lines = [
        BEGIN,
        f"{source['rows']:,} rows of `{source['url']}`, fetched {source['fetched_at']} by this query:",
        "",
        f"{fence}sql",
        str(source["query"]),
        fence,
        END,
    ]
    return "\n".join(lines)
