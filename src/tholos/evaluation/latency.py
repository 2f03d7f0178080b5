"""How long one row takes through a loaded model."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tholos.evaluation.intervals import median_range
from tholos.runtimes import LoadedModel
from tholos.tasks.signature import Batch

MOST_ROWS = 200
_WARM_UP = 5
_BUDGET_S = 3.0


def row_latency(model: LoadedModel, batch: Batch) -> dict[str, Any]:
    """Measure the milliseconds of `infer` on single rows of *batch*, one after the other.

    Returns the median, its 95 % interval (null of fewer than six rows) and on how many rows it was measured: at most
    200, fewer of a model that would need more than three seconds for them. Decoding the request is not part of it.
    """
    rows = min(MOST_ROWS, len(next(iter(batch.values()))))
    single = [{name: tensor[place : place + 1] for name, tensor in batch.items()} for place in range(rows)]
    for each in single[:_WARM_UP]:
        model.infer(each)
    taken: list[float] = []
    deadline = time.perf_counter() + _BUDGET_S
    for each in single:
        begin = time.perf_counter()
        model.infer(each)
        end = time.perf_counter()
        taken.append((end - begin) * 1_000.0)
        if end > deadline:
            break
    milliseconds = np.array(taken)
    bounds = median_range(milliseconds)
    return {
        "value": float(np.median(milliseconds)),
        "low": bounds.low if bounds else None,
        "high": bounds.high if bounds else None,
        "rows": len(taken),
    }
