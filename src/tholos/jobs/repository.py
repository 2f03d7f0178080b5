"""Every query over jobs.

Leases are measured by the database's clock alone, so that machines need not agree on the time. A statement that changes
a running job names its fence: it changes nothing once another run has claimed the job.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Case,
    ColumnElement,
    Float,
    Select,
    Update,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased, joinedload, selectinload
from sqlalchemy.sql.functions import FunctionElement

from tholos.accounts.authorization import Actor
from tholos.accounts.limits import namespaces
from tholos.accounts.models import Account
from tholos.jobs.models import Direction, Job, JobEdge, JobMetric, JobState, LineageLink
from tholos.kit.database import ReadSession, UtcDateTime, WriteSession, insert

# As literals, not parameters: only then may a prepared statement use the partial indexes.
_IS_QUEUED = Job.state == literal(JobState.QUEUED, Job.state.type, literal_execute=True)
_IS_RUNNING = Job.state == literal(JobState.RUNNING, Job.state.type, literal_execute=True)
_AS_IS = {"synchronize_session": False}
"""Updates set columns from the database's clock, which the session cannot follow in its objects."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job: worth nothing once the job's fence has moved on."""

    job_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt has used: ``cpu_seconds`` of processor time, ``peak_memory_bytes`` of resident memory."""

    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0


class Pulse(StrEnum):
    """What a heartbeat learns about its run."""

    RENEWED = "renewed"
    CANCEL = "cancel"
    """Renewed, and someone has asked for the job's cancel."""
    ENDED = "ended"
    """The run has ended its job itself."""
    LOST = "lost"
    """The job went on without this run."""


class database_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock at the moment of the statement, plus some seconds."""

    type = UtcDateTime()
    inherit_cache = True
    name = "database_now"

    def __init__(self, plus_s: float = 0.0) -> None:
        super().__init__(literal(plus_s, Float))


@compiles(database_now, "sqlite")
def _sqlite_now(element: database_now, compiler: Any, **options: Any) -> str:
    # Microseconds, as the driver writes them: the stored texts must compare as the moments do.
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


@compiles(database_now, "postgresql")
def _postgresql_now(element: database_now, compiler: Any, **options: Any) -> str:
    # Not now(): that is when the transaction began, and it may since have waited for a row.
    seconds = compiler.process(element.clauses, **options)
    return f"clock_timestamp() + make_interval(secs => {seconds})"


# -- for people


def get(read: ReadSession, job_id: str) -> Job | None:
    """The job with its owner and edges."""
    query = _complete_jobs().where(Job.id == job_id)
    return read.scalar(query, execution_options={"populate_existing": True})  # updates bypass the session's objects


def page(
    read: ReadSession,
    *,
    owners: Collection[str] | None,
    reach: ColumnElement[bool] | None,
    state: JobState | None,
    kind: str | None,
    before: str | None,
    limit: int,
) -> list[Job]:
    """Jobs with owners and edges, newest first, from those older than the id ``before``."""
    query = _complete_jobs().order_by(Job.id.desc()).limit(limit)
    if owners is not None:
        query = query.where(Job.owner_id.in_(sorted(owners)))
    if reach is not None:
        query = query.where(reach)
    if state is not None:
        query = query.where(Job.state == state)
    if kind is not None:
        query = query.where(Job.kind == kind)
    if before is not None:
        query = query.where(Job.id < before)
    return list(read.scalars(query))


def reached(actor: Actor) -> ColumnElement[bool] | None:
    """The condition under which a job lies within the limits of the actor's token; None: always."""
    if actor.limits is None:
        return None
    whole = select(Account.id).where(Account.name_key.in_(namespaces(actor.limits)))
    return or_(Job.key_id == actor.key_id, Job.owner_id.in_(whole))


def has_unended(read: ReadSession, owner_id: str) -> bool:
    """Whether an account has jobs that wait or run."""
    query = select(Job.id).where(Job.owner_id == owner_id, Job.state.in_((JobState.QUEUED, JobState.RUNNING)))
    return read.scalar(query.limit(1)) is not None


def unended_about(read: ReadSession, repo_id: str) -> list[str]:
    """The ids of the jobs on one repo, by their payload, that wait or run."""
    about = Job.payload["repo_id"].as_string() == repo_id
    return list(read.scalars(select(Job.id).where(or_(_IS_QUEUED, _IS_RUNNING), about)))


def change_owner(write: WriteSession, from_id: str, to_id: str) -> None:
    """Makes the jobs and lineage links of one account another's."""
    for table in (Job, LineageLink):
        write.execute(update(table).where(table.owner_id == from_id).values(owner_id=to_id), execution_options=_AS_IS)


def metrics(read: ReadSession, job_id: str) -> list[JobMetric]:
    """Every point of every series of a job, by name and step."""
    query = select(JobMetric).where(JobMetric.job_id == job_id).order_by(JobMetric.name, JobMetric.step)
    return list(read.scalars(query))


