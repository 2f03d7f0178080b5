"""Use cases of mirrors: made, listed, brought up to date, let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from tholos.accounts import repository as accounts
from tholos.accounts.authorization import Action, Actor, Visibility, authorize, may
from tholos.accounts.models import Account, ReservedName
from tholos.accounts.service import namespace_for, record_audit
from tholos.hub import repository
from tholos.hub.errors import RepoExists
from tholos.hub.mirror.errors import MirrorNotFound
from tholos.hub.mirror.kinds import PULL
from tholos.hub.mirror.models import Mirror, MirrorRef, RepoPromise
from tholos.hub.mirror.sources import checked_base, token_for
from tholos.hub.mirror.upstream import Upstream
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind, split_name
from tholos.hub.repos import get_repo, search_text
from tholos.jobs import repository as queue
from tholos.jobs import service as jobs
from tholos.jobs.models import Job, JobState
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, insert
from tholos.kit.errors import InvalidInput
from tholos.kit.ids import new_id
from tholos.kit.outbox import emit
from tholos.kit.services import Services

_MAX_REVISIONS = 100
_MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """What a pull is to fetch: the content of these revisions (none: all branches and tags), of all, or of none."""

    revisions: tuple[str, ...] = ()
    content: bool = True
    all_history: bool = False
    prune: bool = False


@dataclass(frozen=True, slots=True)
class MirrorView:
    """A mirror as lists and pages show it. ``waiting`` files of ``waiting_bytes`` are still with the upstream."""

    repo: Repo
    mirror: Mirror
    refs: Sequence[MirrorRef]
    waiting: int
    waiting_bytes: int


def start_mirror(
    services: Services, actor: Actor, kind: RepoKind, source: str, *, base: str, target: str, order: Order
) -> Job:
    """A job that makes the repo ``target`` ("": of the source's name) follow ``source`` at ``base`` ("": the upstream).

    The upstream is asked before a repo is made here, so that a wrong address leaves nothing. Not inside a transaction.

    Raises InvalidName, InvalidInput, UpstreamNotAllowed, AccountNotFound, Forbidden, RepoNotFound, RepoExists, and for
    a new repo UpstreamNotFound, UpstreamUnavailable, UpstreamBroken.
    """
    if len(order.revisions) > _MAX_REVISIONS:
        raise InvalidInput(f"The order names more than {_MAX_REVISIONS} revisions.", next="Ask for all history.")
    there = "/".join(split_name(source, kind))
    at = checked_base(services.settings, actor, base)
    default = there if actor.has_admin_power else f"{actor.name}/{there.partition('/')[2]}"
    namespace, name = split_name(target or default, kind, actor.name)
    with services.database.read() as read:
        found = repository.repo_by_name(read, kind, namespace, name)
        if found is not None and may(actor, Action.READ, found):
            authorize(actor, Action.WRITE, found)
            mirror = read.get(Mirror, found.id)
            if mirror is None or (mirror.base, mirror.source) != (at, there):
                raise _exists(kind, found.full_name, is_mirror=mirror is not None)
        elif found is not None or accounts.account_by_name(read, namespace) or not actor.has_admin_power:
            namespace_for(read, actor, namespace)
            if found is not None:
                raise _exists(kind, found.full_name)
    if found is None:
        token = token_for(services.settings, at, is_admin=actor.has_admin_power)
        with Upstream(at, there, kind, token=token, timeout_s=services.settings.upstream_timeout_s) as upstream:
            upstream.require_branches()
    try:
        with services.database.write() as write:
            repo = found
            if repo is None:
                owner = accounts.account_by_name(write, namespace) or write.get_one(Account, actor.account_id)
                repo = add_mirror(write, owner, kind, (namespace, name), at, there, visibility="private")
                record_audit(write, actor, "mirror.create", repo.label, {"from": at, "source": there})
            return _enqueue(write, actor, repo, order)
    except IntegrityError as error:  # two at once: the unique index decides
        raise _exists(kind, f"{namespace}/{name}") from error


def add_mirror(
    write: WriteSession,
    owner: Account,
    kind: RepoKind,
    name: tuple[str, str],
    base: str,
    source: str,
    *,
    visibility: Visibility,
    automatic: bool = False,
) -> Repo:
    """An empty repo that follows ``source`` at ``base``. A namespace that is no account's is nobody's from then on."""
    namespace, short = name
    account = accounts.account_by_name(write, namespace)
    now = utcnow()
    written = account.name if account else namespace
    repo = Repo(
        id=new_id("repo"),
        kind=kind,
        owner_id=owner.id,
        namespace=written,
        namespace_key=written.lower(),
        name=short,
        name_key=short.lower(),
        visibility=visibility,
        description="",
        search_text=search_text(f"{written}/{short}", ""),
        card={},
        collaborators=[],
        created_at=now,
        updated_at=now,
    )
    write.add(repo)
    write.flush()
    if account is None:  # after the repo, as deletions do it: the two wait for each other in one order
        reserve = insert(write, ReservedName).values(name_key=repo.namespace_key)
        # an update that changes nothing: it holds the row, so that nobody frees the name meanwhile
        write.execute(reserve.on_conflict_do_update(index_elements=["name_key"], set_={"name_key": repo.namespace_key}))
    repository.release_name(write, kind, repo.namespace_key, repo.name_key)
    write.add(
        Mirror(
            repo_id=repo.id, base=base, source=source, automatic=automatic, error="", created_at=now, checked_at=None
        )
    )
    emit(write, "repo.created", {"repo_id": repo.id, "kind": kind.value})
    write.flush()
    return repo


def sync_mirror(services: Services, actor: Actor, kind: RepoKind, name: str, order: Order) -> Job:
    """A job that brings a mirror level with its upstream. Raises RepoNotFound, Forbidden, MirrorNotFound."""
    with services.database.write() as write:
        repo = get_repo(write, actor, kind, name, Action.WRITE)
        _mirror(write, repo)
        return _enqueue(write, actor, repo, order)


def sync_due(write: WriteSession, older_than_s: float) -> int:
    """Queues a pull for each mirror that was not compared for so long and has none queued; returns how many."""
    horizon = utcnow() - timedelta(seconds=older_than_s)
    busy = {
        job.payload.get("repo_id")
        for state in (JobState.QUEUED, JobState.RUNNING)
        for job in queue.page(
            write, owners=None, reach=None, state=state, kind=PULL.name, before=None, limit=_MAX_LISTED
        )
    }
    query = (
        select(Mirror, Repo, Account)
        .join(Repo, Repo.id == Mirror.repo_id)
        .join(Account, Account.id == Repo.owner_id)
        .where(or_(Mirror.checked_at.is_(None), Mirror.checked_at < horizon), Account.disabled_at.is_(None))
    )
    due = [row for row in write.execute(query.limit(_MAX_LISTED)).all() if row[0].repo_id not in busy]
    for mirror, repo, owner in due:
        actor = Actor.system(owner.id, owner.name, is_admin=owner.is_admin)
        _enqueue(write, actor, repo, Order(content=not mirror.automatic))
    return len(due)


def list_mirrors(read: ReadSession, actor: Actor) -> list[MirrorView]:
    """Mirrors that the actor may read, by name; a thousand at most."""
    query = (
        select(Repo, Mirror)
        .join(Mirror, Mirror.repo_id == Repo.id)
        .where(repository.readable_by(actor))
        .order_by(Repo.namespace_key, Repo.name_key)
    )
    return [_view(read, repo, mirror) for repo, mirror in read.execute(query.limit(_MAX_LISTED))]


def get_mirror(read: ReadSession, actor: Actor, kind: RepoKind, name: str) -> MirrorView:
    """A mirror, its refs and what is still with its upstream. Raises RepoNotFound, MirrorNotFound."""
    repo = get_repo(read, actor, kind, name)
    return _view(read, repo, _mirror(read, repo))


def mirror_of(read: ReadSession, repo: Repo) -> Mirror | None:
    """What the repo follows, if anything."""
    return read.get(Mirror, repo.id)


def detach_mirror(write: WriteSession, actor: Actor, kind: RepoKind, name: str) -> None:
    """Lets a mirror be a repo of its own. Content that was never fetched stays missing.

    Raises RepoNotFound, Forbidden, MirrorNotFound.
    """
    repo = get_repo(write, actor, kind, name, Action.ADMIN)
    mirror = _mirror(write, repo)
    record_audit(write, actor, "mirror.detach", repo.label, {"from": mirror.base, "source": mirror.source})
    for ref in write.scalars(select(MirrorRef).where(MirrorRef.repo_id == repo.id)):
        write.delete(ref)
    write.flush()
    write.delete(mirror)
    write.flush()


def _view(read: ReadSession, repo: Repo, mirror: Mirror) -> MirrorView:
    refs = list(read.scalars(select(MirrorRef).where(MirrorRef.repo_id == repo.id).order_by(MirrorRef.name)))
    counted = select(func.count(), func.coalesce(func.sum(RepoPromise.size), 0))
    waiting, size = read.execute(counted.where(RepoPromise.repo_id == repo.id)).one()
    return MirrorView(repo, mirror, refs, waiting, int(size))


def _mirror(read: ReadSession, repo: Repo) -> Mirror:
    mirror = read.get(Mirror, repo.id)
    if mirror is None:
        raise MirrorNotFound(f"{repo.label} is no mirror.", next="See `tholos mirror list`.")
    return mirror


def _enqueue(write: WriteSession, actor: Actor, repo: Repo, order: Order) -> Job:
    payload = {
        "repo_id": repo.id,
        "revisions": list(order.revisions),
        "content": order.content,
        "all_history": order.all_history,
        "prune": order.prune,
    }
    return jobs.enqueue(write, actor, PULL, payload, title=f"Mirror {repo.full_name}")


def _exists(kind: RepoKind, full_name: str, *, is_mirror: bool = False) -> RepoExists:
    option = "" if kind is RepoKind.MODEL else f" --kind {kind}"
    kept = f" (`tholos mirror detach {full_name}{option}` only ends its following)" if is_mirror else ""
    return RepoExists(
        f"The {kind} {full_name} exists already, and does not follow that source.",
        next="Choose another name with --to, or delete what is here first: "
        f"`tholos repos delete {full_name}{option}`{kept}.",
        kind=kind.value,
        name=full_name,
    )
