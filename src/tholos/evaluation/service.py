"""Use cases of evaluations: start one, list them, read what they found."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tholos.accounts.authorization import Action, Actor, authorize, hidden, may
from tholos.data.errors import SplitNotFound
from tholos.data.stored_splits import DEFAULT, list_splits
from tholos.evaluation import repository
from tholos.evaluation.errors import EvaluationNotFound, NotEvaluable, PlotNotFound
from tholos.evaluation.kinds import EVALUATE
from tholos.evaluation.models import Evaluation
from tholos.evaluation.subject import subject_of
from tholos.hub import repository as repos
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.lineage import Edge
from tholos.jobs.models import Job
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession
from tholos.kit.paging import DEFAULT_LIMIT, Page
from tholos.kit.services import Services
from tholos.tasks.task import TRAINABLE

DEFAULT_SPLIT = "test"
ALL_ROWS = "all"
"""The split to ask for when every row is to be taken."""

PlotFormat = Literal["json", "svg"]


@dataclass(frozen=True, slots=True)
class Request:
    """What an evaluation is to measure: the payload of its job. Names are for people, ids decide."""

    model: str
    model_repo_id: str
    revision: str
    dataset: str
    data_repo_id: str
    dataset_revision: str
    split: str | None
    """None takes all rows."""

    def to_payload(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """An evaluation as one actor may see it: the data is named only to those who may read it."""

    evaluation: Evaluation
    model: hub.Repo
    data: hub.Repo | None


def start(
    services: Services,
    actor: Actor,
    *,
    model: str,
    dataset: str,
    revision: str = hub.MAIN,
    dataset_revision: str = hub.MAIN,
    split: str = DEFAULT_SPLIT,
) -> Job:
    """Queue the evaluation of a model revision on one split ("all": on every row) of a dataset revision.

    The actor must be able to read both. Raises as `hub.resolve`, GatedRepo, ContentDeleted, NotAModel, NotEvaluable,
    SplitNotFound, and MissingScope for a token that may only read.
    """
    with services.database.read() as read:
        model_repo, model_revision = hub.resolve(read, actor, hub.RepoKind.MODEL, model, revision)
        data_repo, data_revision = hub.resolve(read, actor, hub.RepoKind.DATASET, dataset, dataset_revision)
        hub.require_content(read, actor, model_repo)
        hub.require_content(read, actor, data_repo)
        subject = subject_of(read, services.blobs, model_repo, model_revision.commit_id)
        hub.require_kept(read, model_repo, subject.served)
        _require_metrics(subject.model.task)
        if split != ALL_ROWS:
            _require_subset(read, services.blobs, data_repo, data_revision, split)
    request = Request(
        model=model_repo.full_name,
        model_repo_id=model_repo.id,
        revision=model_revision.commit_id,
        dataset=data_repo.full_name,
        data_repo_id=data_repo.id,
        dataset_revision=data_revision.commit_id,
        split=None if split == ALL_ROWS else split,
    )
    edges = [
        Edge(model_revision.urn, "model", f"{model_repo.label}@{model_revision.commit_id[:10]}"),
        Edge(data_revision.urn, "data", f"{data_repo.label}@{data_revision.commit_id[:10]}"),
    ]
    title = f"Evaluate {request.model} on {request.dataset} ({split})"
    with services.database.write() as write:
        job = jobs.enqueue(
            write, actor, EVALUATE, request.to_payload(), title=title, inputs=edges, about=model_repo.owner_id
        )
        authorize(actor, Action.WRITE, job)  # a token that may only read starts no jobs
    return job


def get(read: ReadSession, actor: Actor, evaluation_id: str) -> EvaluationView:
    """One evaluation. Raises EvaluationNotFound, also for one that the actor may not know of."""
    found = repository.with_model(read, actor, evaluation_id)
    if found is None or not may(actor, Action.READ, found[1]):
        raise hidden(EvaluationNotFound, f"evaluation {evaluation_id[:40]}")
    return views(read, actor, [found])[0]


def page(
    read: ReadSession,
    actor: Actor,
    *,
    model: str | None = None,
    revision: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[EvaluationView]:
    """Evaluations of every model that the actor may read, newest first; of one model or one revision of it if given.

    Raises as `hub.resolve`, and BadCursor.
    """
    model_repo_id = commit_id = None
    if model is not None:
        repo = hub.get_repo(read, actor, hub.RepoKind.MODEL, model)
        model_repo_id = repo.id
        commit_id = None if revision is None else hub.revision_of(read, repo, revision).commit_id
    found = repository.page(read, actor, model_repo_id=model_repo_id, revision=commit_id, cursor=cursor, limit=limit)
    return Page(views(read, actor, found.items), found.next_cursor)


def views(read: ReadSession, actor: Actor, found: Iterable[tuple[Evaluation, hub.Repo]]) -> list[EvaluationView]:
    """Join each evaluation with the repo of its data, where the actor may read it."""
    found = list(found)
    data = repos.repos_by_id(read, [evaluation.data_repo_id for evaluation, _ in found])
    readable = {repo_id: repo for repo_id, repo in data.items() if may(actor, Action.READ, repo)}
    return [EvaluationView(evaluation, model, readable.get(evaluation.data_repo_id)) for evaluation, model in found]


def report_of(blobs: BlobStore, evaluation: Evaluation) -> dict[str, Any]:
    """What lies behind an evaluation's figures: see `evaluation.report.details`."""
    details: dict[str, Any] = json.loads(blobs.path(evaluation.report_sha256).read_bytes())
    return details


