"""Ancestry: every revision that led to one, in the order in which people read them.

Most histories are lines, and a line is read from the database a page at a time. Where merges come in, the whole graph
of the repo (ids, parents and dates) is read once per page instead, as git does it.
"""

from __future__ import annotations

from datetime import datetime
from heapq import heappop, heappush
from typing import NamedTuple

from sqlalchemy import select

from tholos.hub import repository
from tholos.hub.models import Revision
from tholos.kit.database import ReadSession


class Position(NamedTuple):
    """Where a page of ancestry begins: ``skip`` revisions after ``start`` in the ancestry of ``start``."""

    start: str
    skip: int = 0


def ancestry(read: ReadSession, repo_id: str, position: Position, limit: int) -> tuple[list[Revision], Position | None]:
    """One page of a revision and all before it, newest first, each before its parents; and where the next begins."""
    start, skip = position
    if not skip:
        line = repository.history(read, repo_id, start, limit + 1)
        if not any(len(revision.parents) > 1 for revision in line):
            return line[:limit], Position(line[limit].commit_id) if len(line) > limit else None
    ids = _ordered(read, repo_id, start)
    some = repository.revisions(read, repo_id, ids[skip : skip + limit])
    return some, Position(start, skip + limit) if len(ids) > skip + limit else None


def count_ancestry(read: ReadSession, repo_id: str, commit_id: str) -> int:
    """How many revisions `ancestry` is in all."""
    length, merges = repository.measure_line(read, repo_id, commit_id)
    return len(_ordered(read, repo_id, commit_id)) if merges else length


_Graph = dict[str, tuple[list[str], datetime]]


def _ordered(read: ReadSession, repo_id: str, tip: str) -> list[str]:
    query = select(Revision.commit_id, Revision.parents, Revision.created_at).where(Revision.repo_id == repo_id)
    graph = {commit_id: (parents, created_at) for commit_id, parents, created_at in read.execute(query)}
    if tip not in graph:
        return []
    children = dict.fromkeys(_reachable(graph, tip), 0)
    for commit_id in children:
        for parent in graph[commit_id][0]:
            children[parent] += 1
    # newest first among those whose children have all been said
    ready = [(_age(graph, tip), tip)]
    ordered: list[str] = []
    while ready:
        commit_id = heappop(ready)[1]
        ordered.append(commit_id)
        for parent in graph[commit_id][0]:
            children[parent] -= 1
            if not children[parent]:
                heappush(ready, (_age(graph, parent), parent))
    return ordered


def _reachable(graph: _Graph, tip: str) -> set[str]:
    found, pending = set[str](), [tip]
    while pending:
        commit_id = pending.pop()
        if commit_id not in found:
            found.add(commit_id)
            pending += graph[commit_id][0]
    return found


def _age(graph: _Graph, commit_id: str) -> float:
    return -graph[commit_id][1].timestamp()
