"""One machine's share of the platform: starts gateways and the parts behind them, and keeps them until told to stop.

What the agent owns dies with it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tholos.agent.gateways import Gateways
from tholos.kit.home import announce
from tholos.kit.logs import get_logger
from tholos.kit.ports import reserve_port
from tholos.kit.settings import Settings

if TYPE_CHECKING:
    from tholos.agent.parts import Parts

log = get_logger("agent")


class Agent:
    """Built on a home folder that is already locked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._services_stop = asyncio.Event()

    async def run(self) -> None:
        """Runs until SIGINT or SIGTERM: the gateways leave first, then what they depend on."""
        settings = self._settings
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        with reserve_port(settings.host, settings.port) as reserved:
            port = reserved.getsockname()[1]
            gateways = Gateways(settings, port)
            front = asyncio.create_task(self._guard(lambda: gateways.run(self._stop)))
            try:
                parts = await asyncio.to_thread(self._prepare)
            except BaseException:
                self._stop.set()
                await front
                raise
            behind = [asyncio.create_task(self._guard(part)) for part in parts.all(self._services_stop)]
            gateways.go.set()
            if await self._first(gateways.ready):
                url = settings.public_url or f"http://{_for_browser(settings.host)}:{port}"
                announce(settings.run_dir, url)
                print(f"Tholos is ready at {url}", flush=True)
                if settings.home != Settings.model_fields["home"].get_default(call_default_factory=True):
                    print(f"In another terminal of this machine: export THOLOS_HOME={settings.home}", flush=True)
            await self._stop.wait()
            await front
            self._services_stop.set()
            await asyncio.gather(*behind)
        parts.close()

    def _prepare(self) -> Parts:
        from tholos.agent.parts import Parts  # a second of imports, spent while the gateways do theirs

        parts = Parts(self._settings)
        token = parts.prepare()
        if token is not None:
            print(
                f"The administrator's token, shown this once (and kept in {self._settings.admin_token_path}):\n\n"
                f"    {token}\n",
                flush=True,
            )
        return parts

    async def _guard(self, part: Callable[[], Awaitable[None]]) -> None:
        """A part that fails takes the agent down, visibly: half a platform is worse than none."""
        try:
            await part()
        except BaseException:
            log.exception("a part of the agent failed; stopping")
            self._stop.set()
            self._services_stop.set()
            raise

    async def _first(self, event: asyncio.Event) -> bool:
        """Waits for ``event`` (True) or for the stop (False)."""
        waits = [asyncio.create_task(event.wait()), asyncio.create_task(self._stop.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return event.is_set()


def _for_browser(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - a name to show, not an address to bind
        return "localhost"
    return f"[{host}]" if ":" in host else host
