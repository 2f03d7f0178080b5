"""Use cases of jobs: what people and other rooms do with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tholos.accounts import repository as accounts
from tholos.accounts.authorization import Action, Actor, authorize, hidden, may
from tholos.accounts.errors import AccountNotFound
from tholos.accounts.models import Account
from tholos.accounts.service import actor_of_work, record_audit
from tholos.jobs import repository
from tholos.jobs.errors import JobEnded, JobNotFound, JobNotRetryable, PayloadInvalid
from tholos.jobs.kinds import JobKind
from tholos.jobs.lineage import Edge
from tholos.jobs.models import Direction, Job, JobMetric, JobState
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.ids import new_id
from tholos.kit.outbox import emit
from tholos.kit.paging import DEFAULT_LIMIT, Page, decode_cursor, encode_cursor


def enqueue(
    write: WriteSession,
    actor: Actor,
    kind: JobKind,
    payload: dict[str, Any],
    *,
    title: str,
    inputs: Iterable[Edge] = (),
    about: str | None = None,
) -> Job:
    """Puts a job in the queue, in the caller's transaction: it exists if and only if that commits.

    Its work acts as the actor, within the limits of the actor's token. The actor becomes its owner, unless ``about``
    (the id of the owner of what it works on) is an organization that the actor may write for. ``payload`` is plain
    JSON; ``inputs`` are the revisions it will read, as far as they are known. Raises PayloadInvalid.
    """
    owner = _owner(write, actor, about)
    job = Job(
        id=new_id("job"),
        kind=kind.name,
        title=title[:200],
        owner=owner,
        actor_id=actor.account_id,
        key_id=actor.key_id,
        payload=plain_json(payload),
        result=None,
        error=None,
        max_attempts=kind.max_attempts,
        state=JobState.QUEUED,
        attempt=0,
        fence=0,
        fraction=0.0,
        step="",
        cpu_seconds=0.0,
        peak_memory_bytes=0,
        available_at=repository.database_now(),
        created_at=utcnow(),
    )
    write.add(job)
    write.flush()
    add_edges(write, job.id, inputs=inputs)
    return _get(write, job.id)


def acting_for(read: ReadSession, job: Job) -> Actor:
    """As whom the work of a job acts. Raises AccountNotFound."""
    return actor_of_work(read, job.actor_id or job.owner_id, job.key_id)


def hand_over(write: WriteSession, from_id: str, to_id: str) -> bool:
    """Makes another account the owner of all jobs and links of one; False, and nothing done, while any is to run."""
    if repository.has_unended(write, from_id):
        return False
    repository.change_owner(write, from_id, to_id)
    return True


def get(read: ReadSession, actor: Actor, job_id: str) -> Job:
    """A job with its owner and edges. Raises JobNotFound."""
    job = _get(read, job_id)
    authorize(actor, Action.READ, job)
    return job


def page(
    read: ReadSession,
    actor: Actor,
    *,
    owner: str | None = None,
    state: JobState | None = None,
    kind: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Job]:
    """Jobs that the actor may see, newest first: their own and their organizations'; an administrator's: all.

    ``owner`` narrows to one account by name. Raises AccountNotFound, also for an account whose jobs one may not see.
    """
    owners = None if actor.has_admin_power else actor.owners
    if owner is not None:
        account = accounts.account_by_name(read, owner)
        if account is None or (owners is not None and account.id not in owners):
            raise hidden(AccountNotFound, f"account {owner}")
        owners = frozenset({account.id})
    before = decode_cursor(cursor, str)[0] if cursor else None
    rows = repository.page(
        read, owners=owners, reach=repository.reached(actor), state=state, kind=kind, before=before, limit=limit + 1
    )
    return Page(rows[:limit], encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)


def metrics(read: ReadSession, actor: Actor, job_id: str) -> list[JobMetric]:
    """The series that a job reported, by name and step. Raises JobNotFound."""
    get(read, actor, job_id)
    return repository.metrics(read, job_id)


def cancel(write: WriteSession, actor: Actor, job_id: str) -> Job:
    """Cancels a job: a queued one at once, a running one as soon as its process has ended.

    Cancelling again changes nothing. Raises JobNotFound, and JobEnded when it has succeeded or failed.
    """
    job = _get(write, job_id)
    authorize(actor, Action.WRITE, job)
    changed = repository.request_cancel(write, job_id)
    job = _get(write, job_id)
    if not changed:
        if job.state is JobState.CANCELLED:
            return job
        raise JobEnded(
            f"The job {job_id} has already {job.state}.", next=f"See what it did: `tholos jobs show {job_id}`."
        )
    record_audit(write, actor, "job.cancel", job.label)
    if job.state is JobState.CANCELLED:
        announce_end(write, job)
    return job


def abandon(write: WriteSession, repo_id: str) -> None:
    """Cancels the jobs on a repo that is being deleted: what waits at once, what runs as soon as its process ended."""
    for job_id in repository.unended_about(write, repo_id):
        if repository.request_cancel(write, job_id):
            job = _get(write, job_id)
            if job.state is JobState.CANCELLED:
                announce_end(write, job)


def retry(write: WriteSession, actor: Actor, job_id: str) -> Job:
    """Runs a failed or cancelled job again, with all its attempts, on the actor's behalf (an administrator leaves it as
    it was). Raises JobNotFound, JobNotRetryable.
    """
    job = _get(write, job_id)
    authorize(actor, Action.WRITE, job)
    # It acts for whoever runs it: with another's rights, or a wider token's, nobody would get what they may not have.
    works_as = None if actor.has_admin_power else (actor.account_id, actor.key_id)
    if not repository.requeue_ended(write, job_id, works_as):
        raise JobNotRetryable(
            f"The job {job_id} is {job.state}; only a failed or cancelled job can be retried.",
            next="Wait for it to end, or start a new job.",
        )
    record_audit(write, actor, "job.retry", job.label)
    return _get(write, job_id)


def add_edges(write: WriteSession, job_id: str, *, inputs: Iterable[Edge] = (), outputs: Iterable[Edge] = ()) -> None:
    """Records what a job read and wrote; an edge that is recorded already stays as it is."""
    sided = [*((Direction.INPUT, edge) for edge in inputs), *((Direction.OUTPUT, edge) for edge in outputs)]
    first = repository.count_edges(write, job_id) if sided else 0
    repository.add_edges(
        write,
        [
            {
                "job_id": job_id,
                "direction": direction,
                "urn": edge.urn,
                "role": edge.role,
                "label": edge.label,
                "position": position,
            }
            for position, (direction, edge) in enumerate(sided, start=first)
        ],
    )


def announce_end(write: WriteSession, job: Job) -> None:
    """Says in the outbox that a job has ended, in the transaction in which it did."""
    emit(write, "job.ended", {"job_id": job.id, "kind": job.kind, "state": job.state.value, "owner_id": job.owner_id})


def plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """The value, if it is an object that every database and client can read as JSON. Raises PayloadInvalid."""
    try:
        if isinstance(json.loads(json.dumps(value, allow_nan=False)), dict):
            return value
        reason = f"it is a {type(value).__name__}, not an object"
    except (TypeError, ValueError) as error:
        reason = str(error)
    raise PayloadInvalid(
        f"This is not plain JSON: {reason}.", next="Pass a dict of strings, finite numbers, booleans, lists and dicts."
    )


def _owner(write: WriteSession, actor: Actor, about: str | None) -> Account:
    work = accounts.account_by_id(write, about) if about is not None else None
    if work is not None and work.kind == "organization" and may(actor, Action.WRITE, work):
        return work
    own = accounts.account_by_id(write, actor.account_id)
    if own is None:
        raise hidden(AccountNotFound, f"account {actor.name}")
    return own


def _get(read: ReadSession, job_id: str) -> Job:
    job = repository.get(read, job_id)
    if job is None:
        raise hidden(JobNotFound, f"job {job_id}")
    return job
