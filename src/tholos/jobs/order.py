"""What a runner orders from the fork server: a job to run, in words that fit one message. Imports nothing heavy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """Run this job under this fence with this work function."""

    job_id: str
    fence: int
    work: str
    """``module:function``."""
    lease_s: float
    folder: str
    """Where the child starts: the run's scratch folder."""

    def encode(self) -> bytes:
        """The order as a message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Order:
        """The order of a message."""
        return cls(**json.loads(message))
