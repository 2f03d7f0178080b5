"""The upkeep of the server's store, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tholos.sdk._async.jobs import AsyncJob
from tholos.sdk.results import JobRecord

if TYPE_CHECKING:
    from tholos.sdk._async.transport import AsyncTransport


class AsyncStore:
    """What the server keeps: garbage collection, packing and verification, each as a job."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def collect(self, *, dry_run: bool = False) -> AsyncJob:
        """Removes what nothing leads to any more; its result counts what went and the bytes freed.

        With ``dry_run`` it only says what would go.
        """
        return await self._start("/api/v1/hub/collect", {"dry_run": dry_run})

    async def fsck(self, *, quick: bool = False, repair: bool = False) -> AsyncJob:
        """Reads back every file and git object; its result says whether all is ``sound``, and names the ``damage``.

        ``quick`` looks at existence and sizes only; ``repair`` mends what can be mended without losing anything.
        """
        return await self._start("/api/v1/hub/fsck", {"quick": quick, "repair": repair})

    async def pack(self) -> AsyncJob:
        """Cuts files that came whole into chunks that the versions of a repo share; its result says what that saves.

        The whole files go when it has run twice again, two hours apart.
        """
        return await self._start("/api/v1/hub/pack", None)

    async def _start(self, path: str, body: dict[str, Any] | None) -> AsyncJob:
        return AsyncJob(self._transport, JobRecord.of(await self._transport.call("POST", path, body=body)))
