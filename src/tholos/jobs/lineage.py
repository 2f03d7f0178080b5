"""Lineage: which revisions came from which, told by the jobs that read the one and wrote the other.

What comes about without a job (a deployment) says so itself, by a link.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tholos.jobs import repository
from tholos.jobs.models import Direction, JobEdge, LineageLink
from tholos.kit.database import ReadSession, WriteSession


@dataclass(frozen=True, slots=True)
class Edge:
    """What a job read or wrote: a URN (``rev:{repo_id}@{40 hex}``, ``dep:{deployment_id}``), the part it played in the
    job (``data``, ``model`` …) and what people called it then.
    """

    urn: str
    role: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """``target`` was made from ``source``, by a job or (``job_id`` None) without one."""

    source: Edge
    target: Edge
    job_id: str | None
    kind: str
    owner_id: str


def upstream(read: ReadSession, urns: Collection[str]) -> list[Link]:
    """One step back: what these were made from."""
    return _links(read, urns, Direction.OUTPUT)


def downstream(read: ReadSession, urns: Collection[str]) -> list[Link]:
    """One step on: what was made from these."""
    return _links(read, urns, Direction.INPUT)


def made_from(read: ReadSession, urns: Collection[str], *, most: int) -> list[str]:
    """URNs of what the newest ``most`` jobs made from any of these, the newest job's first, each once."""
    return repository.outputs_of(read, urns, most)


def record_link(write: WriteSession, source: Edge, target: Edge, *, kind: str, owner_id: str) -> None:
    """Notes that ``target`` was made from ``source`` without a job; once more changes nothing but the labels."""
    write.merge(
        LineageLink(
            target_urn=target.urn,
            source_urn=source.urn,
            kind=kind,
            owner_id=owner_id,
            source_label=source.label,
            target_label=target.label,
        )
    )


def forget_links(write: WriteSession, target_urn: str) -> None:
    """Removes the links of something that exists no more."""
    repository.delete_lineage_links(write, target_urn)


def _links(read: ReadSession, urns: Collection[str], at: Direction) -> list[Link]:
    by_jobs = [
        Link(_edge(source), _edge(target), source.job_id, kind, owner_id)
        for source, target, kind, owner_id in repository.links(read, urns, at)
    ]
    by_themselves = [
        Link(
            Edge(row.source_urn, row.kind, row.source_label),
            Edge(row.target_urn, row.kind, row.target_label),
            None,
            row.kind,
            row.owner_id,
        )
        for row in repository.lineage_links(read, urns, at)
    ]
    return by_jobs + by_themselves


def _edge(row: JobEdge) -> Edge:
    return Edge(row.urn, row.role, row.label)
