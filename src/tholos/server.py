"""One gateway process: the whole HTTP application on a port it shares with its siblings.

Started by the node agent as ``python -m tholos.server``; settings come by environment.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import uvicorn

from tholos.app import create_app
from tholos.kit.blobs import LocalBlobStore
from tholos.kit.database import Database
from tholos.kit.logs import configure_logs
from tholos.kit.processes import die_with_parent
from tholos.kit.services import Services
from tholos.kit.settings import Settings

READY_FD = "THOLOS_GATEWAY_READY_FD"
PARENT = "THOLOS_GATEWAY_PARENT"
_BACKLOG = 2048


class _Gateway(uvicorn.Server):
    """A uvicorn server that tells its owner when it accepts connections."""

    def __init__(self, config: uvicorn.Config, ready_fd: int) -> None:
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            os.write(self._ready_fd, b"ready")
            os.close(self._ready_fd)


def shared_socket(host: str, port: int) -> socket.socket:
    """A TCP socket bound with SO_REUSEPORT: the kernel spreads connections over the processes that hold one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    return sock


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is run; tests run it the same way."""
    return {
        "http": "httptools",
        "loop": "uvloop",
        "ws": "none",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": int(settings.shutdown_grace_s),
        "backlog": _BACKLOG,
    }


def main() -> None:
    """Serves until SIGTERM, then finishes open requests and leaves."""
    die_with_parent(int(os.environ.pop(PARENT)))
    settings = Settings()
    configure_logs(settings.log_level)
    services = Services(settings, Database(settings.resolved_database_url), LocalBlobStore(settings.blobs_dir))
    config = uvicorn.Config(create_app(services), **uvicorn_options(settings))
    server = _Gateway(config, int(os.environ.pop(READY_FD)))
    sock = shared_socket(settings.host, settings.port)
    config.load()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[sock]))


if __name__ == "__main__":
    main()
