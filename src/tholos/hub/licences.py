"""Licences of repos: whether a card names a known one, and whether it fits those of what the repo was made from.

Parents are what the card names (`base_model`, `datasets`) and what lineage knows. What is found is shown and stops
nothing. A parent that the reader may not see is treated as one that is not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tholos.accounts.authorization import Action, Actor, may
from tholos.hub import repository
from tholos.hub.commits import card_of
from tholos.hub.licence_terms import KNOWN, UNDECIDED, breach
from tholos.hub.lineage import lineage, revision_urn
from tholos.hub.models import Repo
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.revisions import resolve
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession

_MAX_PARENTS: Final = 100
_MAX_TEXT: Final = 200
_DEPTH: Final = 20

Level = Literal["conflict", "caution", "unknown"]
_WORSE: Final[Mapping[Level, int]] = {"conflict": 0, "caution": 1, "unknown": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a licence that a reader should look at.

    ``conflict``: the licences do not fit. ``caution``: they may not. ``unknown``: that cannot be told from the cards.
    """

    level: Level
    message: str
    parent: str | None = None
    """ "model ns/name" or "dataset ns/name" of this hub, or a name from the card that is none here."""
    source: str = ""
    """Where the parent's licence says so."""


@dataclass(frozen=True, slots=True)
class LicenceReport:
    """The licences that a card names, and what was found about them, the gravest first."""

    licences: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Parent:
    label: str
    is_data: bool
    licences: tuple[str, ...]
    is_here: bool = True


def licences_of(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The licences that a card names: the reader may choose where there are several."""
    return tuple(_words(metadata.get("license")))


def check_metadata(metadata: Mapping[str, Any]) -> list[Finding]:
    """What is to be said of a card's licence alone."""
    named = licences_of(metadata)
    unknown = [name for name in named if name not in KNOWN]
    return [
        Finding("unknown", f'"{name}" is no known licence id; write "other" with a license_name, or correct it.')
        for name in unknown
    ]


def licence_report(
    read: ReadSession, blobs: BlobStore, actor: Actor, kind: RepoKind, name: str, rev: str = MAIN
) -> LicenceReport:
    """The licences of a revision and how they fit those of its parents, as the actor may see them.

    Raises as `revisions.resolve`.
    """
    repo, revision = resolve(read, actor, kind, name, rev)
    metadata = card_of(read, blobs, revision.tree_id).metadata
    parents = {parent.label: parent for parent in _named_parents(read, actor, repo, metadata)}
    parents |= {parent.label: parent for parent in _lineage_parents(read, actor, repo, revision.urn)}
    return _report(metadata, list(parents.values())[:_MAX_PARENTS])


def card_report(read: ReadSession, actor: Actor, metadata: Mapping[str, Any]) -> LicenceReport:
    """As `licence_report`, for a card that belongs to no repo yet: without lineage."""
    return _report(metadata, list(_named_parents(read, actor, None, metadata)))


def _report(metadata: Mapping[str, Any], parents: Iterable[_Parent]) -> LicenceReport:
    own = licences_of(metadata)
    found = [*check_metadata(metadata), *(finding for parent in parents if (finding := _judge(own, parent)))]
    return LicenceReport(own, tuple(sorted(found, key=lambda finding: _WORSE[finding.level])))


def _judge(own: tuple[str, ...], parent: _Parent) -> Finding | None:
    theirs = [name for name in parent.licences if name in KNOWN and name not in UNDECIDED]
    if not theirs:
        why = "says of no known licence" if parent.is_here else "is not on this server"
        return Finding("unknown", f"{parent.label} {why}: whether its terms are kept cannot be told.", parent.label)
    mine = [name for name in own if name in KNOWN]
    if not mine:
        if not any(breach(name, "mit") for name in theirs):
            return None
        asks = f"{parent.label} is under {' or '.join(theirs)}, which asks something of what is made from it"
        return Finding("unknown", f"{asks}; this card names no known licence.", parent.label)
    found = [breach(theirs_name, own_name) for theirs_name in theirs for own_name in mine]
    if not found or None in found or (first := found[0]) is None:
        return None  # one of the licences to choose from fits
    if parent.is_data:
        note = "Whether a model is made from its training data in the sense of a licence is not settled."
        return Finding("caution", f"{parent.label}: {first.sentence}. {note}", parent.label, first.source)
    if mine == ["other"]:
        return Finding("unknown", f"{parent.label}: {first.sentence}; this licence is another.", parent.label)
    return Finding("conflict", f"{parent.label}: {first.sentence}.", parent.label, first.source)


def _named_parents(
    read: ReadSession, actor: Actor, repo: Repo | None, metadata: Mapping[str, Any]
) -> Iterable[_Parent]:
    named = [(RepoKind.MODEL, name) for name in _words(metadata.get("base_model"))]
    named += [(RepoKind.DATASET, name) for name in _words(metadata.get("datasets"))]
    for kind, name in named[:_MAX_PARENTS]:
        namespace, slash, short = name.partition("/")
        found = repository.repo_by_name(read, kind, namespace, short) if slash else None
        is_data = kind is RepoKind.DATASET and (repo is None or repo.kind is RepoKind.MODEL)
        if found is None or not may(actor, Action.READ, found):
            yield _Parent(f"{kind} {name}", is_data, (), is_here=False)
        elif repo is None or found.id != repo.id:
            yield _Parent(found.label, is_data, licences_of(found.card))


def _lineage_parents(read: ReadSession, actor: Actor, repo: Repo, urn: str) -> Iterable[_Parent]:
    graph = lineage(read, actor, urn, _DEPTH)
    ancestors: set[str] = set()
    frontier = {graph.root}
    while frontier:
        frontier = {arc.source for arc in graph.arcs if arc.target in frontier} - ancestors
        ancestors |= frontier
    ids = {found[0] for node in sorted(ancestors) if (found := revision_urn(node))} - {repo.id}
    if any(node.kind == "private" and node.urn in ancestors for node in graph.nodes):
        yield _Parent("something that you may not see", is_data=False, licences=())
    for parent in repository.repos_by_id(read, ids).values():
        is_data = parent.kind is RepoKind.DATASET and repo.kind is RepoKind.MODEL
        yield _Parent(parent.label, is_data, licences_of(parent.card))


def _words(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item.strip()[:_MAX_TEXT] for item in items if isinstance(item, str) and item.strip()]
