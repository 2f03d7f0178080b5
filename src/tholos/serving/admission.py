"""Whether a version may be loaded: its files have been scanned, and none of those that are read was found unsafe.

A version that waits is not loaded by anyone; what was served before goes on. When the scan is done the outbox says so,
and the gate opens or stays shut for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tholos.accounts.authorization import Actor
from tholos.accounts.service import record_audit, require_admin
from tholos.hub.service import Repo, RepoKind
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.outbox import Handlers
from tholos.kit.settings import Settings
from tholos.scanning import repository as scans
from tholos.scanning import service as scanning
from tholos.scanning.errors import ScanPending, UnsafeRevision
from tholos.serving import repository
from tholos.serving.models import Deployment, DeploymentVersion


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about files that have not been scanned, and about those that were found unsafe."""

    unscanned: Literal["wait", "refuse", "allow"] = "wait"
    allow_unsafe: bool = False
    """An administrator takes the risk; this is audited."""


def policy_of(settings: Settings, *, allow_unsafe: bool = False) -> Policy:
    """The operator's choice; where nothing is scanned nothing is waited for."""
    return Policy(settings.deploy_unscanned if settings.scan_pushes else "allow", allow_unsafe)


def admit(write: WriteSession, actor: Actor, version: DeploymentVersion, label: str, policy: Policy) -> None:
    """Sets the gate of a version that is about to be wanted.

    Raises UnsafeRevision, ScanPending (where the policy is to refuse), and Forbidden for an override by anyone but an
    administrator.
    """
    if policy.allow_unsafe:
        require_admin(actor)
    gate = gate_of(write, version)
    if gate.state == "refused" and not policy.allow_unsafe:
        raise UnsafeRevision(
            f"{label} is not served: {gate.reason}",
            next="Push a revision without that file and deploy it. See `tholos scan "
            f"{version.model}`; an administrator may take the risk with --allow-unsafe.",
            files=list(gate.files)[:20],
            revision=version.revision,
        )
    if gate.state == "waiting":
        _ask(write, version)
        if policy.unscanned == "refuse" and not policy.allow_unsafe:
            raise ScanPending(
                f"{label} is not served yet: {gate.reason}",
                next=f"Deploy it again when its scan is done: `tholos scan {version.model} --wait`.",
                files=list(gate.files)[:20],
                revision=version.revision,
            )
    if policy.allow_unsafe and gate.state != "open":
        details = {"revision": version.revision, "files": list(gate.files)[:20], "reason": gate.reason}
        record_audit(write, actor, "deployment.allow_unsafe", label, details)
    waits = gate.state == "waiting" and policy.unscanned == "wait" and not policy.allow_unsafe
    overruled = f"Allowed by {actor.name}: {gate.reason}" if policy.allow_unsafe and gate.state != "open" else ""
    version.gate, version.gate_reason = ("waiting", gate.reason) if waits else ("open", overruled)


def gate_of(read: ReadSession, version: DeploymentVersion) -> scanning.Gate:
    """What the scans say of the files that serving this version loads."""
    digests = {file["path"]: file["sha256"] for file in version.files}
    loaded = {file["path"]: file["sha256"] for file in version.files if file.get("loaded")}
    for path, sha256 in list(loaded.items()):
        for other in scanning.loaded_with(read, version.repo_id, RepoKind.MODEL, path, sha256):
            if other in digests:
                loaded[other] = digests[other]
    return scanning.gate(read, version.repo_id, RepoKind.MODEL, version.revision, loaded)


def _ask(write: WriteSession, version: DeploymentVersion) -> None:
    repo = write.get(Repo, version.repo_id)
    if repo is not None and scans.revision(write, repo.id, version.revision) is None:
        scanning.request_scan(write, repo, version.revision)


def _look_again(write: WriteSession, version: DeploymentVersion) -> None:
    gate = gate_of(write, version)
    if (gate.state, gate.reason) == (version.gate, version.gate_reason):
        return
    version.gate, version.gate_reason = gate.state, gate.reason
    deployment = write.get(Deployment, version.deployment_id)
    if deployment is not None:
        deployment.updated_at = utcnow()


def on_scanned(write: WriteSession, payload: Mapping[str, Any]) -> None:
    """Outbox handler of ``repo.scanned``: versions that wait for this scan are let in, or refused."""
    for version in repository.waiting_for_scan(write, payload["repo_id"], payload["revision"]):
        _look_again(write, version)


def on_changed(write: WriteSession, payload: Mapping[str, Any]) -> None:
    """Outbox handler of ``deployment.changed``: a scan that ended while the deployment was made is not missed."""
    version = write.get(DeploymentVersion, (payload["deployment_id"], payload["version"]))
    if version is not None and version.gate == "waiting":
        _look_again(write, version)


HANDLERS: Handlers = {scanning.SCANNED: (on_scanned,), "deployment.changed": (on_changed,)}
"""What the outbox tells this room."""
