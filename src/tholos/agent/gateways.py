"""The gateway processes: N of them on one port, replaced when they die."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress

from tholos.kit.logs import get_logger
from tholos.kit.settings import Settings

_HEAL_AFTER_S = (0.1, 0.5, 1.0, 2.0, 5.0)
log = get_logger("agent")


class Gateways:
    """Keeps N gateway processes on the port; one that dies is replaced, with a growing pause.

    A gateway loads its code at once and waits for ``go`` before it touches the database or the port, so that the
    seconds its imports take pass while the agent makes both ready.
    """

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._environment = {**os.environ, **settings.environment(), "THOLOS_PORT": str(port)}
        self.go = asyncio.Event()
        self.ready = asyncio.Event()
        self._waiting = settings.workers

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until ``stop``; returns when every gateway has finished its open requests and left."""
        await asyncio.gather(*(self._keep_one(stop) for _ in range(self._settings.workers)))

    async def _keep_one(self, stop: asyncio.Event) -> None:
        deaths = 0
        while not stop.is_set():
            process, line = await self._start()
            greeting = asyncio.create_task(self._greet(line))
            stopped = await self._until_exit(process, stop)
            greeting.cancel()
            if stopped:
                return
            log.error("gateway died", status=process.returncode)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _HEAL_AFTER_S[min(deaths, len(_HEAL_AFTER_S) - 1)])
            deaths += 1

    async def _start(self) -> tuple[asyncio.subprocess.Process, socket.socket]:
        """Starts a gateway; returns it with this end of the line between the two."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        environment = {
            **self._environment,
            "THOLOS_GATEWAY_PARENT": str(os.getpid()),
            "THOLOS_GATEWAY_LINE": str(theirs.fileno()),
        }
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tholos.server", env=environment, pass_fds=[theirs.fileno()]
            )
        return process, ours

    async def _greet(self, line: socket.socket) -> None:
        """Says "go" when the platform is prepared and hears "ready"; silence when the process dies first."""
        loop = asyncio.get_running_loop()
        with line, suppress(ConnectionError):  # `_until_exit` says what became of it
            await self.go.wait()
            await loop.sock_sendall(line, b"go")
            if await loop.sock_recv(line, 16):
                self._waiting -= 1
                if self._waiting <= 0:
                    self.ready.set()

    async def _until_exit(self, process: asyncio.subprocess.Process, stop: asyncio.Event) -> bool:
        """Waits for the process to die (False) or, told to stop, ends it (True)."""
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if exited.done():
            return False
        process.terminate()
        try:
            await asyncio.wait_for(exited, self._settings.shutdown_grace_s + 2)
        except TimeoutError:
            process.kill()
            await process.wait()
        return True
