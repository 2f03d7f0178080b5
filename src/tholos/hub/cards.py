"""Cards: a repo's README.md, its YAML front matter (Hugging Face's metadata names) read with suspicion.

A card is written by anyone who may push. Whatever it holds, reading it ends: no anchors to multiply, no tags to
construct objects, bounded size and depth. A broken card is shown with a warning; it is never an error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

CARD_FILE: Final = "README.md"
MAX_CARD_BYTES: Final = 1 << 20
MAX_METADATA_BYTES: Final = 256 << 10
MAX_TAGS: Final = 200
MAX_TAG_LENGTH: Final = 200

_MAX_DEPTH = 32
_MAX_NODES = 50_000
_MAX_SAFE_INTEGER = 2**53  # beyond it other JSON readers lose digits
_FENCE = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
# Metadata whose values become tags as they are, and those that get the name of the field in front.
_PLAIN_TAGS = ("tags", "pipeline_tag", "library_name", "language")
_PREFIXED_TAGS = {
    "license": "license",
    "datasets": "dataset",
    "base_model": "base_model",
    "task_categories": "task_categories",
    "size_categories": "size_categories",
}


class _Loader(yaml.CSafeLoader):
    """Reads plain words as YAML 1.2 does: `no` is the language Norwegian; `2024-05-01`, `1:30` and `007` stay text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.inf|\.nan",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


class _Unreadable(ValueError):
    """The front matter was refused; the text says why."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card taken apart: metadata as plain JSON values, the Markdown below it, and what was wrong with it."""

    metadata: Mapping[str, Any]
    body: str
    warnings: tuple[str, ...] = ()

    @property
    def tags(self) -> list[str]:
        """The tags that lists filter by: the card's own, and its licence, languages, task, library and ancestors."""
        found = {tag for tag in _tags(self.metadata) if 0 < len(tag) <= MAX_TAG_LENGTH and "\0" not in tag}
        return sorted(found)[:MAX_TAGS]


EMPTY_CARD: Final = Card({}, "")


def read_card(data: bytes) -> Card:
    """Takes the bytes of a README.md apart. Never raises for what they hold: a fault becomes a warning."""
    warnings: list[str] = []
    if len(data) > MAX_CARD_BYTES:
        data = data[:MAX_CARD_BYTES]
        warnings.append(f"The card is longer than {MAX_CARD_BYTES >> 20} MiB; the rest is not shown.")
    text = data.decode(errors="replace")
    if "\ufffd" in text:
        warnings.append("The card is not valid UTF-8; unreadable characters are shown as \ufffd.")
    match = _FENCE.match(text)
    if match is None:
        return Card({}, text.removeprefix("\ufeff"), tuple(warnings))
    try:
        metadata = parse_metadata(match[1])
    except _Unreadable as error:
        warnings.append(f"The metadata at the top of the card was ignored: {error}.")
        metadata = {}
    return Card(metadata, text[match.end() :], tuple(warnings))


def parse_metadata(text: str) -> dict[str, Any]:
    """Parses YAML front matter into plain JSON values (objects have text keys, numbers are finite).

    Raises ValueError, whose text says why, for anything that is not a modest mapping.
    """
    if len(text) > MAX_METADATA_BYTES:
        raise _Unreadable(f"it is longer than {MAX_METADATA_BYTES >> 10} KiB")
    try:
        _inspect(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, after _inspect refused tags and aliases
    except yaml.YAMLError as error:
        raise _Unreadable(_reason(error)) from error
    except _Unreadable:
        raise
    except (ValueError, OverflowError) as error:  # such as an integer of five thousand digits
        raise _Unreadable(f"a value cannot be read ({error})") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Unreadable('it is not a list of "name: value" lines')
    return {_key(key): _plain(item) for key, item in value.items()}


def _inspect(text: str) -> None:
    # Events come one by one, before anything is built: a hostile document is refused while it is still only text.
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Unreadable("it uses anchors or aliases (& and *), which cards may not")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
            raise _Unreadable("it uses YAML tags (!), which cards may not")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            raise _Unreadable("it is nested too deeply or has too many values")


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {_key(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool() | None:
            return value
        case int():
            return value if abs(value) < _MAX_SAFE_INTEGER else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case _:
            return _text(value)


def _key(value: Any) -> str:
    # YAML allows any scalar as a key; JSON only text.
    return json.dumps(value) if value is None or isinstance(value, bool) else _text(value)


def _text(value: Any) -> str:
    # NUL cannot be stored by every database, nor lone surrogates encoded.
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is not valid YAML"
    return f"{problem} (line {mark.line + 2})" if mark else str(problem)


def _tags(metadata: Mapping[str, Any]) -> Iterator[str]:
    for name in _PLAIN_TAGS:
        yield from _words(metadata.get(name))
    for name, prefix in _PREFIXED_TAGS.items():
        for word in _words(metadata.get(name)):
            yield f"{prefix}:{word}"


def _words(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            yield str(item)
