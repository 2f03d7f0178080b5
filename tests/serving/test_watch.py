from __future__ import annotations

import asyncio

from model_samples import onnx_files, publish

from tholos.serving.backoff import LONGEST_S, Backoff
from tholos.serving.watch import ChangeWatch

DEADLINE_S = 20


async def test_a_change_by_anyone_ends_the_wait(settings, services, ada):
    watch = ChangeWatch(settings.resolved_database_url, at_most_s=600)
    async with asyncio.timeout(DEADLINE_S):
        await watch.wait()  # the first look always says "look"
        waiting = asyncio.create_task(watch.wait())
        await asyncio.to_thread(publish, services, ada, onnx_files())
        await waiting
    watch.nudge()
    async with asyncio.timeout(DEADLINE_S):
        await watch.wait()


async def test_a_nudge_ends_the_wait_and_counts_when_it_comes_first(settings):
    watch = ChangeWatch(settings.resolved_database_url, at_most_s=1)
    async with asyncio.timeout(DEADLINE_S):
        await watch.wait()
        waiting = asyncio.create_task(watch.wait())
        await asyncio.sleep(0)
        watch.nudge()
        await waiting
        watch.nudge()
        await watch.wait()
        await watch.close()


def test_waits_double_up_to_a_minute_and_start_over_after_a_success():
    backoff = Backoff()
    waits = [backoff.next_s() for _ in range(12)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_S
    backoff.reset()
    assert backoff.next_s() == 0.5
