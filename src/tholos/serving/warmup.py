"""Warming up: a model answers its own example before any caller meets it, and shows how fast it is."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tholos import runtimes
from tholos.kit.errors import TholosError
from tholos.kit.logs import get_logger
from tholos.runtimes import LoadedModel
from tholos.runtimes.errors import BrokenModel
from tholos.serving.errors import InferenceFailed, OutputMisfit
from tholos.tasks.signature import Batch, Outputs, Signature, decode

WARM_UP_ROWS = 32
_TIMED_RUNS = 5
_NEXT = "Train or compile the model again, and deploy the new revision."

log = get_logger("serving.warmup")


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The median number of seconds that a batch of ``rows`` copies of the example took."""

    rows: int
    batch_s: float


def rows_of(batch: Batch) -> int:
    """The number of rows of a batch."""
    return len(next(iter(batch.values())))


def load_warm(folder: Path) -> tuple[LoadedModel, WarmUp]:
    """Loads the model in ``folder`` and runs its example. Blocks; call it off the loop.

    Raises BrokenModel, or what the runtime says is wrong with the artifact.
    """
    try:
        model = runtimes.load(folder)
    except (TholosError, OSError):
        raise
    except Exception as error:  # an artifact may break its library in any way
        log.exception("a model does not load", folder=folder.name)
        reason = f"{type(error).__name__}: {error}".replace(f"{folder}/", "")
        raise BrokenModel(f"The model does not load: {reason}"[:500], next=_NEXT) from error
    try:
        return model, _warm_up(model)
    except BaseException:
        model.close()
        raise


def infer(model: LoadedModel, batch: Batch) -> Outputs:
    """Runs a batch and checks that every row was answered with what the signature allows.

    Raises InferenceFailed when the model fails on this input, OutputMisfit when its answer is not the signature's.
    """
    try:
        outputs = model.infer(batch)
    except TholosError:
        raise
    except Exception as error:  # a runtime may raise anything; the caller gets one sentence, the log the rest
        log.exception("inference failed")
        raise InferenceFailed(
            f"The model failed on this input ({type(error).__name__}).",
            next="Check the input against the deployment's schema and example; the server's log has the reason.",
        ) from error
    problem = _misfit(model.signature, outputs, rows_of(batch))
    if problem:
        raise OutputMisfit(f"The model's output does not fit its signature: {problem}.", next=_NEXT)
    return outputs


def _misfit(signature: Signature, outputs: Outputs, rows: int) -> str | None:
    if signature.output.labels is None:
        values = outputs.get("value" if signature.output.kind == "number" else "text", ())
        return None if len(values) == rows else f"it answered {len(values)} of {rows} rows"
    labels = len(signature.output.labels)
    index = outputs.get("label_index", np.empty(0, np.int64))
    if index.shape != (rows,):
        return f"it answered {len(index)} of {rows} rows"
    if index.min() < 0 or index.max() >= labels:
        return f"it answered a class that is none of its {labels}"
    probabilities = outputs.get("probabilities")
    if probabilities is not None and probabilities.shape != (rows, labels):
        return f"its probabilities have the shape {probabilities.shape} where {(rows, labels)} is due"
    return None


def _warm_up(model: LoadedModel) -> WarmUp:
    try:
        example = model.signature.encode(model.signature.example)
    except TholosError as error:
        raise BrokenModel(
            f"The example in the model's own signature is refused: {error.message}", next=_NEXT
        ) from error
    batch = {name: np.repeat(tensor, WARM_UP_ROWS, axis=0) for name, tensor in example.items()}
    try:
        if model.signature.output.kind == "text":  # seconds a row: once is enough to see that it answers
            return WarmUp(1, _timed(model, example))
        decode(model.signature, infer(model, example))
        seconds = [_timed(model, batch) for _ in range(1 + _TIMED_RUNS)]
    except InferenceFailed as error:
        raise BrokenModel(
            f"The model fails on its own example: {error.__cause__!r}."[:500],
            next=_NEXT,
        ) from error
    return WarmUp(WARM_UP_ROWS, statistics.median(seconds[1:]))


def _timed(model: LoadedModel, batch: Batch) -> float:
    started = time.perf_counter()
    infer(model, batch)
    return time.perf_counter() - started
