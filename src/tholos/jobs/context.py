"""What the work of a job is given, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tholos.accounts.authorization import Actor
from tholos.jobs.errors import JobCancelled
from tholos.jobs.messages import Channel
from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database, WriteSession
from tholos.kit.settings import Settings

Publish = Callable[[WriteSession], dict[str, Any]]
"""Writes everything that a job produced, and returns its result as plain JSON. Runs in the transaction that also ends
the job: all of it becomes visible together, or none of it. It hashes nothing, calls nobody and takes milliseconds."""

Work = Callable[["JobContext"], Publish]
"""The work of a kind: first everything heavy, with no transaction open; then the closure that publishes it."""

MAX_METRICS = 100_000
_MAX_NAME = 100
_MAX_STEP = 200


@dataclass(slots=True)
class JobContext:
    """One run of a job, as its work sees it. Whatever the work prints or logs goes to the job's log."""

    job_id: str
    kind: str
    attempt: int
    """1 on the first run."""
    actor: Actor
    """Who started the job: the work acts with that account's rights, within the limits of the token it came with."""
    settings: Settings
    database: Database
    blobs: BlobStore
    folder: Path
    """A scratch folder of this run; it is removed at the end."""
    payload: dict[str, Any]
    channel: Channel
    _cancelled: bool = False
    _metrics: int = field(default=0)

    def progress(self, fraction: float, step: str = "") -> None:
        """Says how far the work is, from 0 to 1, and what it is doing ("tree 40 of 100"). Cheap: call it freely."""
        self.channel.progress(max(0.0, min(1.0, float(fraction))), step.replace("\0", "")[:_MAX_STEP])

    def metric(self, name: str, value: float, step: int) -> None:
        """Adds a point to a series, e.g. the loss after a step; a point at the same step replaces the one before.

        Beyond 100,000 points of one run a point is left out, and the log says so once.
        """
        if not 0 < len(name) <= _MAX_NAME or "\0" in name or not 0 <= step < 1 << 63:
            msg = f"a metric has a name of 1 to {_MAX_NAME} characters and a step from 0, not {name!r} and {step}"
            raise ValueError(msg)
        self._metrics += 1
        if self._metrics <= MAX_METRICS:
            self.channel.metric(name, int(step), float(value) if math.isfinite(value) else None)
        elif self._metrics == MAX_METRICS + 1:
            print(f"More than {MAX_METRICS:,} metric points: the rest is left out.")  # noqa: T201 - goes to the log

    def check_cancelled(self) -> None:
        """Raises JobCancelled when the job is to stop.

        In the main thread that happens by itself, at the next Python instruction; work in other threads asks.
        """
        if self._cancelled:
            raise JobCancelled("the runner told it to end")

    def cancel(self) -> None:
        """Makes ``check_cancelled`` raise from now on."""
        self._cancelled = True
