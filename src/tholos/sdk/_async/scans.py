"""Scans: what the server found in pushed files."""

# ruff: noqa: ASYNC109 - the synchronous twin has the same parameters
from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tholos.sdk import errors
from tholos.sdk._async.concurrency import sleep
from tholos.sdk._async.jobs import AsyncJob
from tholos.sdk.references import Kind, Reference, repo_path
from tholos.sdk.results import JobRecord, Scan

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient

_FIRST_POLL_S = 0.2
_LONGEST_POLL_S = 2.0


class AsyncScans:
    """Verdicts on revisions and their files. A push is scanned by itself."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def get(self, name: str, *, kind: Kind = "model", paths: Sequence[str] = ()) -> Scan:
        """The verdict on ``ns/name`` or ``ns/name@rev``, with what was found in its files that are not safe.

        ``paths`` asks for these files instead, whatever their verdict is.
        """
        reference = Reference.parse(name)
        query = {"revision": reference.revision, "path": list(paths) or None}
        return Scan.of(await self._client.transport.call("GET", await self._path(reference, kind), query=query))

    async def wait(self, name: str, *, kind: Kind = "model", timeout: float | None = 600.0) -> Scan:
        """The verdict, once the scan is done. Raises WaitTimedOut."""
        started, pause = time.monotonic(), _FIRST_POLL_S
        while not (found := await self.get(name, kind=kind)).done:
            if timeout is not None and time.monotonic() - started > timeout:
                raise errors.WaitTimedOut(
                    f"The scan of {name} is not done after {timeout:g} seconds.",
                    next=f"Look again with `tholos scan {name}`.",
                )
            await sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_S)
        return found

    async def again(self, name: str, *, kind: Kind = "model") -> AsyncJob:
        """Scans a revision anew."""
        reference = Reference.parse(name)
        path, query = await self._path(reference, kind), {"revision": reference.revision}
        answer = await self._client.transport.call("POST", path, query=query)
        return AsyncJob(self._client.transport, JobRecord.of(answer))

    async def all(self, *, force: bool = False) -> AsyncJob:
        """Has everything scanned that another version of the scanner saw, or with ``force`` everything.

        Administrators only. The job asks for the scans, which are jobs of their own.
        """
        answer = await self._client.transport.call("POST", "/api/v1/scans", body={"force": force})
        return AsyncJob(self._client.transport, JobRecord.of(answer))

    async def _path(self, reference: Reference, kind: Kind) -> str:
        name = await self._client.full_name(reference.name)
        return f"{repo_path(kind, name)}/scan"
