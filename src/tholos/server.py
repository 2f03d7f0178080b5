"""One gateway process: the whole HTTP application on a port it shares with its siblings.

Started by the node agent as ``python -m tholos.server``; settings come by environment.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from typing import Any

import uvicorn

from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.logs import configure_logs
from tholos.kit.ports import shared_socket
from tholos.kit.processes import die_with_parent
from tholos.kit.services import Services
from tholos.kit.settings import Settings

_LINE = "THOLOS_GATEWAY_LINE"
_PARENT = "THOLOS_GATEWAY_PARENT"
_BACKLOG = 2048


class _Gateway(uvicorn.Server):
    """A uvicorn server that tells its owner when it accepts connections."""

    def __init__(self, config: uvicorn.Config, line: socket.socket) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._line.sendall(b"ready")
            self._line.close()


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is run; tests run it the same way."""
    return {
        "http": "tholos.gateway.protocol:Protocol",
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
    """Loads, waits for the agent's "go", serves until SIGTERM, then finishes open requests and leaves."""
    die_with_parent(int(os.environ.pop(_PARENT)))
    gc.disable()  # what loading makes stays: searching it for garbage costs a fifth of the start
    from tholos.app import create_app

    settings = Settings()
    configure_logs(settings.log_level)
    services = Services(settings, Database(settings.resolved_database_url), open_blob_store(settings))
    config = uvicorn.Config(create_app(services), **uvicorn_options(settings))
    config.load()
    gc.freeze()
    gc.enable()
    line = socket.socket(fileno=int(os.environ.pop(_LINE)))
    if not line.recv(16):
        return  # the agent could not prepare the platform, and has said why
    server = _Gateway(config, line)
    sock = shared_socket(settings.host, settings.port)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[sock]))


if __name__ == "__main__":
    main()
