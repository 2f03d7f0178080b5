"""`auto`: a fixed portfolio in a fixed order, as far as the time budget reaches, and a record that can be replayed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tholos.tasks.signature import TaskId
from tholos.tasks.task import task
from tholos.training.catalogue import algorithm, for_task
from tholos.training.errors import NothingFinished, TrainingFailed
from tholos.training.fitting import Candidate, fit, score
from tholos.training.prepared import Prepared
from tholos.training.scoring import Scores, Scoring

PROBE_ROWS = (500, 2000)
"""Rows on which a trial's cost is measured before it is begun on more than `PROBED_ROWS`."""
PROBED_ROWS = 4000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One line of the leaderboard."""

    algorithm: str
    params: dict[str, Any]
    state: Literal["finished", "failed", "skipped"]
    scores: Scores = field(default_factory=dict)
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Search:
    """Every trial in the order in which they ran, and the one to use."""

    trials: tuple[Trial, ...]
    best: Trial


OnTrial = Callable[[int, int, Trial], None]
"""Told of each trial that ended: its place from 0, how many there are, and the trial."""


def portfolio(task_id: TaskId, seed: int) -> list[Candidate]:
    """What `auto` tries: the first choice of every algorithm, then the second, and so on."""
    entries = for_task(task_id)
    rounds = max(len(entry.portfolio) for entry in entries)
    return [
        Candidate(algorithm=entry, params=entry.check(entry.portfolio[place]), seed=seed)
        for place in range(rounds)
        for entry in entries
        if place < len(entry.portfolio)
    ]


def search(prepared: Prepared, scoring: Scoring, budget_s: float, seed: int, on_trial: OnTrial) -> Search:
    """Try the portfolio until the budget is used, leaving time to fit the best on all rows.

    A trial is begun if it is expected to fit into what is left (the first always is), and then finished.

    Raises:
        NothingFinished: every trial failed.

    """
    candidates = portfolio(prepared.task, seed)
    _warm_up(candidates[0], prepared)
    deadline = time.monotonic() + budget_s

    def trials() -> Iterator[Trial]:
        begun = False
        for candidate in candidates:
            left_s = deadline - time.monotonic()
            cost_s = _expected_cost_s(candidate, prepared, scoring) if begun and left_s > 0 else 0.0
            if begun and cost_s >= left_s:
                note = f"Skipped: expected to take {cost_s:.0f} s, {left_s:.0f} s left." if left_s > 0 else OUT_OF_TIME
                yield Trial(**candidate.to_json(), state="skipped", notes=(note,))
                continue
            begun = True
            yield _try(candidate, prepared, scoring)

    return _run(trials(), len(candidates), prepared.task, on_trial)


OUT_OF_TIME = "Skipped: the time budget was used up."


def replay(prepared: Prepared, scoring: Scoring, recorded: Sequence[Trial], seed: int, on_trial: OnTrial) -> Search:
    """Run recorded trials again, whatever time they take: the same trials give the same scores.

    Raises:
        NothingFinished: every trial failed.

    """

    def trials() -> Iterator[Trial]:
        for trial in recorded:
            if trial.state == "skipped":
                yield trial
                continue
            entry = algorithm(trial.algorithm, prepared.task)
            yield _try(Candidate(algorithm=entry, params=entry.check(trial.params), seed=seed), prepared, scoring)

    return _run(trials(), len(recorded), prepared.task, on_trial)


def _run(trials: Iterator[Trial], count: int, task_id: TaskId, on_trial: OnTrial) -> Search:
    ended: list[Trial] = []
    for place, trial in enumerate(trials):
        ended.append(trial)
        on_trial(place, count, trial)
    finished = [trial for trial in ended if trial.state == "finished"]
    if not finished:
        reasons = " ".join(dict.fromkeys(note for trial in ended for note in trial.notes[:1]))
        raise NothingFinished(
            f"None of {len(ended)} trials could be fitted. {reasons[:1000]}",
            next="Check the data, or train one algorithm by name to see its own message.",
        )
    return Search(trials=tuple(ended), best=max(finished, key=lambda trial: ranking(trial, task_id)))


def ranking(trial: Trial, task_id: TaskId) -> float:
    """What trials are ranked by, higher is better; of equals the earlier trial wins."""
    metric = task(task_id).primary
    value = trial.scores.get(metric.name)
    if value is None:
        return -math.inf
    return value if metric.better == "higher" else -value


def _try(candidate: Candidate, prepared: Prepared, scoring: Scoring) -> Trial:
    try:
        scored = score(candidate, prepared, scoring)
    except TrainingFailed as error:
        return Trial(**candidate.to_json(), state="failed", notes=(error.message,))
    return Trial(
        **candidate.to_json(),
        state="finished",
        scores=scored.scores,
        duration_s=scored.duration_s,
        notes=scored.notes,
    )


def _warm_up(candidate: Candidate, prepared: Prepared) -> None:
    """Loads the library before the clock starts: seconds on a cold disk, and no trial's fault."""
    with suppress(TrainingFailed):
        fit(candidate, prepared, np.arange(min(len(prepared), PROBE_ROWS[0])))


def _expected_cost_s(candidate: Candidate, prepared: Prepared, scoring: Scoring) -> float:
    """Seconds that scoring a candidate and fitting it once more will take, told from fits on few rows.

    A fit costs something whatever the rows and more for each of them: two sizes tell the two apart.
    """
    if len(prepared) <= PROBED_ROWS:
        return 0.0
    order = np.random.default_rng(candidate.seed).permutation(len(prepared))
    few, more = PROBE_ROWS
    try:
        fit(candidate, prepared, np.sort(order[:few]))  # the first pays for what the library loads
        fixed_s, grown_s = (fit(candidate, prepared, np.sort(order[:rows])).duration_s for rows in PROBE_ROWS)
    except TrainingFailed:
        return 0.0  # few rows may lack a class; the trial itself will tell
    growth = candidate.algorithm.growth
    steps = (math.pow(len(prepared), growth) - math.pow(few, growth)) / (math.pow(more, growth) - math.pow(few, growth))
    return (fixed_s + max(0.0, grown_s - fixed_s) * steps) * (scoring.fits + 1)
