"""Training: from a typed table and a request to a fitted pipeline and the whole account of how it came to be."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tholos.tasks.signature import Signature
from tholos.tasks.task import task
from tholos.training.algorithm import Algorithm
from tholos.training.auto import Search, Trial, ranking, replay, search
from tholos.training.catalogue import AUTO, algorithm, suited
from tholos.training.errors import InvalidParameter, TrainingFailed
from tholos.training.fitting import Candidate, fit, score
from tholos.training.prepared import Prepared, prepare
from tholos.training.request import TrainingRequest
from tholos.training.scoring import Scores, Scoring, asked_scoring, check_scoring, usual_scoring

if TYPE_CHECKING:
    import pyarrow as pa

SCORED_WITHIN_S = 1.0
"""A named algorithm that is fitted within this time is scored as well (by one more fit) when nothing else was asked."""
SHARED_SCORED_WITHIN_S = 60.0
"""The same for code of an algorithm repo: some seconds of it go into starting a sandbox."""

RECORDED_PACKAGES = ("tholos", "scikit-learn", "numpy", "scipy", "pandas", "skops", "pyarrow", "pillow")

Progress = Callable[[float, str], None]
"""(fraction from 0 to 1, what is being done)"""

Metric = Callable[[str, float, int], None]
"""(series, value, step)"""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a replay takes from an earlier training's record, in place of decisions that depended on time."""

    scoring: Scoring | None
    trials: tuple[Trial, ...] = ()
    """Empty for a named algorithm."""

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Recorded:
        """Read the record that `Trained.to_json` wrote."""
        scoring = record["validation"] and Scoring.from_json(record["validation"]["scoring"])
        trials = tuple(
            Trial(algorithm=item["algorithm"], params=item["params"], state=item["state"], notes=tuple(item["notes"]))
            for item in record["trials"]
        )
        return cls(scoring=scoring, trials=trials)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A fitted pipeline and its account."""

    pipeline: Any
    signature: Signature
    request: TrainingRequest
    chosen: Candidate
    rows: int
    scoring: Scoring | None
    scores: Scores
    """Of the chosen candidate on rows that it was not fitted on; empty when nothing was scored."""
    trials: tuple[Trial, ...]
    """The leaderboard of `auto`, in the order of the trials; empty for a named algorithm."""
    notes: tuple[str, ...]
    duration_s: float
    fit_s: float
    """Seconds of the final fit alone."""
    peak_memory_bytes: int
    versions: dict[str, str] = field(default_factory=dict)

    def leaderboard(self) -> list[Trial]:
        """The finished trials, the best first."""
        finished = [trial for trial in self.trials if trial.state == "finished"]
        return sorted(finished, key=lambda trial: -ranking(trial, self.signature.task))

    def to_json(self) -> dict[str, Any]:
        """The account, as `training.json` keeps it and a replay reads it."""
        return {
            "format": 1,
            "request": self.request.to_json(),
            "task": self.signature.task,
            "target": self.signature.output.name,
            "features": list(self.signature.names),
            **self.chosen.to_json(),
            "seed": self.chosen.seed,
            "rows": self.rows,
            "validation": self.scoring and {"scoring": self.scoring.to_json(), "metrics": self.scores},
            "trials": [{**asdict(trial), "notes": list(trial.notes)} for trial in self.trials],
            "ranked_by": task(self.signature.task).primary.name,
            "notes": list(self.notes),
            "duration_s": self.duration_s,
            "fit_s": self.fit_s,
            "peak_memory_bytes": self.peak_memory_bytes,
            "versions": self.versions,
        }


def train(
    table: pa.Table,
    request: TrainingRequest,
    *,
    entry: Algorithm | None = None,
    recorded: Recorded | None = None,
    progress: Progress = lambda _fraction, _step: None,
    metric: Metric = lambda _name, _value, _step: None,
) -> Trained:
    """Train on every row of `table` that has a target.

    The final pipeline is always fitted on all of them; scoring fits others on parts of the rows. `recorded` replays an
    earlier training: the same trials and the same scoring, with the same figures. `entry` is the algorithm that the
    request names where that is not one of the catalogue.

    Raises:
        InvalidInput, Unprocessable: see `tholos.training.errors`; each says what to do.

    """
    started = time.perf_counter()
    progress(0.0, "preparing the data")
    prepared = prepare(table, request, entry)
    if request.algorithm == AUTO:
        outcome = _search(prepared, request, recorded, progress, metric)
    else:
        outcome = _fit_one(prepared, request, entry, recorded, progress)
    for name, value in outcome.scores.items():
        metric(f"validation.{name}", value, len(outcome.trials))
    return Trained(
        pipeline=outcome.pipeline,
        signature=prepared.signature,
        request=request,
        chosen=outcome.chosen,
        rows=len(prepared),
        scoring=outcome.scoring,
        scores=outcome.scores,
        trials=outcome.trials,
        notes=(*prepared.notes, *outcome.notes),
        duration_s=time.perf_counter() - started,
        fit_s=outcome.fit_s,
        peak_memory_bytes=_peak_memory_bytes(),
        versions=_versions(),
    )


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    pipeline: Any
    chosen: Candidate
    scoring: Scoring | None
    scores: Scores
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    fit_s: float


def _search(
    prepared: Prepared, request: TrainingRequest, recorded: Recorded | None, progress: Progress, metric: Metric
) -> _Outcome:
    if request.validation == 0.0:
        raise InvalidParameter(
            "auto compares algorithms by their scores, so it cannot do without validation.",
            next="Leave validation out, or ask for a share above 0 or for folds.",
            parameter="validation",
        )
    scoring = (recorded and recorded.scoring) or asked_scoring(request) or usual_scoring(prepared)
    check_scoring(scoring, prepared)
    primary = task(prepared.task).primary

    def told(place: int, count: int, trial: Trial) -> None:
        progress(0.9 * (place + 1) / count, f"trial {place + 1} of {count}: {trial.algorithm}, {trial.state}")
        if primary.name in trial.scores:
            metric(f"trial.{primary.name}", trial.scores[primary.name], place)
            metric("trial.duration_s", trial.duration_s, place)

    found: Search
    if recorded is not None:
        found = replay(prepared, scoring, recorded.trials, request.seed, told)
    else:
        found = search(prepared, scoring, request.budget_s, request.seed, told)
    entry = algorithm(found.best.algorithm, prepared.task)
    chosen = Candidate(algorithm=entry, params=entry.check(found.best.params), seed=request.seed)
    progress(0.9, f"fitting {entry.title.lower()} on all rows")
    final = fit(chosen, prepared)
    return _Outcome(
        pipeline=final.pipeline,
        chosen=chosen,
        scoring=scoring,
        scores=found.best.scores,
        trials=found.trials,
        notes=final.notes,
        fit_s=final.duration_s,
    )


def _fit_one(
    prepared: Prepared,
    request: TrainingRequest,
    given: Algorithm | None,
    recorded: Recorded | None,
    progress: Progress,
) -> _Outcome:
    entry = algorithm(request.algorithm, prepared.task) if given is None else suited(given, prepared.task)
    chosen = Candidate(algorithm=entry, params=entry.check(request.params), seed=request.seed)
    asked = recorded.scoring if recorded else asked_scoring(request)
    if asked:
        check_scoring(asked, prepared)
    progress(0.1, f"fitting {entry.title.lower()}")
    final = fit(chosen, prepared)
    notes = list(final.notes)
    scoring, scores = asked, {}
    if asked is None and recorded is None and request.validation is None:
        longest_s = SCORED_WITHIN_S if given is None else SHARED_SCORED_WITHIN_S
        scoring, reason = _free_scoring(prepared, final.duration_s, longest_s)
        notes.extend(reason)
    if scoring is not None:
        progress(0.6, "scoring on rows held out")
        try:
            scores = score(chosen, prepared, scoring).scores
        except TrainingFailed as error:
            if asked is not None:
                raise
            # Nobody asked for these figures: that they cannot be had must not cost the model.
            scoring = None
            notes.append(f"No validation figures: {error.message}")
    return _Outcome(
        pipeline=final.pipeline,
        chosen=chosen,
        scoring=scoring,
        scores=scores,
        trials=(),
        notes=tuple(notes),
        fit_s=final.duration_s,
    )


def _free_scoring(prepared: Prepared, fit_s: float, longest_s: float) -> tuple[Scoring | None, list[str]]:
    """The scoring that costs next to nothing, or a note that says why there is none."""
    if fit_s > longest_s:
        reason = f"No validation figures: one more fit would take {fit_s:.1f} s."
        return None, [f"{reason} Evaluate the model on a test split, or train with a validation share."]
    scoring = Scoring(method="holdout")
    if any(len(held) == 0 for _, held in scoring.divisions(prepared, 0)):
        return None, ["No validation figures: there are too few rows to hold any out."]
    return scoring, []


def _peak_memory_bytes() -> int:
    """The largest resident memory of this process so far.

    Not `ru_maxrss`, which starts with the memory of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    found.update({name: version(name) for name in RECORDED_PACKAGES})
    return found
