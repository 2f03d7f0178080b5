"""What fetches that were cut off have left: gone on with while somebody may still ask, swept afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from tholos.hub.mirror.promises import promised
from tholos.hub.mirror.turns import lock_path
from tholos.kit.database import Database
from tholos.kit.settings import Settings

_LEFT: Final = re.compile(r"(?P<name>(?P<repo>[a-z0-9_]+)-(?P<sha256>[0-9a-f]{64}))\.(?:part|failure)")


def sweep_leftovers(settings: Settings, database: Database, older_than_s: float) -> int:
    """Removes parts, and notes of failures, to which nothing was added for so long or that nobody waits for any more.

    Nobody waits for content that its repo has meanwhile, or whose repo is gone. What is being fetched stays. Returns
    how many were removed.
    """
    horizon = time.time() - older_than_s
    removed = 0
    for path in sorted(settings.mirror_dir.glob("*-*.*")):
        found = _LEFT.fullmatch(path.name)
        if found is None:
            continue
        with _untouched(settings, found["name"]) as free, suppress(FileNotFoundError):
            if free and (path.stat().st_mtime < horizon or not _is_awaited(database, found["repo"], found["sha256"])):
                path.unlink()
                removed += 1
    return removed


def _is_awaited(database: Database, repo_id: str, sha256: str) -> bool:
    with database.read() as read:
        return bool(promised(read, repo_id, [sha256]))


@contextmanager
def _untouched(settings: Settings, name: str) -> Iterator[bool]:
    """Whether nobody is at it; then nobody can begin until the context is left."""
    descriptor = os.open(lock_path(settings, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
