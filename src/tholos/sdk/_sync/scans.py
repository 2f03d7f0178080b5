# Generated from sdk/_async/scans.py by scripts/generate_sync_client.py; do not edit.
"""Scans: what the server found in pushed files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tholos.sdk import errors
from tholos.sdk._sync.concurrency import sleep
from tholos.sdk._sync.jobs import Job
from tholos.sdk.references import Kind, Reference, repo_path
from tholos.sdk.results import JobRecord, Scan

if TYPE_CHECKING:
    from tholos.sdk._sync.client import Client

_FIRST_POLL_S = 0.2
_LONGEST_POLL_S = 2.0


class Scans:
    """Verdicts on revisions and their files. A push is scanned by itself."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, name: str, *, kind: Kind = "model", paths: Sequence[str] = ()) -> Scan:
        """The verdict on ``ns/name`` or ``ns/name@rev``, with what was found in its files that are not safe.

        ``paths`` asks for these files instead, whatever their verdict is.
        """
        reference = Reference.parse(name)
        query = {"revision": reference.revision, "path": list(paths) or None}
        return Scan.of(self._client.transport.call("GET", self._path(reference, kind), query=query))

    def wait(self, name: str, *, kind: Kind = "model", timeout: float | None = 600.0) -> Scan:
        """The verdict, once the scan is done. Raises WaitTimedOut."""
        started, pause = time.monotonic(), _FIRST_POLL_S
        while not (found := self.get(name, kind=kind)).done:
            if timeout is not None and time.monotonic() - started > timeout:
                raise errors.WaitTimedOut(
                    f"The scan of {name} is not done after {timeout:g} seconds.",
                    next=f"Look again with `tholos scan {name}`.",
                )
            sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_S)
        return found

    def again(self, name: str, *, kind: Kind = "model") -> Job:
        """Scans a revision anew."""
        reference = Reference.parse(name)
        path, query = self._path(reference, kind), {"revision": reference.revision}
        answer = self._client.transport.call("POST", path, query=query)
        return Job(self._client.transport, JobRecord.of(answer))

    def all(self, *, force: bool = False) -> Job:
        """Has everything scanned that another version of the scanner saw, or with ``force`` everything.

        Administrators only. The job asks for the scans, which are jobs of their own.
        """
        answer = self._client.transport.call("POST", "/api/v1/scans", body={"force": force})
        return Job(self._client.transport, JobRecord.of(answer))

    def _path(self, reference: Reference, kind: Kind) -> str:
        name = self._client.full_name(reference.name)
        return f"{repo_path(kind, name)}/scan"
