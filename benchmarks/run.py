"""Runs every benchmark, one after the other, and writes what they said to docs/results/benchmarks.md.

    python benchmarks/run.py

Run it on a machine that does nothing else.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from goals import PREFIX
from tholos.kit.hardware import hardware

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "results" / "benchmarks.md"
BENCHMARKS = ("startup", "server", "training", "transfer", "hub", "compile", "search")
LIBRARIES = ("tholos", "huggingface-hub", "hf-xet", "scikit-learn", "onnxruntime", "numpy", "uvicorn", "sqlalchemy")


def ten_million_additions_s() -> float:
    """Seconds of processor time for a plain loop: what the other figures must be seen against."""
    began, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - began


def main() -> int:
    """Runs, prints and writes; returns 1 when a benchmark failed."""
    load = os.getloadavg()[0]
    versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    parts = [
        "# Benchmarks",
        "",
        (
            f"Written by `make bench` on {time.strftime('%Y-%m-%d')}. {hardware()}; Linux {platform.release()}, "
            f"Python {platform.python_version()}, {versions}. Load of the machine at the start: {load:.1f}; "
            f"ten million additions in a Python loop took {ten_million_additions_s():.2f} s."
        ),
    ]
    failed, goals = False, []
    for name in BENCHMARKS:
        path = HERE / f"{name}.py"
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
        failed |= done.returncode != 0
        said = done.stdout.rstrip() or done.stderr.rstrip()
        print(said, flush=True)
        title = (path.read_text().split('"""')[1]).strip().splitlines()[0]
        lines = said.splitlines()
        goals += [f"| {line.removeprefix(PREFIX)} |" for line in lines if line.startswith(PREFIX)]
        figures = [line for line in lines if not line.startswith(PREFIX)]
        parts += [
            "",
            f"## {name.capitalize()}",
            "",
            f"{title} `python benchmarks/{name}.py`",
            "",
            "```",
            *figures,
            "```",
        ]
    parts += ["", "## Against the goals", "", "| goal | measured | |", "|---|---|---|", *goals]
    PAGE.write_text("\n".join([*parts, ""]), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(HERE.parent)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
