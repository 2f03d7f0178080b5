"""A goal and what was measured, in one line that `run.py` gathers into a table."""

from __future__ import annotations

PREFIX = "goal: "


def goal(what: str, measured: str, *, met: bool) -> bool:
    """Prints the line; returns ``met``."""
    print(f"{PREFIX}{what} | {measured} | {'met' if met else 'missed'}")
    return met
