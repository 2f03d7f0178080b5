"""Who fetches what: one at a time per thing, and so many at once on this machine, whichever process they are in."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tholos.hub.mirror.errors import UpstreamBusy
from tholos.kit.settings import Settings

_POLL_S: Final = 0.05


@contextmanager
def turn(settings: Settings, name: str) -> Iterator[None]:
    """Holds the thing of that name; whoever wants it too waits. The kernel lets go when the process dies."""
    descriptor = _opened(settings, name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def slot(settings: Settings, wait_s: float) -> Iterator[None]:
    """One of the fetches that may go on at the same time. Raises UpstreamBusy when there is none in time."""
    deadline = time.monotonic() + wait_s
    while (descriptor := _free(settings)) is None:
        if time.monotonic() > deadline:
            raise UpstreamBusy("Too many files and repos are being fetched at this moment.", next="Try again.")
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


def _free(settings: Settings) -> int | None:
    for number in range(settings.max_upstream_fetches):
        descriptor = _opened(settings, f"slot-{number}")
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        os.close(descriptor)
    return None


def _opened(settings: Settings, name: str) -> int:
    return os.open(lock_path(settings, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def lock_path(settings: Settings, name: str) -> Path:
    """The file by whose lock processes know who has the thing of that name; it stays."""
    settings.mirror_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.mirror_dir / f"{name}.lock"
