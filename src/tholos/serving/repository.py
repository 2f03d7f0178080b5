"""Queries over deployments, their versions, gateways and replicas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, true
from sqlalchemy.orm import aliased

from tholos.accounts.authorization import Actor
from tholos.accounts.limits import namespaces
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.paging import Page, decode_cursor, encode_cursor
from tholos.serving.models import AGENT, Deployment, DeploymentVersion, GatewayRow, ReplicaRow, ReplicaState

Key = tuple[str, int]
"""A deployment's id and one of its versions."""

GATEWAY_ALIVE = timedelta(seconds=10)
"""A gateway is alive when its last heartbeat is no older."""

# Built once: every prediction asks it, and building a statement costs more than running this one.
_BY_NAME = select(Deployment).where(
    Deployment.namespace_key == bindparam("namespace_key"), Deployment.name_key == bindparam("name_key")
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a holder says of a version that it holds."""

    state: ReplicaState
    error: str = ""
    pid: int | None = None


def by_name(read: ReadSession, namespace: str, name: str) -> Deployment | None:
    """The deployment of that name; case does not matter."""
    return read.scalar(_BY_NAME, _names(namespace, name))


def held(write: WriteSession, namespace: str, name: str) -> Deployment | None:
    """As ``by_name``, and nobody else can change it until the transaction ends."""
    return write.scalar(_BY_NAME.with_for_update(), _names(namespace, name))


def visible(read: ReadSession, actor: Actor, cursor: str | None, limit: int) -> Page[Deployment]:
    """Deployments that `authorize` lets the actor read, newest first."""
    query = select(Deployment).where(_seen_by(actor)).order_by(Deployment.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(Deployment.id < decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query))
    return Page(rows[:limit], encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)


def visible_of(read: ReadSession, actor: Actor, repo_id: str) -> list[Deployment]:
    """Of these, those whose wanted version is the repo's, newest first."""
    current = and_(DeploymentVersion.deployment_id == Deployment.id, DeploymentVersion.version == Deployment.version)
    query = select(Deployment).join(DeploymentVersion, current).where(DeploymentVersion.repo_id == repo_id)
    return list(read.scalars(query.where(_seen_by(actor)).order_by(Deployment.id.desc())))


def version(read: ReadSession, deployment_id: str, number: int) -> DeploymentVersion:
    """One version of a deployment that exists."""
    return read.scalars(
        select(DeploymentVersion).where(
            DeploymentVersion.deployment_id == deployment_id, DeploymentVersion.version == number
        )
    ).one()


def wanted_versions(read: ReadSession) -> list[tuple[Deployment, DeploymentVersion]]:
    """Every deployment that should be running, with the version that should run: the newest that may be loaded."""
    other = aliased(DeploymentVersion)
    newest = (
        select(func.max(other.version))
        .where(other.deployment_id == Deployment.id, other.gate == "open")
        .correlate(Deployment)
        .scalar_subquery()
    )
    query = (
        select(Deployment, DeploymentVersion)
        .join(DeploymentVersion, DeploymentVersion.deployment_id == Deployment.id)
        .where(Deployment.wanted == "running", DeploymentVersion.version == newest)
    )
    return [(row[0], row[1]) for row in read.execute(query)]


def waiting_for_scan(write: WriteSession, repo_id: str, revision: str) -> list[DeploymentVersion]:
    """Versions of this revision that wait for its scan."""
    query = select(DeploymentVersion).where(
        DeploymentVersion.gate == "waiting",
        DeploymentVersion.repo_id == repo_id,
        DeploymentVersion.revision == revision,
    )
    return list(write.scalars(query.order_by(DeploymentVersion.deployment_id).with_for_update()))


def versions(read: ReadSession, keys: Iterable[Key]) -> list[DeploymentVersion]:
    """These versions, where they still exist."""
    wanted = set(keys)
    query = select(DeploymentVersion).where(DeploymentVersion.deployment_id.in_([key[0] for key in wanted]))
    return [row for row in read.scalars(query) if (row.deployment_id, row.version) in wanted]


def delete_deployment(write: WriteSession, deployment_id: str) -> None:
    """Removes a deployment and its versions. What holders report of it goes when they have let go."""
    write.execute(delete(DeploymentVersion).where(DeploymentVersion.deployment_id == deployment_id))
    write.execute(delete(Deployment).where(Deployment.id == deployment_id))


def revisions_named(read: ReadSession) -> set[str]:
    """The commits that some version of some deployment names."""
    return set(read.scalars(select(DeploymentVersion.revision).distinct()))


# -- what is so


def replicas_of(read: ReadSession, deployment_ids: Iterable[str]) -> list[ReplicaRow]:
    """Every report on these deployments."""
    return list(read.scalars(select(ReplicaRow).where(ReplicaRow.deployment_id.in_(list(deployment_ids)))))


def held_by_gateways(read: ReadSession, now: datetime) -> set[Key]:
    """Versions that some gateway alive holds."""
    query = (
        select(ReplicaRow.deployment_id, ReplicaRow.version)
        .join(GatewayRow, GatewayRow.id == ReplicaRow.holder)
        .where(GatewayRow.heartbeat_at >= now - GATEWAY_ALIVE)
        .distinct()
    )
    return {(row[0], row[1]) for row in read.execute(query)}


def process_reports(read: ReadSession) -> dict[Key, Report]:
    """What the node agent says of its replica processes."""
    query = select(ReplicaRow).where(ReplicaRow.holder == AGENT)
    return {(row.deployment_id, row.version): Report(row.state, row.error, row.pid) for row in read.scalars(query)}


def gateways_alive(read: ReadSession, now: datetime) -> set[str]:
    """Ids of the gateways whose heartbeat is recent."""
    return set(read.scalars(select(GatewayRow.id).where(GatewayRow.heartbeat_at >= now - GATEWAY_ALIVE)))


def publish(write: WriteSession, holder: str, reports: dict[Key, Report], now: datetime) -> None:
    """Makes a holder's reports these and no others."""
    present = {
        (row.deployment_id, row.version): row
        for row in write.scalars(select(ReplicaRow).where(ReplicaRow.holder == holder))
    }
    for key, row in present.items():
        if key not in reports:
            write.delete(row)
    for key, report in reports.items():
        row = present.get(key) or ReplicaRow(deployment_id=key[0], version=key[1], holder=holder)
        row.state, row.error, row.pid, row.updated_at = report.state, report.error[:2000], report.pid, now
        write.add(row)


def beat(write: WriteSession, gateway_id: str, pid: int, now: datetime) -> None:
    """Notes that a gateway is alive, and forgets those that have been dead for long."""
    row = write.get(GatewayRow, gateway_id)
    if row is None:
        write.add(GatewayRow(id=gateway_id, pid=pid, started_at=now, heartbeat_at=now))
    else:
        row.heartbeat_at = now
    dead = list(write.scalars(select(GatewayRow.id).where(GatewayRow.heartbeat_at < now - 3 * GATEWAY_ALIVE)))
    forget(write, dead)


def forget(write: WriteSession, gateway_ids: Sequence[str]) -> None:
    """Removes gateways with all they reported."""
    if gateway_ids:
        write.execute(delete(ReplicaRow).where(ReplicaRow.holder.in_(gateway_ids)))
        write.execute(delete(GatewayRow).where(GatewayRow.id.in_(gateway_ids)))


def _names(namespace: str, name: str) -> dict[str, str]:
    # PostgreSQL refuses a NUL in any text; no name holds a replacement character either.
    namespace_key, name_key = (part.lower().replace("\0", "\ufffd") for part in (namespace, name))
    return {"namespace_key": namespace_key, "name_key": name_key}


def _seen_by(actor: Actor) -> ColumnElement[bool]:
    if actor.has_admin_power:
        return true()
    own = [Deployment.account_id.in_(sorted(actor.owners))]
    if actor.limits is not None:
        own.append(Deployment.namespace_key.in_(namespaces(actor.limits)))
    return or_(and_(*own), Deployment.visibility == "public")