def plot_path(
    read: ReadSession, blobs: BlobStore, actor: Actor, evaluation_id: str, name: str, form: PlotFormat
) -> Path:
    """The file of a plot: its Vega-Lite specification or its picture. Raises EvaluationNotFound, PlotNotFound."""
    evaluation = get(read, actor, evaluation_id).evaluation
    if name not in evaluation.plots:
        raise PlotNotFound(
            f"This evaluation has no plot {name[:60]!r}.",
            next=f"It has: {', '.join(evaluation.plots) or 'none'}.",
            plots=list(evaluation.plots),
        )
    return blobs.path(evaluation.plots[name]["spec" if form == "json" else "svg"])


def predictions_path(read: ReadSession, blobs: BlobStore, actor: Actor, evaluation_id: str) -> Path:
    """The Parquet file of the answers to every row.

    It holds the data's own target column, so that only those who may read the data get it. Raises EvaluationNotFound,
    RepoNotFound (the data is gone, or not the actor's to read).
    """
    evaluation = get(read, actor, evaluation_id).evaluation
    hub.require_content(read, actor, hub.get_repo_by_id(read, actor, evaluation.data_repo_id))
    return blobs.path(evaluation.predictions_sha256)


def _require_metrics(task_id: str) -> None:
    """Refuse a model whose answers nothing here can be held against. Raises NotEvaluable."""
    if task_id not in TRAINABLE:
        raise NotEvaluable(
            f"The model does {task_id}, for which there are no figures here yet.",
            next=f"Evaluate a model of one of these tasks: {', '.join(TRAINABLE)}.",
        )


def _require_subset(read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: hub.Revision, subset: str) -> None:
    """Refuse a split that the job would not find, before it is queued. Raises SplitNotFound."""
    split, _, wanted = subset.rpartition("/")
    known = {each.name: each for each in list_splits(read, blobs, repo, revision)}
    stored = known.get(split or DEFAULT)
    # A split that was pushed without its description has no counts: only the job sees what it holds.
    if stored is not None and (wanted in stored.counts or not stored.counts):
        return
    names = [name if each.name == DEFAULT else f"{each.name}/{name}" for each in known.values() for name in each.counts]
    raise SplitNotFound(
        f"{repo.full_name} has no split {subset[:80]!r} at {revision.commit_id[:10]}; "
        + (f"it has {', '.join(names)}." if names else "it was never split."),
        next=f"Choose one of these, or {ALL_ROWS!r} for every row."
        if names
        else f"Split it: `tholos data split {repo.full_name}`; or ask for the split {ALL_ROWS!r} to take every row.",
        splits=names,
    )
