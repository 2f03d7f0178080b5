"""How long to wait before trying again what has just failed."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 60.0


class Backoff:
    """Waits that double from half a second up to a minute."""

    def __init__(self) -> None:
        self._failures = 0

    def next_s(self) -> float:
        """Counts one failure more and returns the seconds to wait."""
        wait = min(FIRST_S * 2.0**self._failures, LONGEST_S)
        self._failures = min(self._failures + 1, 16)
        return wait

    def reset(self) -> None:
        """Forgets the failures."""
        self._failures = 0
