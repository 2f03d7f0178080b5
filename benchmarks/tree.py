"""Starts a whole platform for a benchmark, in a fresh home that goes away afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tree:
    """A running platform."""

    url: str
    token: str
    pid: int
    home: Path
    ready_s: float
    """From the start of the command to the first answered request."""


@contextmanager
def running() -> Iterator[Tree]:
    """A platform on a free port, ready; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="tholos-bench-") as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "THOLOS_HOME": str(home), "THOLOS_PORT": "0", "THOLOS_LOG_LEVEL": "WARNING"}
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "tholos.agent"], env=environment, stdout=subprocess.DEVNULL)
        try:
            while not (home / "run" / "server.json").exists():
                if process.poll() is not None:
                    sys.exit("the platform did not start")
                time.sleep(0.005)
            ready_s = time.perf_counter() - began
            url = json.loads((home / "run" / "server.json").read_text())["url"]
            yield Tree(url, (home / "admin-token").read_text().strip(), process.pid, home, ready_s)
        finally:
            process.terminate()
            process.wait()