def request_cancel(write: WriteSession, job_id: str) -> bool:
    """Cancels a queued job at once and marks a running one; returns whether it was either.

    One statement, so that no claim or release can slip between the two cases.
    """
    queued = Job.state == JobState.QUEUED
    return _changed(
        write,
        update(Job)
        .where(Job.id == job_id, Job.state.in_((JobState.QUEUED, JobState.RUNNING)))
        .values(
            cancel_requested_at=func.coalesce(Job.cancel_requested_at, database_now()),
            finished_at=case((queued, database_now()), else_=Job.finished_at),
            state=case((queued, JobState.CANCELLED), else_=Job.state),
        ),
    )


def requeue_ended(write: WriteSession, job_id: str, works_as: tuple[str, str | None] | None) -> bool:
    """Puts a failed or cancelled job back, as if new; returns whether it was one.

    ``works_as`` are the account and the key on whose behalf it runs from now on; None leaves them.
    """
    return _changed(
        write,
        update(Job)
        .where(Job.id == job_id, Job.state.in_((JobState.FAILED, JobState.CANCELLED)))
        .values({} if works_as is None else {"actor_id": works_as[0], "key_id": works_as[1]})
        .values(
            state=JobState.QUEUED,
            attempt=0,
            error=None,
            fraction=0.0,
            step="",
            available_at=database_now(),
            cancel_requested_at=None,
            started_at=None,
            finished_at=None,
        ),
    )


# -- edges


def add_edges(write: WriteSession, edges: Sequence[Mapping[str, Any]]) -> None:
    """Inserts edges; one that is there already stays."""
    if edges:
        write.execute(insert(write, JobEdge).on_conflict_do_nothing(), list(edges))


def count_edges(read: ReadSession, job_id: str) -> int:
    return read.scalar(select(func.count()).select_from(JobEdge).where(JobEdge.job_id == job_id)) or 0


def links(read: ReadSession, urns: Collection[str], at: Direction) -> list[tuple[JobEdge, JobEdge, str, str]]:
    """Pairs (input, output) of one job, with its kind and owner, whose edge ``at`` that end is one of ``urns``."""
    source, target = aliased(JobEdge), aliased(JobEdge)
    near = source if at is Direction.INPUT else target
    query = (
        select(source, target, Job.kind, Job.owner_id)
        .join(target, target.job_id == source.job_id)
        .join(Job, Job.id == source.job_id)
        .where(
            source.direction == Direction.INPUT, target.direction == Direction.OUTPUT, near.urn.in_(tuple(set(urns)))
        )
        .order_by(source.job_id, target.position, source.position)
    )
    return [(row[0], row[1], row[2], row[3]) for row in read.execute(query)]


def outputs_of(read: ReadSession, urns: Collection[str], most: int) -> list[str]:
    """URNs of outputs of the newest ``most`` jobs that have one of ``urns`` as an input, each once."""
    source, target = aliased(JobEdge), aliased(JobEdge)
    query = (
        select(target.urn)
        .join(source, target.job_id == source.job_id)
        .join(Job, Job.id == source.job_id)
        .where(
            source.direction == Direction.INPUT,
            target.direction == Direction.OUTPUT,
            source.urn.in_(tuple(set(urns))),
        )
        .order_by(Job.created_at.desc(), target.position)
        .limit(most)
    )
    return list(dict.fromkeys(read.scalars(query)))


def lineage_links(read: ReadSession, urns: Collection[str], at: Direction) -> list[LineageLink]:
    """Links without a job whose source (INPUT) or target (OUTPUT) is one of ``urns``."""
    near = LineageLink.source_urn if at is Direction.INPUT else LineageLink.target_urn
    query = select(LineageLink).where(near.in_(tuple(set(urns))))
    return list(read.scalars(query.order_by(LineageLink.target_urn, LineageLink.source_urn)))


def delete_lineage_links(write: WriteSession, target_urn: str) -> None:
    write.execute(delete(LineageLink).where(LineageLink.target_urn == target_urn))


# -- for the engine


def next_due(read: ReadSession, kinds: Collection[str]) -> str | None:
    """The kind of the job that a claim would find, if any. Asked first, so that an idle runner takes no writer lock."""
    due = select(Job.kind).where(_IS_QUEUED, Job.available_at <= database_now(), Job.kind.in_(kinds))
    return read.scalar(due.order_by(Job.available_at, Job.id).limit(1))


