"""What a figure was measured on, as one line that a person can read and a query can compare."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_GIB = 1024**3


@cache
def hardware(root: Path = Path("/")) -> str:
    """Return processor, usable cores and usable memory, e.g. ``"Intel Xeon Platinum 8481C · 2 cores · 24 GiB"``.

    Cores and memory are what this process may use (its affinity and its control group), not what the machine has:
    two containers of different size on one machine are different hardware to a measurement. *root* is the folder under
    which ``proc`` and ``sys`` are read.
    """
    cores = _cores(root)
    memory = max(1, round(memory_bytes(root) / _GIB))
    return f"{_processor(root)} · {cores} {'core' if cores == 1 else 'cores'} · {memory} GiB"


def _processor(root: Path) -> str:
    # `platform.processor()` is empty on most Linux distributions; the kernel's own table names the model on x86.
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return " ".join(value.replace("(R)", "").replace("(TM)", "").split())
    return platform.processor() or platform.machine() or "unknown processor"


def _cores(root: Path) -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota, _, period = _read(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if quota.strip().isdigit() and period.strip().isdigit():
        usable = min(usable, max(1, round(int(quota) / int(period))))
    return usable


def memory_bytes(root: Path = Path("/")) -> int:
    """Return the bytes of memory that this process may use: the machine's, or less in a control group."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read(root / "sys/fs/cgroup/memory.max").strip()
    return min(total, int(limit)) if limit.isdigit() else total


def _read(path: Path) -> str:
    """Return the text of a kernel file, or nothing where this system has no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
