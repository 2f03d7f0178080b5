"""Facts: measurements of revisions, recorded once and shown with the card, never written into it.

Search, boards and choosing read them here, so that none of these needs to know who measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tholos.accounts.authorization import Action, Actor, may
from tholos.hub import repository
from tholos.hub.models import Fact, Repo
from tholos.hub.names import RepoKind
from tholos.hub.repos import get_repo
from tholos.hub.revisions import revision_of
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Measurement:
    """A fact as one actor may see it: without job, details and name of data that is private to another."""

    fact: Fact
    data_repo: Repo | None
    data_hidden: bool


def record_fact(
    write: WriteSession,
    *,
    repo_id: str,
    revision: str,
    metric: str,
    value: float,
    hardware: str,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    data_repo_id: str | None = None,
    data_revision: str | None = None,
    split: str | None = None,
    job_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> Fact:
    """Records one measurement of a revision (``repo_id`` and 40-hex ``revision``).

    ``low`` and ``high`` bound the confidence interval; ``data_repo_id``, ``data_revision`` and ``split`` say on what it
    was measured, ``hardware`` on which machine (`kit.hardware.hardware()`).

    Raises ValueError for a number that is not finite: what could not be computed is not recorded.
    """
    if not all(math.isfinite(number) for number in (value, low, high) if number is not None):
        raise ValueError(f"{metric} is not a finite number")
    fact = Fact(
        id=new_id("fact"),
        repo_id=repo_id,
        revision=revision,
        metric=metric,
        value=value,
        low=low,
        high=high,
        unit=unit,
        data_repo_id=data_repo_id,
        data_revision=data_revision,
        split=split,
        hardware=hardware,
        job_id=job_id,
        details=details or {},
        created_at=utcnow(),
    )
    write.add(fact)
    return fact


def facts_for(read: ReadSession, repo_id: str, revision: str | None = None) -> list[Fact]:
    """Facts of a revision (None: of all revisions of the repo), oldest first. The caller has authorized the repo."""
    return repository.facts(read, repo_id, revision)


def measurements(
    read: ReadSession, actor: Actor, kind: RepoKind, name: str, rev: str | None
) -> tuple[Repo, Sequence[Measurement]]:
    """Measurements of a repo's revision (None: of all), as the actor may see them. Raises as `revisions.resolve`."""
    repo = get_repo(read, actor, kind, name)
    found = facts_for(read, repo.id, None if rev is None else revision_of(read, repo, rev).commit_id)
    data = repository.repos_by_id(read, [fact.data_repo_id for fact in found if fact.data_repo_id])
    seen: list[Measurement] = []
    for fact in found:
        source = data.get(fact.data_repo_id or "")
        readable = source is not None and may(actor, Action.READ, source)
        seen.append(
            Measurement(fact, source if readable else None, data_hidden=fact.data_repo_id is not None and not readable)
        )
    return repo, seen
