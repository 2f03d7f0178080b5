"""The order that a runner gives to a child process: the whole of its command line. Imports nothing heavy."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """Run this job under this fence with this work function."""

    job_id: str
    fence: int
    work: str
    """``module:function``."""
    lease_s: float
    channel: int
    """Descriptor of the child's end of the socket pair (``jobs.messages``)."""
    owner: int
    """Process id of the runner, without which the child has no reason to live."""

    def command(self) -> list[str]:
        """The command that carries it out."""
        # -P: the scratch folder, where the child starts, must not shadow modules.
        fields = [self.job_id, self.fence, self.work, self.lease_s, self.channel, self.owner]
        return [sys.executable, "-P", "-m", "tholos.jobs.child", *map(str, fields)]

    @classmethod
    def parse(cls, arguments: list[str]) -> Order:
        """The order of a child's arguments."""
        job_id, fence, work, lease_s, channel, owner = arguments
        return cls(job_id, int(fence), work, float(lease_s), int(channel), int(owner))
