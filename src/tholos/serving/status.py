"""What a deployment is doing, told from what its holders report."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from tholos.serving.models import AGENT, Deployment, DeploymentVersion, ReplicaRow

State = Literal["starting", "ready", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Status:
    """``serving_version`` is the oldest version that some gateway still answers with; None when none answers."""

    state: State
    error: str = ""
    serving_version: int | None = None


def status_of(
    deployment: Deployment,
    rows: Sequence[ReplicaRow],
    gateways: AbstractSet[str],
    wanted_version: DeploymentVersion | None = None,
) -> Status:
    """The status of a deployment from the reports on it; ``gateways`` are the ids of those that are alive.

    ``wanted_version`` says whether what is wanted may be loaded.

    Ready means that every gateway alive answers with the wanted version; what dead ones reported is ignored.
    """
    if deployment.wanted == "stopped":
        return Status("stopped")
    newest_ready: dict[str, int] = {}
    for row in rows:
        if row.holder in gateways and row.state == "ready":
            newest_ready[row.holder] = max(row.version, newest_ready.get(row.holder, 0))
    serving = min(newest_ready.values(), default=None)
    if wanted_version is not None and wanted_version.gate != "open":
        state: State = "failed" if wanted_version.gate == "refused" else "starting"
        return Status(state, wanted_version.gate_reason, serving)
    wanted = [
        row for row in rows if row.version == deployment.version and (row.holder in gateways or row.holder == AGENT)
    ]
    error = next((row.error for row in wanted if row.error), "")
    if any(row.state == "failed" for row in wanted):
        return Status("failed", error, serving)
    everywhere = bool(gateways) and all(newest_ready.get(gateway) == deployment.version for gateway in gateways)
    if everywhere and all(row.state == "ready" for row in wanted):
        return Status("ready", "", serving)
    return Status("starting", error, serving)
