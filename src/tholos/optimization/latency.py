"""How long a row takes, in the original and in the compiled model."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from tholos.runtimes.base import LoadedModel
from tholos.tasks.signature import Batch

BATCH_SIZES = (1, 32)
REPEATS = 50
WARM_UP = 3
BUDGET_S = 1.0
"""Seconds that one model may take for one size of batch."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The time that one model took for batches of one size."""

    format: str
    batch_rows: int
    us_per_row: float
    """Microseconds: the median over the repeats, divided by the rows of a batch."""
    repeats: int


def measure(model: LoadedModel, format: str, data: Batch) -> list[Latency]:  # noqa: A002 - the file's own word
    """Time `infer` on rows of *data* for each size of batch; decoding a request is not part of it."""
    return [_measure(model, format, data, size) for size in BATCH_SIZES]


def _measure(model: LoadedModel, format: str, data: Batch, size: int) -> Latency:  # noqa: A002
    rows = len(next(iter(data.values())))
    batches = [
        {name: np.take(tensor, np.arange(start, start + size) % rows, axis=0) for name, tensor in data.items()}
        for start in range(0, min(rows, REPEATS), 7)
    ]
    for batch in batches[:WARM_UP]:
        model.infer(batch)
    seconds: list[float] = []
    deadline = time.perf_counter() + BUDGET_S
    while len(seconds) < REPEATS and (not seconds or time.perf_counter() < deadline):
        batch = batches[len(seconds) % len(batches)]
        begin = time.perf_counter()
        model.infer(batch)
        seconds.append(time.perf_counter() - begin)
    microseconds = float(np.median(seconds)) * 1e6
    return Latency(format=format, batch_rows=size, us_per_row=microseconds / size, repeats=len(seconds))
