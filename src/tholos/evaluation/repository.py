"""Queries over evaluations."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select, true

from tholos.accounts.authorization import Actor
from tholos.evaluation.models import Evaluation
from tholos.hub.models import Repo
from tholos.hub.repository import readable_by
from tholos.jobs.models import Job
from tholos.kit.database import ReadSession
from tholos.kit.paging import Page, decode_cursor, encode_cursor

_MOST_COMPARED = 200


def shown_to(actor: Actor) -> ColumnElement[bool]:
    """The condition under which whoever may read the model (``Repo``) may know of an evaluation.

    Whoever owns a model shows with it what they measured. What others measured on data of theirs shows to those who
    may read that data.
    """
    if actor.has_admin_power:
        return true()
    data = select(Repo.id).where(Repo.id == Evaluation.data_repo_id, readable_by(actor)).correlate(Evaluation)
    maker = select(Job.owner_id).where(Job.id == Evaluation.job_id).correlate(Evaluation).scalar_subquery()
    own = sorted(actor.owners) if actor.limits is None else []
    return or_(data.exists(), maker == Repo.owner_id, maker.in_(own))


def with_model(read: ReadSession, actor: Actor, evaluation_id: str) -> tuple[Evaluation, Repo] | None:
    """An evaluation and the repo of its model, if it is shown to the actor as far as its data goes."""
    query = (
        select(Evaluation, Repo)
        .join(Repo, Repo.id == Evaluation.model_repo_id)
        .where(Evaluation.id == evaluation_id, shown_to(actor))
    )
    row = read.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def page(
    read: ReadSession, actor: Actor, *, model_repo_id: str | None, revision: str | None, cursor: str | None, limit: int
) -> Page[tuple[Evaluation, Repo]]:
    """Evaluations that the actor may know of, newest first; of one model or revision if given."""
    query = (
        select(Evaluation, Repo)
        .join(Repo, Repo.id == Evaluation.model_repo_id)
        .where(readable_by(actor), shown_to(actor))
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


def latest(read: ReadSession, actor: Actor, model_repo_id: str, revision: str) -> list[Evaluation]:
    """The evaluations of one revision that are shown to the actor, newest first, as far back as a comparison looks."""
    query = (
        select(Evaluation)
        .join(Repo, Repo.id == Evaluation.model_repo_id)
        .where(Evaluation.model_repo_id == model_repo_id, Evaluation.model_revision == revision, shown_to(actor))
    )
    return list(read.scalars(query.order_by(Evaluation.id.desc()).limit(_MOST_COMPARED)))
