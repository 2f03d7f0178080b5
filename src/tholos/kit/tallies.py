"""Counting off the request path: events are gathered in memory, the same one once, and taken away in batches."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

_SAME_EVENT_S = 300.0
_MOST_REMEMBERED = 50_000


class Tally:
    """A counter by key that many threads may add to. What was not taken away dies with the process."""

    def __init__(self, same_event_s: float = _SAME_EVENT_S) -> None:
        self._same_event_s = same_event_s
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seen: dict[tuple[str, str], float] = {}

    def add(self, key: str, by: str) -> bool:
        """Counts one for ``key``, unless the same ``by`` was counted for it a moment ago; returns whether it did."""
        now = time.monotonic()
        with self._lock:
            event = (key, by)
            last = self._seen.pop(event, None)
            self._seen[event] = now if last is None or now - last > self._same_event_s else last
            if self._seen[event] != now:
                return False
            while len(self._seen) > _MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._counts[key] += 1
            return True

    def take(self) -> dict[str, int]:
        """What was counted since the last time."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
        return counts

    def put_back(self, counts: Mapping[str, int]) -> None:
        """Counts again what could not be written."""
        with self._lock:
            self._counts.update(counts)
