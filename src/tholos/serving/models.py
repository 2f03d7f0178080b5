"""Tables: deployments and their versions (what is wanted), gateways and replicas (what is so)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.accounts.authorization import Role, Visibility
from tholos.kit.database import NAMES_CONTENT, Base, Json, UtcDateTime
from tholos.kit.errors import NotFound
from tholos.serving.errors import DeploymentNotFound

Home = Literal["auto", "inline", "process"]
"""Where the owner wants the model to run: ``auto`` is inline where that is possible, else in a process."""

Place = Literal["inline", "process"]
"""Where a version runs: inside every gateway (ONNX only), or in one process that every gateway connects to."""

Wanted = Literal["running", "stopped"]

GateState = Literal["open", "waiting", "refused"]
"""Whether a version may be loaded: yes, not before its scan is done, or not at all."""

ReplicaState = Literal["loading", "ready", "failed"]

AGENT = "agent"
"""The holder of replica processes: there is one node agent per home."""


class Deployment(Base):
    """A named, served choice of one model revision. ``version`` names the row of DeploymentVersion that is wanted."""

    __tablename__ = "deployments"
    __table_args__ = (
        # /predict finds a deployment by its two names; names that differ only in case are one name.
        Index("uq_deployments_namespace_name", "namespace_key", "name_key", unique=True),
        # A user's deployments.
        Index("ix_deployments_account_id", "account_id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    """The account in whose namespace it stands, and which owns it."""
    namespace: Mapped[str] = mapped_column(String(96))
    namespace_key: Mapped[str] = mapped_column(String(96))
    name: Mapped[str] = mapped_column(String(96))
    name_key: Mapped[str] = mapped_column(String(96))
    visibility: Mapped[Visibility] = mapped_column(String(16))
    home: Mapped[Home] = mapped_column(String(16))
    wanted: Mapped[Wanted] = mapped_column(String(16))
    version: Mapped[int]
    previous_version: Mapped[int | None]
    """What a rollback returns to."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def urn(self) -> str:
        return f"dep:{self.id}"

    @property
    def owner_id(self) -> str:
        return self.account_id

    @property
    def grants(self) -> Mapping[str, Role]:
        return {}

    @property
    def label(self) -> str:
        return f"deployment {self.full_name}"

    @property
    def not_found(self) -> type[NotFound]:
        return DeploymentNotFound

    @property
    def covered_by(self) -> tuple[str, ...]:
        # Of its namespace alone: which repo it serves changes, and a token for one repo is for that repo.
        return (f"{self.namespace_key}/*",)


class DeploymentVersion(Base):
    """One choice that a deployment made. Only its gate changes: a switch or a rollback adds the next."""

    __tablename__ = "deployment_versions"
    __table_args__ = (
        # A scan that is done asks which versions wait for it.
        Index("ix_deployment_versions_gate", "gate", "repo_id"),
    )

    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    repo_id: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(200))
    """The repo's full name at the time."""
    revision: Mapped[str] = mapped_column(String(40))
    place: Mapped[Place] = mapped_column(String(16))
    files: Mapped[list[dict[str, Any]]] = mapped_column(Json, info=NAMES_CONTENT)
    """The revision's files as ``{path, sha256, size}``: all that a holder needs to load it. Those that the runtime
    opens by itself are marked ``loaded``.
    """
    gate: Mapped[GateState] = mapped_column(String(16), default="open", server_default="open")
    gate_reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why the gate is not open."""
    actor_id: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def revision_urn(self) -> str:
        return f"rev:{self.repo_id}@{self.revision}"


class GatewayRow(Base):
    """A gateway process that is alive, or was until its last heartbeat."""

    __tablename__ = "gateways"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReplicaRow(Base):
    """What one holder has of one version of a deployment.

    A gateway holds a version from the start of its loading until its last request has drained; the node agent
    (holder ``agent``) holds the replica process itself. No foreign key: a row may outlive its deployment until its
    holder has let go of it.
    """

    __tablename__ = "replicas"
    __table_args__ = (
        # Whoever reports asks for its own rows; a deployment's page for the deployment's.
        Index("ix_replicas_holder", "holder"),
    )

    deployment_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(String(40), primary_key=True)
    pid: Mapped[int | None]
    state: Mapped[ReplicaState] = mapped_column(String(16))
    error: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
