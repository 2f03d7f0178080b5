"""When a reconciler looks again: soon after the database changed, when told to, and every so often in any case."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tholos.kit.database import Database
from tholos.kit.logs import get_logger

log = get_logger("serving.watch")


class ChangeWatch:
    """Lets one task of this event loop sleep until there may be something to do."""

    def __init__(self, database_url: str, *, at_most_s: float) -> None:
        self._database = Database(database_url, pool_size=1)  # its own: only one thread may watch a Database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._at_most_s = at_most_s
        self._looking: asyncio.Future[Any] | None = None
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Ends the present ``wait``, or the next one, at once."""
        self._nudged.set()

    async def wait(self) -> None:
        """Returns when the database has changed, after a nudge, or when the time is over."""
        looking = self._looking
        if looking is None:
            looking = self._looking = asyncio.get_running_loop().run_in_executor(
                self._thread, self._database.wait_for_change, self._at_most_s
            )
        nudged: asyncio.Future[Any] = asyncio.create_task(self._nudged.wait())
        try:
            await asyncio.wait([looking, nudged], return_when=asyncio.FIRST_COMPLETED)
        finally:
            nudged.cancel()
        self._nudged.clear()
        if looking.done():
            self._looking = None
            if (error := looking.exception()) is not None:
                log.warning("the database cannot be watched", error=repr(error))
                await asyncio.sleep(self._at_most_s)  # it may come back; until then look now and then

    async def close(self) -> None:
        """Lets the thread and the connection go."""
        if self._looking is not None:
            await asyncio.wait({self._looking})
        self._thread.shutdown()
        self._database.close()
