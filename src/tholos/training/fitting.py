"""One fit: a pipeline built, fitted and scored, with what the libraries had to say about it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tholos.runtimes.skops import outputs_of
from tholos.runtimes.threads import threads_for
from tholos.tasks.signature import Outputs
from tholos.training.algorithm import Algorithm, Params
from tholos.training.confined import settled
from tholos.training.errors import TrainingFailed
from tholos.training.pipelines import build, frame_of
from tholos.training.prepared import Prepared, Rows
from tholos.training.scoring import Scores, Scoring, scores_of


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An algorithm with checked hyper-parameters."""

    algorithm: Algorithm
    params: Params
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Name and hyper-parameters."""
        return {"algorithm": self.algorithm.name, "params": dict(self.params)}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted pipeline."""

    pipeline: Any
    duration_s: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A candidate's scores on rows that it was not fitted on."""

    scores: Scores
    duration_s: float
    notes: tuple[str, ...]


def fit(candidate: Candidate, prepared: Prepared, rows: Rows | None = None) -> Fit:
    """Fit on all rows, or on some.

    Raises:
        TrainingFailed: the algorithm cannot be fitted to this data; the error carries the library's reason.

    """
    batch = prepared.batch if rows is None else prepared.take(rows)
    target = prepared.target if rows is None else prepared.target[rows]
    with _noted(candidate) as notes, threads_for(len(target)):
        pipeline = build(
            candidate.algorithm, candidate.params, prepared.signature, prepared.shape(rows), candidate.seed
        )
        frame = frame_of(prepared.signature, batch)
        started = time.perf_counter()  # not before: building imports the library
        pipeline.fit(frame, target)
    return Fit(pipeline=settled(pipeline), duration_s=time.perf_counter() - started, notes=tuple(notes))


def score(candidate: Candidate, prepared: Prepared, scoring: Scoring) -> Scored:
    """Fit on parts of the rows and score on the others; with folds, the answers of all folds are scored together.

    Raises:
        TrainingFailed: as `fit`.

    """
    started = time.perf_counter()
    scored_rows: list[Rows] = []
    answers: list[Outputs] = []
    notes: dict[str, None] = {}
    for fitted_rows, held_rows in scoring.divisions(prepared, candidate.seed):
        fitted = fit(candidate, prepared, fitted_rows)
        notes.update(dict.fromkeys(fitted.notes))
        with _noted(candidate) as more:
            frame = frame_of(prepared.signature, prepared.take(held_rows))
            answers.append(outputs_of(fitted.pipeline, prepared.signature, frame))
        notes.update(dict.fromkeys(more))
        scored_rows.append(held_rows)
    outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    scores = scores_of(prepared.signature, prepared.target[np.concatenate(scored_rows)], outputs)
    return Scored(scores=scores, duration_s=time.perf_counter() - started, notes=tuple(notes))


@contextmanager
def _noted(candidate: Candidate) -> Iterator[list[str]]:
    """Collects the libraries' warnings as notes, and turns what they raise about the data into an error of ours."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield notes
        except (ValueError, ArithmeticError, MemoryError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise TrainingFailed(
                f"{candidate.algorithm.title} could not be fitted: {reason}",
                next="Check the data and the hyper-parameters, or choose another algorithm.",
                algorithm=candidate.algorithm.name,
            ) from error
    notes.extend(dict.fromkeys(" ".join(str(item.message).split()) for item in caught))
