"""The home folder: everything a Tholos server keeps, owned by one process tree at a time."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tholos.kit.errors import Conflict


class HomeInUse(Conflict):
    """Another Tholos server is running on this home folder."""

    code = "home_in_use"


class HomeLock:
    """Holds a home folder for the life of a process; the kernel lets go when the process dies, however it dies."""

    def __init__(self, home: Path) -> None:
        self._path = home / "lock"
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Takes the home folder. Raises HomeInUse, naming the owner, when another process tree has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode(errors="replace")
            os.close(descriptor)
            raise HomeInUse(
                f"Another Tholos server is already running on {self._path.parent} ({owner or 'starting'}).",
                next="Use that server, stop it first, or start this one on another folder with THOLOS_HOME=… .",
                home=str(self._path.parent),
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}".encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Lets the home folder go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def announce(run_dir: Path, url: str) -> None:
    """Leaves the server's address for clients on this machine (``run/server.json``)."""
    write_private(run_dir / "server.json", json.dumps({"url": url, "pid": os.getpid()}))


def announced_url(run_dir: Path) -> str:
    """The server's address on this machine, as it was left there; empty where there is none."""
    try:
        return str(json.loads((run_dir / "server.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""
