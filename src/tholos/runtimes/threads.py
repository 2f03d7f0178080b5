"""How many threads scikit-learn's loops and its linear algebra may use, and how they wait."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

# Threads that wait for each other sleep rather than spin: beside other busy processes, gradient boosting on 54,000 rows
# takes 3 s instead of 29 s. The library reads this when scikit-learn loads it, which is after this module was imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

THREADED_ROWS = 20_000
"""Up to so many rows one thread runs the loops: waiting for each other would cost threads more than they bring."""


def threads_for(rows: int) -> AbstractContextManager[Any]:
    """Limits threads while a model is fitted on, or answers, so many rows.

    Linear algebra always has one: its matrices are those of a mini-batch, on which OpenBLAS's threads spin (an MLP on
    5,000 rows of 784 columns takes 2.8 s of processor time with one and 10 s with two), and sums that do not depend on
    the number of cores give the same model on every machine.
    """
    loops = {} if rows > THREADED_ROWS else {"openmp": 1}
    limited: AbstractContextManager[Any] = _controller().limit(limits={"blas": 1, **loops})
    return limited


@cache
def _controller() -> Any:
    """Finding the libraries takes a millisecond; scikit-learn must have been imported, or its own is not among them."""
    import sklearn.utils._openmp_helpers  # noqa: F401 - loads the library that is to be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
