"""The tags in use, by what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tholos.accounts.authorization import Actor
from tholos.hub.names import RepoKind
from tholos.hub.repos import list_tags
from tholos.hub.search.service import Wanted, facet_values
from tholos.kit.database import ReadSession

_OF_FACETS: Final = {"task": "pipeline_tag", "library": "library", "language": "language", "license": "license"}


def tags_by_type(read: ReadSession, actor: Actor, kind: RepoKind) -> Mapping[str, list[tuple[str, str]]]:
    """Tags (as lists filter by them, and what to call them) on repos that the actor may read, by their type.

    ``pipeline_tag``, ``library``, ``language``, ``license`` and whatever else stands before a tag's colon; ``other``
    for the rest. Raises MissingScope.
    """
    known: dict[str, str] = {}
    for facet, values in facet_values(read, actor, Wanted(kind=kind)).items():
        if (group := _OF_FACETS.get(facet)) is not None:
            known.update((f"license:{value}" if facet == "license" else value, group) for value in values)
    groups: dict[str, list[tuple[str, str]]] = {}
    for tag in sorted({*known, *list_tags(read, actor, kind)}):
        before, colon, label = tag.partition(":")
        group = known.get(tag) or (before if colon else "other")
        groups.setdefault(group, []).append((tag, label if colon else tag))
    return groups
