"""How fast `tholos up` is ready, and what the idle tree weighs.

    python benchmarks/server.py [--json]

Memory is the sum of PSS (each shared page counted once, divided among those who share it) over the agent and all its
children, after ten idle seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import psutil

from goals import goal
from tree import running

READY_S = 3.0
IDLE_BYTES = 250e6
STARTS = 5
IDLE_S = 10


def pss_mib(pid: int) -> float:
    """Proportional set size of a process and its descendants, in MiB."""
    process = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)]) / 2**20


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ready = []
    for _ in range(STARTS):
        with running() as tree:
            ready.append(tree.ready_s)
    with running() as tree:
        time.sleep(IDLE_S)
        memory = pss_mib(tree.pid)
    found = {"ready_s": round(statistics.median(ready), 2), "idle_pss_mib": round(memory, 1)}
    if options.json:
        print(json.dumps(found))
    else:
        print(f"ready after {found['ready_s']} s (median of {STARTS} first starts, each of which makes the database)")
        print(f"idle tree {found['idle_pss_mib']} MiB of PSS")
        goal("`tholos up` ready under 3 s", f"{found['ready_s']} s", met=found["ready_s"] < READY_S)
        goal("idle tree under 250 MB", f"{found['idle_pss_mib']} MiB", met=found["idle_pss_mib"] * 2**20 < IDLE_BYTES)


if __name__ == "__main__":
    main()
