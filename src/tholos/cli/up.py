"""``tholos up``: starts the platform."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from tholos.cli.failures import fail

_NEEDED = ("fastapi", "sqlalchemy", "uvicorn", "pydantic_settings")


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that share the port.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder that holds everything.")] = None,
) -> None:
    """Start the platform on this machine, in the foreground until Ctrl-C.

    The first start creates the administrator and prints a token once. What is not given comes from THOLOS_HOST,
    THOLOS_PORT, THOLOS_WORKERS and THOLOS_HOME, or its default: see `tholos config`.

    Examples:
      tholos up
      tholos up --port 9000 --workers 2
      tholos up --home /srv/tholos --host 0.0.0.0
    """
    if not all(find_spec(name) for name in _NEEDED):
        fail("The platform is not installed, only the client.", "Install it: pip install 'tholos[server]'")
    options = {"--host": host, "--port": port, "--workers": workers, "--home": home}
    flags = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "tholos.agent", *flags])  # noqa: S606 - our own module, no shell
