"""The few things that asynchronous and synchronous code do differently; each has its own version of this file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")

sleep = asyncio.sleep
"""Waits for some seconds without holding up others."""


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls what blocks (files, hashing) without blocking the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def map_parallel(function: Callable[[T], Awaitable[U]], items: Sequence[T], limit: int) -> list[U]:
    """``function`` of every item, at most ``limit`` at a time; the first failure stops the rest and is raised."""
    results: dict[int, U] = {}
    waiting = iter(enumerate(items))

    async def work() -> None:
        for position, item in waiting:
            results[position] = await function(item)

    workers = [asyncio.create_task(work()) for _ in range(min(limit, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[position] for position in range(len(items))]
