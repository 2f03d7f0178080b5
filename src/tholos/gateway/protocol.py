"""uvicorn's HTTP protocol with two copies fewer of each byte that clients upload."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Final

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

READ_BYTES: Final = 256 << 10
"""Read at once. Larger buffers fall out of the processor's cache, and are slower."""


class _Buffer(threading.local):
    """Where a thread's event loop reads to: what came is parsed before anything else is read, so one serves all."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_BYTES))


_BUFFER: Final = _Buffer()


class Protocol(HttpToolsProtocol, asyncio.BufferedProtocol):
    """Reads into a buffer that is there already, and hands a piece of a body on as the parser made it."""

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the interface's
        """Where the event loop puts what it reads next."""
        return _BUFFER.view

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes are there."""
        self.data_received(_BUFFER.view[:nbytes])  # type: ignore[arg-type]  # parsers take any buffer

    def on_body(self, body: bytes) -> None:
        """Takes a piece of a body. A large one that comes alone (then reading pauses) is passed on without a copy."""
        cycle: Any = self.cycle  # which holds a bytearray, and makes bytes of whatever it is
        if len(body) > HIGH_WATER_LIMIT and not cycle.body and not cycle.response_complete and not self._upgrades():
            cycle.body = body
            self.flow.pause_reading()
            cycle.message_event.set()
            return
        if isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body)
        super().on_body(body)

    def _upgrades(self) -> bool:
        return bool(self.parser.should_upgrade()) and self._should_upgrade()
