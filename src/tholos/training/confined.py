"""A fit by code of an algorithm repo: a scikit-learn estimator by its door, a sandboxed process behind it.

What goes in are arrays in files; what comes out is one skops file, which is read as any model from outside is: its
types are checked against the list of those that are trusted, then its numbers. Nothing is unpickled.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tholos.jobs.folders import remove_folder
from tholos.jobs.sandbox.errors import SandboxResult
from tholos.jobs.sandbox.mechanisms import Mechanism, Order
from tholos.jobs.sandbox.results import take
from tholos.jobs.sandbox.run import Limits, Listener, run
from tholos.runtimes.skops import load_pipeline
from tholos.training.errors import TrainingFailed

RESULT = "estimator.skops"
_TRIED_ROWS = 200


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where and how the code of one algorithm revision is run."""

    title: str
    code: Path
    """A folder with the files of the revision, and nothing else."""
    entry: str
    scratch: Path
    mechanism: Mechanism
    limits: Limits
    listener: Listener


class ConfinedEstimator:
    """What stands at the end of a pipeline until it is fitted; then `fitted` takes its place."""

    def __init__(self, workplace: Workplace, params: Mapping[str, Any], task: str, seed: int) -> None:
        self._workplace = workplace
        self._params = dict(params)
        self._task = task
        self._seed = seed
        self.fitted: Any = None

    def fit(self, rows: Any, target: Any) -> ConfinedEstimator:
        """Run the code on prepared rows (an array, or a sparse matrix of texts) and take what it fitted.

        Raises:
            SandboxLimit, SandboxCrashed, SandboxResult: see `tholos.jobs.sandbox`.
            UntrustedTypes, BrokenModel: its result is of no type that Tholos loads, or contradicts itself.
            TrainingFailed: it returned something else than an estimator for this task.

        """
        place = self._workplace
        folder = Path(tempfile.mkdtemp(prefix="fit-", dir=place.scratch))
        try:
            given, out = folder / "in", folder / "out"
            given.mkdir()
            out.mkdir()
            self._hand_over(rows, target, given)
            order = Order(
                target="tholos.training.inside:fit",
                arguments={"given": str(given), "result": str(out / RESULT), "entry": place.entry},
                read=given,
                write=out,
            )
            run(order, place.limits, place.mechanism, place.listener)
            taken = folder / RESULT
            take(out / RESULT, taken, place.limits.disk_bytes)
            self.fitted = self._checked(load_pipeline(taken), rows, target)
        finally:
            remove_folder(folder)
        return self

    def _hand_over(self, rows: Any, target: Any, folder: Path) -> None:
        if hasattr(rows, "tocsr"):
            import scipy.sparse

            scipy.sparse.save_npz(folder / "rows.npz", rows.tocsr(), compressed=False)
        else:
            np.save(folder / "rows.npy", np.ascontiguousarray(rows, dtype=np.float64), allow_pickle=False)
        np.save(folder / "target.npy", np.asarray(target), allow_pickle=False)
        work = {"task": self._task, "params": self._params, "seed": self._seed}
        (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")
        _copy(self._workplace.code, folder / "code")

    def _checked(self, fitted: Any, rows: Any, target: Any) -> Any:
        """The estimator, after a try on some of its rows. Raises TrainingFailed."""
        some = rows[:_TRIED_ROWS]
        regression = self._task == "tabular-regression"
        asked = "predict" if regression else "predict_proba"
        if not hasattr(fitted, asked):
            raise self._refused(f"returned a {type(fitted).__name__}, which cannot {asked}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answers = np.asarray(getattr(fitted, asked)(some), dtype=np.float64)
        except Exception as error:  # whatever a strange estimator makes scikit-learn trip over
            reason = " ".join(str(error).split())[:200]
            raise self._refused(f"returned an estimator that fails on its own rows ({reason})") from error
        classes = 0 if regression else int(np.max(target)) + 1
        if not regression and list(getattr(fitted, "classes_", ())) != list(range(classes)):
            raise self._refused(f"returned an estimator whose classes_ are not 0 to {classes - 1}")
        shape = (some.shape[0],) if regression else (some.shape[0], classes)
        if answers.shape != shape or not np.isfinite(answers).all():
            raise self._refused("returned an estimator whose answers have the wrong shape, or are no numbers")
        if not regression and not (np.all(answers >= 0) and np.allclose(answers.sum(axis=1), 1, atol=1e-3)):
            raise self._refused("returned an estimator whose probabilities do not add up to 1")
        return fitted

    def _refused(self, problem: str) -> TrainingFailed:
        return TrainingFailed(
            f"{self._workplace.title} {problem}.",
            next="The function must return a fitted scikit-learn estimator for the task: see docs/algorithms.md.",
        )


def settled(pipeline: Any) -> Any:
    """A fitted pipeline in which what was fitted elsewhere has taken its place."""
    name, model = pipeline.steps[-1]
    if isinstance(model, ConfinedEstimator):
        if model.fitted is None:
            raise SandboxResult("The algorithm's code returned nothing.", next="Have it return a fitted estimator.")
        pipeline.steps[-1] = (name, model.fitted)
    return pipeline


def _copy(source: Path, target: Path) -> None:
    """Hard links would share the server's own files with the code; copies are its own."""
    shutil.copytree(source, target)
