"""How much memory a process may take that runs somebody's file."""

from __future__ import annotations

import resource
from pathlib import Path

SPARE_BYTES = 4 << 30
"""Memory that a process may take beside what it has and the weights."""


class MemoryLimit:
    """Keeps this process from taking all memory: a template out of a file is a program, and may count to a billion."""

    def __init__(self, weights: int) -> None:
        """Leaves room for a copy of the ``weights`` mapped bytes in another order, and for the context."""
        self._before = resource.getrlimit(resource.RLIMIT_DATA)
        soft, hard = self._before
        if soft != resource.RLIM_INFINITY:
            return  # somebody set a limit already
        status = Path("/proc/self/status").read_text()
        taken = int(status.partition("VmData:")[2].split()[0]) << 10
        limit = taken + 2 * weights + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))

    def lift(self) -> None:
        """Leave the process as it was found."""
        resource.setrlimit(resource.RLIMIT_DATA, self._before)
