"""How many threads scikit-learn's own loops may use, and how they wait."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

# Threads that wait for each other sleep rather than spin: beside other busy processes, gradient boosting on 54,000 rows
# takes 3 s instead of 29 s. The library reads this when scikit-learn loads it, which is after this module was imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

THREADED_ROWS = 20_000
"""Up to so many rows one thread does the work."""


def threads_for(rows: int) -> AbstractContextManager[Any]:
    """One OpenMP thread for few rows, on which waiting for each other costs threads more than they bring."""
    return nullcontext() if rows > THREADED_ROWS else _controller().limit(limits=1, user_api="openmp")


@cache
def _controller() -> Any:
    """Finding the libraries takes a millisecond; scikit-learn must have been imported, or its own is not among them."""
    import sklearn.utils._openmp_helpers  # noqa: F401 - loads the library that is to be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
