"""``python -m tholos.jobs.child``: the process in which the work of one job runs.

Started by ``jobs.runner`` in a session of its own, with standard output and error already going to the job's log. First
of all it ties its life to its runner's; only then does it import anything heavy.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from pathlib import Path

from tholos.jobs.order import Order

_PR_SET_PDEATHSIG = 1
_FIRST_TO_DIE = "500"


def bind_to(owner: int) -> None:
    """Has the kernel kill this process when the thread that started it ends; exits at once if that has happened."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != owner:  # it died before the request was made
        os._exit(1)


def main() -> int:
    """Carries out the order on the command line; returns the exit code."""
    order = Order.parse(sys.argv[1:])
    bind_to(order.owner)
    # When the machine runs out of memory the kernel shall choose the job, not the server.
    Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_DIE)
    faulthandler.enable()
    from tholos.jobs.execution import execute

    return execute(order)


if __name__ == "__main__":
    sys.exit(main())
