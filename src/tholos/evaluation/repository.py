"""Queries over evaluations."""

from __future__ import annotations

from sqlalchemy import select

from tholos.accounts.authorization import Actor
from tholos.evaluation.models import Evaluation
from tholos.hub.models import Repo
from tholos.hub.repository import readable_by
from tholos.kit.database import ReadSession
from tholos.kit.paging import Page, decode_cursor, encode_cursor

_MOST_COMPARED = 200


def with_model(read: ReadSession, evaluation_id: str) -> tuple[Evaluation, Repo] | None:
    """An evaluation and the repo of its model."""
    query = (
        select(Evaluation, Repo).join(Repo, Repo.id == Evaluation.model_repo_id).where(Evaluation.id == evaluation_id)
    )
    row = read.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def page(
    read: ReadSession, actor: Actor, *, model_repo_id: str | None, revision: str | None, cursor: str | None, limit: int
) -> Page[tuple[Evaluation, Repo]]:
    """Evaluations of models that the actor may read, newest first; of one model or revision if given."""
    query = (
        select(Evaluation, Repo)
        .join(Repo, Repo.id == Evaluation.model_repo_id)
        .where(readable_by(actor))
        .order_by(Evaluation.id.desc())
        .limit(limit + 1)
    )
    if model_repo_id is not None:
        query = query.where(Evaluation.model_repo_id == model_repo_id)
    if revision is not None:
        query = query.where(Evaluation.model_revision == revision)
    if cursor:
        query = query.where(Evaluation.id < decode_cursor(cursor, str)[0])
    rows = [(row[0], row[1]) for row in read.execute(query)]
    return Page(rows[:limit], encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None)


def latest(read: ReadSession, model_repo_id: str, revision: str) -> list[Evaluation]:
    """The evaluations of one revision, newest first, as far back as a comparison looks."""
    query = select(Evaluation).where(Evaluation.model_repo_id == model_repo_id, Evaluation.model_revision == revision)
    return list(read.scalars(query.order_by(Evaluation.id.desc()).limit(_MOST_COMPARED)))