def claim(write: WriteSession, runner: str, kinds: Collection[str], lease_s: float) -> Job | None:
    """Takes the oldest due job of these kinds for the runner, under a new fence; None when there is none."""
    due = (
        select(Job.id)
        .where(_IS_QUEUED, Job.available_at <= database_now(), Job.kind.in_(kinds))
        .order_by(Job.available_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite's writer lock makes it needless there
    )
    job = write.scalar(
        update(Job)
        .where(Job.id == due.scalar_subquery())
        .values(
            state=JobState.RUNNING,
            attempt=Job.attempt + 1,
            fence=Job.fence + 1,
            runner=runner,
            lease_until=database_now(lease_s),
            process=None,
            fraction=0.0,
            step="",
            started_at=database_now(),
        )
        .returning(Job),
        execution_options=_AS_IS,
    )
    if job is not None:
        # An earlier attempt's series would run on into this one's.
        write.execute(delete(JobMetric).where(JobMetric.job_id == job.id))
    return job


def hold(write: WriteSession, claim: Claim, lease_s: float, *, process: str | None = None) -> bool:
    """Extends a claim whose lease has not run out and, in PostgreSQL, keeps its row until the transaction ends.

    Returns False when the run is over for its runner: the lease ran out or another run has the job.
    """
    values: dict[str, Any] = {"lease_until": database_now(lease_s)}
    if process is not None:
        values["process"] = process
    return _changed(write, _held(claim).where(Job.lease_until > database_now()).values(values))


def heartbeat(
    write: WriteSession, claim: Claim, lease_s: float, *, fraction: float, step: str, peak_memory_bytes: int
) -> Pulse:
    """Renews the lease and notes progress, where the run is still on."""
    row = write.execute(
        _held(claim)
        .values(
            lease_until=database_now(lease_s),
            fraction=fraction,
            step=step,
            peak_memory_bytes=_larger(peak_memory_bytes),
        )
        .returning(Job.cancel_requested_at),
        execution_options=_AS_IS,
    ).one_or_none()
    if row is not None:
        return Pulse.RENEWED if row[0] is None else Pulse.CANCEL
    ended = select(exists().where(Job.id == claim.job_id, Job.fence == claim.fence, Job.finished_at.is_not(None)))
    return Pulse.ENDED if write.scalar(ended) else Pulse.LOST


def record_metrics(write: WriteSession, claim: Claim, points: Mapping[tuple[str, int], float | None]) -> None:
    """Adds points to the series of a run, also just after its end; a point reported twice keeps the later value."""
    if not points or not write.scalar(select(exists().where(Job.id == claim.job_id, Job.fence == claim.fence))):
        return
    statement = insert(write, JobMetric)
    write.execute(
        statement.on_conflict_do_update(
            index_elements=["job_id", "name", "step"], set_={"value": statement.excluded.value}
        ),
        [
            {"job_id": claim.job_id, "name": name, "step": step, "value": value}
            for (name, step), value in points.items()
        ],
    )


def finish(
    write: WriteSession,
    claim: Claim,
    state: JobState,
    usage: Usage,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, str] | None = None,
) -> bool:
    """Ends a run for good; returns False, changing nothing, when the claim is lost."""
    values = {"result": result, "error": error, **_used(usage)}
    if state is JobState.SUCCEEDED:
        values |= {"fraction": 1.0}
    return _changed(write, _held(claim).values(state=state, finished_at=database_now(), **_unleased(), **values))


def requeue(
    write: WriteSession, claim: Claim, usage: Usage, *, error: dict[str, str] | None, delay_s: float, counted: bool
) -> bool:
    """Puts a run's job back in the queue; returns False, changing nothing, when the claim is lost.

    ``counted`` False gives the attempt back, since the fault was not the job's.
    """
    return _changed(
        write,
        _held(claim).values(
            state=JobState.QUEUED,
            attempt=Job.attempt if counted else Job.attempt - 1,
            available_at=database_now(delay_s),
            error=error,
            **_unleased(),
            **_used(usage),
        ),
    )


def running(read: ReadSession, claim: Claim) -> Job | None:
    """The job, locked, if the claim on it still holds."""
    query = select(Job).where(Job.id == claim.job_id, Job.fence == claim.fence, Job.state == JobState.RUNNING)
    return read.scalar(query.with_for_update(), execution_options={"populate_existing": True})


def expired(read: ReadSession) -> list[Claim]:
    """Runs whose runner has stopped answering for them, longest silent first."""
    query = select(Job.id, Job.fence).where(_IS_RUNNING, Job.lease_until <= database_now()).order_by(Job.lease_until)
    return [Claim(*row) for row in read.execute(query)]


def run_by(read: ReadSession, runner: str) -> list[Job]:
    """Jobs that this runner is recorded as running."""
    return list(read.scalars(select(Job).where(_IS_RUNNING, Job.runner == runner)))


def _complete_jobs() -> Select[Job]:
    return select(Job).options(joinedload(Job.owner), selectinload(Job.edges))


def _held(claim: Claim) -> Update:
    return update(Job).where(Job.id == claim.job_id, Job.fence == claim.fence, Job.state == JobState.RUNNING)


def _changed(write: WriteSession, statement: Update) -> bool:
    # RETURNING, because a row count is not to be had from every driver.
    return write.execute(statement.returning(Job.id), execution_options=_AS_IS).one_or_none() is not None


def _unleased() -> dict[str, Any]:
    return {"runner": None, "lease_until": None, "process": None}


def _used(usage: Usage) -> dict[str, Any]:
    return {
        "cpu_seconds": Job.cpu_seconds + usage.cpu_seconds,
        "peak_memory_bytes": _larger(usage.peak_memory_bytes),
    }


def _larger(peak: int) -> Case[int]:
    return case((Job.peak_memory_bytes < peak, peak), else_=Job.peak_memory_bytes)
