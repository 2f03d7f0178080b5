"""Lineage: from which revisions a revision was made, and what was made from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tholos.accounts.authorization import Action, Actor, may
from tholos.hub import repository
from tholos.hub.errors import InvalidSubject
from tholos.hub.models import Repo
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.revisions import resolve
from tholos.jobs.lineage import Edge, Link, downstream, upstream
from tholos.jobs.lineage import made_from as outputs_of
from tholos.kit.database import ReadSession

MAX_DEPTH: Final = 20
MAX_NODES: Final = 500
_MOST_LOOKED_AT: Final = 500
_PRIVATE: Final = "private"
_DEPLOYMENT: Final = "deployment"
_REVISION_URN = re.compile(r"rev:([^@]+)@([0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class Node:
    """A thing that jobs read or wrote. One that the actor may not see has kind "private" and no name."""

    urn: str
    kind: str
    """``model``, ``dataset``, ``algorithm``, ``deployment`` or ``private``."""
    label: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Arc:
    """``target`` was made from ``source`` by a job of this kind; its id is shown to who may see the job."""

    source: str
    target: str
    kind: str
    job_id: str | None


@dataclass(frozen=True, slots=True)
class Graph:
    """What was asked about (``root``, a URN) and all around it."""

    root: str
    nodes: list[Node]
    arcs: list[Arc]
    truncated: bool
    """Whether depth or size cut something off."""


def subject(read: ReadSession, actor: Actor, text: str) -> str:
    """The URN that "model:ns/name@rev" (or another kind of repo) or "deployment:ns/name" names.

    "@rev" may be left out: the head of main. Raises InvalidSubject, and as `revisions.resolve`.
    """
    kind, colon, rest = text.partition(":")
    name, _, rev = rest.partition("@")
    if colon and kind in set(RepoKind):
        return resolve(read, actor, RepoKind(kind), name, rev or MAIN)[1].urn
    if kind == _DEPLOYMENT and "\0" not in name:
        urn = repository.urn_labelled(read, f"{_DEPLOYMENT} {name}", _owners(actor))
        if urn is not None:
            return urn
    raise InvalidSubject(
        f'"{text[:100]}" names nothing that has a lineage.',
        next='Write "model:namespace/name@revision" (or dataset: or algorithm:) or "deployment:namespace/name".',
    )


def revision_urn(urn: str) -> tuple[str, str] | None:
    """The repo id and commit id of a revision's URN; None for anything else's."""
    match = _REVISION_URN.fullmatch(urn)
    return (match[1], match[2]) if match else None


def lineage(read: ReadSession, actor: Actor, urn: str, depth: int = 5) -> Graph:
    """The graph around a URN, ``depth`` jobs far in both directions, as the actor may see it.

    Where something was made from what the actor may not see, that is one private node without name and nothing behind
    it. What others made in private from something does not show at all: that it exists is theirs to tell.
    """
    walk = _Walk(read, actor)
    walk.add(Edge(urn, "subject", urn), owned=True)
    truncated = False
    for step, shows_private in ((upstream, True), (downstream, False)):
        frontier = {urn}
        for _ in range(min(depth, MAX_DEPTH)):
            frontier = walk.follow(step(read, sorted(frontier)), shows_private=shows_private)
            if not frontier:
                break
        truncated |= walk.full or walk.goes_on(step(read, sorted(frontier)) if frontier else [], shows_private)
    return Graph(walk.nodes[urn].urn, list(walk.nodes.values()), list(walk.arcs), truncated)


def made_from(read: ReadSession, actor: Actor, repo: Repo, limit: int = 20) -> list[tuple[Repo, str]]:
    """Models that jobs made from the latest revisions of a repo, with the commit: those that the actor may read, newest
    first.
    """
    found: list[tuple[Repo, str]] = []
    urns = [f"rev:{repo.id}@{commit}" for commit in repository.latest_commits(read, repo.id, _MOST_LOOKED_AT)]
    for urn in outputs_of(read, urns, most=_MOST_LOOKED_AT):
        match = _REVISION_URN.fullmatch(urn)
        made = read.get(Repo, match[1]) if match else None
        if match and made is not None and made.kind is RepoKind.MODEL and may(actor, Action.READ, made):
            found.append((made, match[2]))
        if len(found) == limit:
            break
    return found


@dataclass
class _Walk:
    read: ReadSession
    actor: Actor
    nodes: dict[str, Node] = field(default_factory=dict)
    """By real URN; a private node shows a number instead."""
    arcs: dict[Arc, None] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    full: bool = False

    def follow(self, links: Sequence[Link], *, shows_private: bool) -> set[str]:
        """Adds what the links connect; returns the URNs that are new and may be followed further."""
        self._load(edge.urn for link in links for edge in (link.source, link.target))
        fresh: set[str] = set()
        for link in links:
            owned = self._owns(link)
            for edge in (link.source, link.target):
                if edge.urn not in self.nodes and self.add(edge, owned=owned, shows_private=shows_private):
                    fresh.add(edge.urn)
            ends = self.nodes.get(link.source.urn), self.nodes.get(link.target.urn)
            if ends[0] and ends[1]:
                self.arcs[Arc(ends[0].urn, ends[1].urn, link.kind, link.job_id if owned else None)] = None
        return fresh

    def goes_on(self, links: Sequence[Link], shows_private: bool) -> bool:
        """Whether following these links would show anything: what may not be seen must not show by being cut off."""
        self._load(edge.urn for link in links for edge in (link.source, link.target))
        return any(
            edge.urn not in self.nodes and (shows_private or self._named(edge, owned=self._owns(link)) is not None)
            for link in links
            for edge in (link.source, link.target)
        )

    def add(self, edge: Edge, *, owned: bool, shows_private: bool = True) -> bool:
        """Adds a node if there is room; returns whether what lies behind it may be looked at.

        ``owned`` says that the actor may read the label which the job noted for what is no revision.
        """
        if len(self.nodes) >= MAX_NODES:
            self.full = True
            return False
        node = self._named(edge, owned=owned)
        if node is not None:
            self.nodes[edge.urn] = node
        elif shows_private:
            number = 1 + sum(other.kind == _PRIVATE for other in self.nodes.values())
            self.nodes[edge.urn] = Node(f"{_PRIVATE}:{number}", _PRIVATE, _PRIVATE)
        return node is not None

    def _named(self, edge: Edge, *, owned: bool) -> Node | None:
        match = _REVISION_URN.fullmatch(edge.urn)
        if match is None:
            kind = _DEPLOYMENT if edge.urn.startswith("dep:") else "other"
            return Node(edge.urn, kind, edge.label or edge.urn) if owned else None
        repo = self.repos.get(match[1]) or self.read.get(Repo, match[1])
        if repo is None or not may(self.actor, Action.READ, repo):
            return None
        return Node(edge.urn, repo.kind.value, f"{repo.label}@{match[2][:7]}", match[2])

    def _load(self, urns: Iterable[str]) -> None:
        ids = [match[1] for urn in urns if (match := _REVISION_URN.fullmatch(urn))]
        self.repos.update(repository.repos_by_id(self.read, ids))

    def _owns(self, link: Link) -> bool:
        owners = _owners(self.actor)
        return owners is None or link.owner_id in owners


def _owners(actor: Actor) -> frozenset[str] | None:
    """The accounts whose jobs and deployments the actor sees by name; None for those of all. A limited token: none."""
    if actor.has_admin_power:
        return None
    return actor.owners if actor.limits is None else frozenset()
