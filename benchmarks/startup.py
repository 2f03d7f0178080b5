"""How long `import tholos` and `tholos --help` take, in fresh processes.

    python benchmarks/startup.py [--rounds 10] [--check]

Prints the median of each and the bare interpreter's for comparison. ``--check`` exits 1 above the limits of the issue:
150 ms for the import, 250 ms for the help.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from goals import goal

CASES = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "import tholos": ([sys.executable, "-c", "import tholos"], 150.0),
    "import tholos; tholos.Client": ([sys.executable, "-c", "import tholos; tholos.Client"], None),
    "tholos --help": ([sys.executable, "-c", "from tholos.cli import main; main()", "--help"], 250.0),
    "tholos train --help": ([sys.executable, "-c", "from tholos.cli import main; main()", "train", "--help"], None),
}
"""Command and limit in milliseconds."""


def measure(command: Sequence[str], rounds: int) -> list[float]:
    """Milliseconds from start to exit of each round; one more before them warms the page cache."""
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - started) * 1000)
    return taken[1:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--check", action="store_true", help="exit 1 above the limits")
    options = parser.parse_args()
    goals = []
    for name, (command, limit) in CASES.items():
        taken = measure(command, options.rounds)
        median = statistics.median(taken)
        print(f"{name:<30} median {median:6.1f} ms   (min {min(taken):.1f}, max {max(taken):.1f})")
        if limit is not None:
            goals.append((f"`{name}` under {limit:.0f} ms", f"{median:.0f} ms", median < limit))
    held = [goal(what, measured, met=met) for what, measured, met in goals]  # each is printed
    return int(not all(held) and options.check)


if __name__ == "__main__":
    sys.exit(main())
