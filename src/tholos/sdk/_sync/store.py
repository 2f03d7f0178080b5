# Generated from sdk/_async/store.py by scripts/generate_sync_client.py; do not edit.
"""The upkeep of the server's store, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tholos.sdk._sync.jobs import Job
from tholos.sdk.results import JobRecord

if TYPE_CHECKING:
    from tholos.sdk._sync.transport import Transport


class Store:
    """What the server keeps: garbage collection, packing and verification, each as a job."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def collect(self, *, dry_run: bool = False) -> Job:
        """Removes what nothing leads to any more; its result counts what went and the bytes freed.

        With ``dry_run`` it only says what would go.
        """
        return self._start("/api/v1/hub/collect", {"dry_run": dry_run})

    def fsck(self, *, quick: bool = False, repair: bool = False) -> Job:
        """Reads back every file and git object; its result says whether all is ``sound``, and names the ``damage``.

        ``quick`` looks at existence and sizes only; ``repair`` mends what can be mended without losing anything.
        """
        return self._start("/api/v1/hub/fsck", {"quick": quick, "repair": repair})

    def pack(self) -> Job:
        """Cuts files that came whole into chunks that the versions of a repo share; its result says what that saves.

        The whole files go when it has run twice again, two hours apart.
        """
        return self._start("/api/v1/hub/pack", None)

    def _start(self, path: str, body: dict[str, Any] | None) -> Job:
        return Job(self._transport, JobRecord.of(self._transport.call("POST", path, body=body)))
