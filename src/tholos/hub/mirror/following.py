"""A download of content that is still being fetched: its readers get each byte as it comes, the last one when all of it
has proven to be what the repo names.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import BinaryIO, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tholos.hub.downloads import ByteRange
from tholos.hub.mirror.content import fetch, part_path
from tholos.hub.mirror.promises import is_promised
from tholos.hub.models import Repo
from tholos.hub.trees import TreeEntry
from tholos.kit.database import ReadSession
from tholos.kit.services import Services

_CHUNK_BYTES: Final = 1 << 20
_POLL_S: Final = 0.02

Answering = Callable[[ByteRange, int, Mapping[str, str]], Response]


def answering(services: Services, read: ReadSession, repo: Repo, entry: TreeEntry) -> Answering | None:
    """How a part of this file is sent while its content is with the upstream; None where the repo possesses it."""
    if not is_promised(read, repo.id, entry):
        return None
    return partial(FollowedResponse, services, repo.id, entry.sha256 or "")


class FollowedResponse(Response):
    """Fetches (or waits for whoever does) and sends what has come, ending short of its length if that fails.

    An upstream that fails before anything can be sent is a refusal with its reason.
    """

    def __init__(
        self,
        services: Services,
        repo_id: str,
        sha256: str,
        part: ByteRange,
        status_code: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(status_code=status_code)
        self._services = services
        self._sha256 = sha256
        self._repo_id = repo_id
        self._range = part
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; a client that leaves ends the answer, not the fetch."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD" or not self._range.length:
            await send(start)
            await send({"type": "http.response.body"})
            return
        fetching = asyncio.wrap_future(self._begin())
        departure = asyncio.ensure_future(_departure(receive))
        growing = _Growing(self._services, self._repo_id, self._sha256, self._range)
        try:
            while not (fetching.done() or departure.done() or await asyncio.to_thread(growing.has_begun)):
                await asyncio.wait((fetching, departure), timeout=_POLL_S)
            if fetching.done():
                fetching.result()
            await send(start)
            await self._send(send, growing, fetching, departure)
        finally:
            departure.cancel()
            growing.close()

    def _begin(self) -> Future[None]:
        future: Future[None] = Future()

        def run() -> None:
            try:
                fetch(self._services, self._repo_id, self._sha256)
            except BaseException as error:  # whoever waits is told, whatever it is
                future.set_exception(error)
            else:
                future.set_result(None)

        # a thread of its own: it may wait for hours, which the pool of the event loop must not
        threading.Thread(target=run, name="mirror-fetch", daemon=True).start()
        return future

    async def _send(
        self, send: Send, growing: _Growing, fetching: asyncio.Future[None], departure: asyncio.Future[None]
    ) -> None:
        left = self._range.length
        while left and not departure.done():
            verified = fetching.done()
            if verified:
                fetching.result()  # what it raises ends the answer short of its length
            data = await asyncio.to_thread(growing.read, hold=0 if verified else 1)
            if data:
                left -= len(data)
                await send({"type": "http.response.body", "body": data, "more_body": left > 0})
            elif verified:
                raise OSError("a blob is shorter than recorded")
            else:
                await asyncio.wait((fetching, departure), timeout=_POLL_S)


class _Growing:
    """What has come of a range so far: from the part, and from the blob once there is one."""

    def __init__(self, services: Services, repo_id: str, sha256: str, part: ByteRange) -> None:
        self._services = services
        self._path = part_path(services, repo_id, sha256)
        self._sha256 = sha256
        self._range = part
        self._at = part.start
        self._part: BinaryIO | None = None

    def read(self, *, hold: int) -> bytes:
        """The next bytes, if any; all but the last ``hold`` of the range. None held: from the verified blob."""
        want = min(_CHUNK_BYTES, self._range.end - hold - self._at)
        if want <= 0:
            return b""
        source = self._open() if hold else self._services.blobs.open(self._sha256)
        if source is None:
            return b""
        try:
            source.seek(self._at)
            data = source.read(want)
        finally:
            if not hold:
                source.close()
        self._at += len(data)
        return data

    def has_begun(self) -> bool:
        """Whether there is anything to send."""
        source = self._open()
        return source is not None and source.seek(0, 2) > self._range.start

    def close(self) -> None:
        if self._part is not None:
            self._part.close()

    def _open(self) -> BinaryIO | None:
        if self._part is None:
            try:
                self._part = self._path.open("rb", buffering=0)
            except FileNotFoundError:
                return None
        return self._part


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
