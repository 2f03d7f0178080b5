"""The node agent: owns everything long-lived on one machine.

``python -m tholos.agent`` takes the home folder, migrates the database, makes the administrator on the first start, and
then keeps gateways, replicas and jobs running until it is told to stop. What it owns dies with it.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tholos.accounts.service import create_administrator
from tholos.data.kinds import KINDS as DATA_KINDS
from tholos.data.service import HANDLERS
from tholos.evaluation.kinds import KINDS as EVALUATION_KINDS
from tholos.jobs.kinds import Kinds
from tholos.jobs.runner import JobRunner
from tholos.kit.blobs import LocalBlobStore
from tholos.kit.database import Database
from tholos.kit.errors import Conflict, TholosError
from tholos.kit.home import HomeLock, announce, write_private
from tholos.kit.ids import new_id
from tholos.kit.logs import configure_logs, get_logger
from tholos.kit.outbox import dispatch
from tholos.kit.settings import Settings, invalid_setting
from tholos.migrations import migrate
from tholos.optimization.kinds import KINDS as OPTIMIZATION_KINDS
from tholos.serving.supervisor import Supervisor
from tholos.training.kinds import KINDS as TRAINING_KINDS

KINDS = (*DATA_KINDS, *TRAINING_KINDS, *OPTIMIZATION_KINDS, *EVALUATION_KINDS)
_HEAL_AFTER_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_HOUSEKEEPING_S = 600.0
_CHANGE_TIMEOUT_S = 1.0
log = get_logger("agent")


class PortInUse(Conflict):
    """Another program listens on the port."""

    code = "port_in_use"


class Gateways:
    """Keeps N gateway processes on the port; one that dies is replaced, with a growing pause."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._environment = {**os.environ, **settings.environment(), "THOLOS_PORT": str(port)}
        self.ready = asyncio.Event()
        self._waiting = settings.workers

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until ``stop``; returns when every gateway has finished its open requests and left."""
        await asyncio.gather(*(self._keep_one(stop) for _ in range(self._settings.workers)))

    async def _keep_one(self, stop: asyncio.Event) -> None:
        deaths = 0
        while not stop.is_set():
            process = await self._start()
            if await self._until_exit(process, stop):
                return
            log.error("gateway died", status=process.returncode)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _HEAL_AFTER_S[min(deaths, len(_HEAL_AFTER_S) - 1)])
            deaths += 1

    async def _start(self) -> asyncio.subprocess.Process:
        readable, writable = os.pipe()
        environment = {
            **self._environment,
            "THOLOS_GATEWAY_PARENT": str(os.getpid()),
            "THOLOS_GATEWAY_READY_FD": str(writable),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tholos.server", env=environment, pass_fds=[writable]
        )
        os.close(writable)
        # The pipe ends with the word "ready", or empty when the process dies first: then `_until_exit` says so.
        if await asyncio.to_thread(_read_and_close, readable):
            self._waiting -= 1
            if self._waiting <= 0:
                self.ready.set()
        return process

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


def reserve_port(host: str, port: int) -> socket.socket:
    """A bound, never listening socket that keeps ``port`` (0: a free one) for this tree. Raises PortInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Without SO_REUSEPORT first: another tree's shared port must count as taken.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            port = probe.getsockname()[1]
        reserved = socket.socket(family, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} of {host} is in use.", next="Choose another: `tholos up --port 8401`."
            ) from None
        raise PortInUse(
            f"Cannot listen on {host}:{port}: {error.strerror}.", next="Choose an address of this machine and a port."
        ) from None
    return reserved


class Agent:
    """One machine's share of the platform. Built on a home folder that is already locked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.resolved_database_url)
        self._blobs = LocalBlobStore(settings.blobs_dir)
        self._stop = asyncio.Event()
        self._services_stop = asyncio.Event()

    async def run(self) -> None:
        """Runs until SIGINT or SIGTERM: the gateways leave first, then what they depend on."""
        settings = self._settings
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with reserve_port(settings.host, settings.port) as reserved:
            port = reserved.getsockname()[1]
            url = settings.public_url or f"http://{_for_browser(settings.host)}:{port}"
            self._prepare()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stop.set)
            gateways = Gateways(settings, port)
            behind = [asyncio.create_task(self._guard(part)) for part in self._parts()]
            front = asyncio.create_task(self._guard(lambda: gateways.run(self._stop)))
            if await self._first(gateways.ready):
                announce(settings.run_dir, url)
                print(f"Tholos is ready at {url}", flush=True)
            await self._stop.wait()
            await front
            self._services_stop.set()
            await asyncio.gather(*behind)
        self._database.close()

    def _prepare(self) -> None:
        migrate(self._database)
        with self._database.write() as write:
            token = create_administrator(write)
            if token is not None:
                write_private(self._settings.admin_token_path, token + "\n")
        if token is not None:
            print(
                f"The administrator's token, shown this once (and kept in {self._settings.admin_token_path}):\n\n"
                f"    {token}\n",
                flush=True,
            )

    def _parts(self) -> list[Callable[[], Awaitable[None]]]:
        """What runs behind the gateways."""
        runner = JobRunner(self._settings, self._database, Kinds(KINDS), owner=_node_id(self._settings.home))
        supervisor = Supervisor(self._settings, self._database, self._blobs)
        return [
            lambda: runner.run(self._services_stop),
            lambda: supervisor.run(self._services_stop),
            self._deliver_outbox,
            self._keep_house,
        ]

    async def _deliver_outbox(self) -> None:
        watch = Database(self._settings.resolved_database_url, pool_size=1)
        while not self._services_stop.is_set():
            await asyncio.to_thread(dispatch, self._database, HANDLERS)
            await asyncio.to_thread(watch.wait_for_change, _CHANGE_TIMEOUT_S)
        watch.close()

    async def _keep_house(self) -> None:
        while not self._services_stop.is_set():
            await asyncio.to_thread(self._blobs.sweep)
            await asyncio.to_thread(self._database.checkpoint)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._services_stop.wait(), _HOUSEKEEPING_S)

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


def _node_id(home: Path) -> str:
    """This home's name among the nodes of a database, made at its first start."""
    path = home / "node-id"
    if not path.exists():
        write_private(path, new_id("node"))
    return path.read_text()


def _for_browser(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - a name to show, not an address to bind
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _read_and_close(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 16)
    finally:
        os.close(descriptor)


def main() -> None:
    """Runs the agent in the foreground. Exits with 1 and a clear sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="python -m tholos.agent", description="Run the Tholos platform.")
    for name, kind in (("host", str), ("port", int), ("workers", int), ("home", str)):
        parser.add_argument(f"--{name}", type=kind)
    os.umask(0o077)  # what a home holds is for its owner alone
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    try:
        settings = Settings(**given)
        configure_logs(settings.log_level)
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with HomeLock(settings.home):
            asyncio.run(Agent(settings).run())
    except TholosError as error:
        sys.exit(f"error: {error.message}\n  → {error.next}")
    except ValidationError as error:
        sys.exit(f"error: {invalid_setting(error)}\n  → Change or unset it; docs/reference/settings.md has the bounds.")


if __name__ == "__main__":
    main()
