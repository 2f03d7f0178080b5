"""What the probe of a mechanism runs inside: it tries what must not work."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def check(arguments: dict[str, Any], _channel: int) -> None:
    """Raises RuntimeError where anything gets through; ends by itself where all is refused."""
    refused = 0
    attempts = (
        lambda: Path(arguments["outside"]).read_bytes(),
        lambda: Path(arguments["outside"]).write_bytes(b""),
        lambda: Path(arguments["outside"]).with_name("new").touch(),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
        _fork,
    )
    for attempt in attempts:
        try:
            attempt()
        except OSError:
            refused += 1
    if refused != len(attempts):
        raise RuntimeError(f"{len(attempts) - refused} of {len(attempts)} forbidden things worked")
    Path(arguments["result"]).write_bytes(b"confined")


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
