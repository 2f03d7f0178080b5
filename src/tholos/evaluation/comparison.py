"""Two model revisions side by side, on the data that both were evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tholos.accounts.authorization import Actor
from tholos.evaluation import repository
from tholos.evaluation.differences import Difference, difference
from tholos.evaluation.errors import NotComparable, NotEvaluated
from tholos.evaluation.intervals import Resamples
from tholos.evaluation.models import Evaluation
from tholos.evaluation.predictions import read_predictions
from tholos.evaluation.service import EvaluationView, views
from tholos.evaluation.subject import Subject, subject_of
from tholos.hub import service as hub
from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database, ReadSession
from tholos.tasks.metrics import metrics_for

Side = Literal["a", "b"]
_NOT_PAIRED = (
    "The two were evaluated on different data, so no difference can be told: evaluate both on the same split of one "
    "revision."
)


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the two: the revision, and the evaluation that speaks for it."""

    subject: Subject
    view: EvaluationView


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """A figure of both; without a difference where they did not answer the same rows."""

    name: str
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    difference: Difference | None

    @property
    def winner(self) -> Side | None:
        """The one whose figure is better, by chance or not; None when they are equal or cannot be told."""
        if self.difference is None or self.difference.value == 0.0:
            return None
        return "b" if (self.difference.value > 0.0) == (self.a["better"] == "higher") else "a"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two revisions, figure by figure."""

    a: Contender
    b: Contender
    same_data: bool
    metrics: list[ComparedMetric]
    notes: list[str]


def compare(database: Database, blobs: BlobStore, actor: Actor, a: str, b: str) -> Comparison:
    """Compare two revisions, each "namespace/name" or "namespace/name@revision" (by default the head of main).

    Of their evaluations those of the same rows are taken, the latest first; without any in common, the latest of each.

    Raises as `hub.resolve`, GatedRepo, NotAModel, NotEvaluated, NotComparable.
    """
    with database.read() as read:
        subjects = [_subject(read, blobs, actor, name) for name in (a, b)]
        found = [_evaluations(read, actor, subject) for subject in subjects]
        chosen = _shared(*found) or (found[0][0], found[1][0])
        first, second = (
            Contender(subject, views(read, actor, [(evaluation, subject.repo)])[0])
            for subject, evaluation in zip(subjects, chosen, strict=True)
        )
    _check_same_target(first, second)
    same = _rows_of(chosen[0]) == _rows_of(chosen[1])
    differences = _differences(blobs, *chosen) if same else None
    notes = [] if same else [_NOT_PAIRED]
    if same and differences is None:
        notes.append("The two did not answer the same rows of this data, so that no difference can be told.")
    if chosen[0].hardware != chosen[1].hardware:
        notes.append("They were measured on different hardware: do not compare the latencies.")
    metrics = [
        ComparedMetric(name, metric, chosen[1].metrics[name], (differences or {}).get(name))
        for name, metric in chosen[0].metrics.items()
        if name in chosen[1].metrics
    ]
    return Comparison(first, second, same, metrics, notes)


def _subject(read: ReadSession, blobs: BlobStore, actor: Actor, reference: str) -> Subject:
    name, _, rev = reference.partition("@")
    repo, revision = hub.resolve(read, actor, hub.RepoKind.MODEL, name, rev or hub.MAIN)
    hub.require_content(read, actor, repo)
    return subject_of(read, blobs, repo, revision.commit_id)


def _evaluations(read: ReadSession, actor: Actor, subject: Subject) -> list[Evaluation]:
    """The evaluations of a revision that are shown to the actor, newest first. Raises NotEvaluated for none."""
    found = repository.latest(read, actor, subject.repo.id, subject.revision)
    if not found:
        name = f"{subject.repo.full_name}@{subject.revision[:10]}"
        raise NotEvaluated(
            f"{name} has not been evaluated.", next=f"Evaluate it first: `tholos evaluate {name} DATASET`.", model=name
        )
    return found


def _shared(of_a: list[Evaluation], of_b: list[Evaluation]) -> tuple[Evaluation, Evaluation] | None:
    """The latest evaluation of A whose rows B was evaluated on too, and the latest of B on these."""
    latest = {_rows_of(evaluation): evaluation for evaluation in reversed(of_b)}
    return next(((each, latest[_rows_of(each)]) for each in of_a if _rows_of(each) in latest), None)


def _rows_of(evaluation: Evaluation) -> tuple[str, str, str | None, str]:
    return evaluation.data_repo_id, evaluation.data_revision, evaluation.split, evaluation.target


def _check_same_target(a: Contender, b: Contender) -> None:
    kinds = [each.subject.model.signature.output.kind for each in (a, b)]
    if kinds[0] != kinds[1]:
        raise NotComparable(
            f"{a.subject.repo.full_name} predicts a {kinds[0]} and {b.subject.repo.full_name} a {kinds[1]}.",
            next="Compare two models of the same task.",
        )


def _differences(blobs: BlobStore, a: Evaluation, b: Evaluation) -> dict[str, Difference] | None:
    """The paired difference of each figure; None when the kept predictions are not of the same rows."""
    rows_a, outcomes_a = read_predictions(blobs.path(a.predictions_sha256))
    rows_b, outcomes_b = read_predictions(blobs.path(b.predictions_sha256))
    if not np.array_equal(rows_a, rows_b):
        return None
    resamples = Resamples(rows_a.size)
    found = {metric.name: difference(metric, outcomes_a, outcomes_b, resamples) for metric in metrics_for(outcomes_a)}
    return {name: each for name, each in found.items() if each is not None}
