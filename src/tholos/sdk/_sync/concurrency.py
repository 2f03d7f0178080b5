"""The few things that asynchronous and synchronous code do differently; each has its own version of this file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")

sleep = time.sleep
"""Waits for some seconds."""


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls what blocks; nothing else is held up by that here."""
    return function(*args, **kwargs)


def map_parallel(function: Callable[[T], U], items: Sequence[T], limit: int) -> list[U]:
    """``function`` of every item, at most ``limit`` at a time; the first failure stops the rest and is raised."""
    if len(items) == 1:
        return [function(items[0])]
    with ThreadPoolExecutor(limit) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
