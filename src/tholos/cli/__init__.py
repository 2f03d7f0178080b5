"""The command line, built on the SDK: commands read arguments and print; the work is in ``tholos.sdk``."""

from __future__ import annotations


def main() -> None:
    """Runs the ``tholos`` program and exits with its code."""
    import sys

    from tholos.cli.app import run

    sys.exit(run(sys.argv[1:]))
