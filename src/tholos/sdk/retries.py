"""When a call is tried again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_REFUSED_FOR_NOW = frozenset({429, 503})
_BROKEN_ON_THE_WAY = frozenset({502, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries again up to ``retries`` times, waiting ``first_delay_s``, then twice as long each time.

    A call whose request never left is repeated whatever it does; one that may have arrived only if repeating it changes
    nothing (GET, HEAD, PUT, DELETE). 429 and 503 mean that nothing was done: when the server says with ``Retry-After``
    that it is worth another try within ``patience_s``, every method is repeated.
    """

    retries: int = 3
    first_delay_s: float = 0.1
    longest_delay_s: float = 5.0
    patience_s: float = 5.0

    def delays(self) -> Iterator[float]:
        """Seconds to wait before each further try, with jitter so that clients do not return in step."""
        for attempt in range(self.retries):
            delay = min(self.first_delay_s * 2**attempt, self.longest_delay_s)
            yield delay * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret

    def repeats_failure(self, method: str, *, request_left: bool) -> bool:
        """Whether to try again after the connection failed."""
        return not request_left or method in _SAFE_TO_REPEAT

    def wait_after(self, method: str, status: int, retry_after: str | None, delay: float) -> float | None:
        """Seconds until another try after an answer with an error status; None when there is to be none."""
        if status in _BROKEN_ON_THE_WAY:
            return delay if method in _SAFE_TO_REPEAT else None
        if status not in _REFUSED_FOR_NOW or retry_after is None or not retry_after.strip().isdigit():
            return None
        asked = float(retry_after)
        return max(asked, delay) if asked <= self.patience_s else None
