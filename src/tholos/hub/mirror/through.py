"""Pull-through: a repo that is asked for and not here is fetched from the operator's upstream, once, and kept.

Nothing of it depends on what a stranger may not see. A namespace that belongs to a local account is never looked up
elsewhere, so whether a private repo hides behind a name there, the answer is the same and nobody is called.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tholos.accounts import repository as accounts
from tholos.accounts.authorization import Action, Actor, Scope, may
from tholos.accounts.errors import InvalidName
from tholos.accounts.models import Account
from tholos.hub import repository
from tholos.hub.mirror.errors import UpstreamBusy, UpstreamNotFound
from tholos.hub.mirror.models import Mirror
from tholos.hub.mirror.pulling import pull_refs
from tholos.hub.mirror.service import add_mirror
from tholos.hub.mirror.sources import cleaned
from tholos.hub.mirror.turns import slot, turn
from tholos.hub.mirror.upstream import Upstream
from tholos.hub.models import RepoAlias
from tholos.hub.names import RepoKind, split_name
from tholos.kit.clock import utcnow
from tholos.kit.errors import TholosError
from tholos.kit.logs import get_logger
from tholos.kit.services import Services

_FIRST_WAIT_S: Final = 8.5
_REFRESH_WAIT_S: Final = 2.0
_REMEMBERED_S: Final = 60.0
_BUCKETS: Final = 4096
log = get_logger("mirror")


def through(services: Services, actor: Actor, kind: RepoKind, name: str) -> None:
    """Has the repo here, as the upstream has it, before it is looked up; does nothing where that cannot be.

    Blocks for some seconds at most: what takes longer goes on, and UpstreamBusy says so. Not inside a transaction.
    Raises UpstreamBusy, UpstreamUnavailable, UpstreamBroken for a repo that is not here at all.
    """
    settings = services.settings
    if not settings.upstream_url or actor.is_anonymous or Scope.READ not in actor.scopes or actor.limits is not None:
        return
    try:
        wanted = split_name(name, kind)
    except InvalidName:
        return
    with services.database.read() as read:
        repo = repository.repo_by_name(read, kind, *wanted)
        mirror = read.get(Mirror, repo.id) if repo else None
        if repo is None:
            if accounts.account_by_name(read, wanted[0]) or _led_elsewhere(read.get, kind, wanted):
                return
        elif mirror is None or not mirror.automatic:
            return
    if repo is None or mirror is None or mirror.checked_at is None:
        if settings.upstream_visibility == "public" or actor.has_admin_power:
            _first(services, kind, wanted)
        return
    age_s = (utcnow() - mirror.checked_at).total_seconds()
    if age_s > settings.upstream_refresh_s and may(actor, Action.READ, repo):
        _refresh(services, repo.id)


def _led_elsewhere(get: Callable[..., object], kind: RepoKind, name: tuple[str, str]) -> bool:
    return get(RepoAlias, (kind, name[0].lower(), name[1].lower())) is not None


# -- the first time


def _first(services: Services, kind: RepoKind, name: tuple[str, str]) -> None:
    key = f"{kind.value} {name[0].lower()}/{name[1].lower()}"
    if _remembers(services, key):
        return
    try:
        _in_background(lambda: _create(services, kind, name, key)).result(timeout=_FIRST_WAIT_S)
    except UpstreamNotFound:
        _remember(services, key)
    except FutureTimeout:
        raise UpstreamBusy(
            f"{'/'.join(name)} is being fetched from {services.settings.upstream_url}.", next="Ask again in a moment."
        ) from None


def _create(services: Services, kind: RepoKind, name: tuple[str, str], key: str) -> None:
    settings = services.settings
    base, source = cleaned(settings.upstream_url), "/".join(name)
    with turn(settings, "repo-" + _digest(key)), slot(settings, _FIRST_WAIT_S):
        repo_id = _present(services, kind, name)
        if repo_id == "":
            return
        if repo_id is None:
            token, timeout_s = settings.upstream_token, settings.upstream_timeout_s
            with Upstream(base, source, kind, token=token, timeout_s=timeout_s) as upstream:
                upstream.require_branches()
            repo_id = _added(services, kind, name, base, source)
        if repo_id is None:
            return
        try:
            pull_refs(services, repo_id)
        except TholosError:
            with services.database.write() as write:  # nothing half-made stays in the way
                repository.delete_repo(write, repo_id)
            raise
        with services.database.write() as write:
            held = repository.held_repo(write, repo_id)
            if held is not None:
                held.visibility = settings.upstream_visibility


def _present(services: Services, kind: RepoKind, name: tuple[str, str]) -> str | None:
    """The id of a repo that was begun and not finished; "" where there is nothing to do, None where there is none."""
    with services.database.read() as read:
        repo = repository.repo_by_name(read, kind, *name)
        if repo is None:
            return None
        mirror = read.get(Mirror, repo.id)
        return repo.id if mirror is not None and mirror.automatic and mirror.checked_at is None else ""


def _added(services: Services, kind: RepoKind, name: tuple[str, str], base: str, source: str) -> str | None:
    """A new private repo of the oldest administrator's; None where somebody was faster."""
    query = select(Account).where(Account.is_admin, Account.disabled_at.is_(None)).order_by(Account.created_at)
    try:
        with services.database.write() as write:
            owner = write.scalars(query.limit(1)).one()
            if accounts.account_by_name(write, name[0]):
                return None
            return add_mirror(write, owner, kind, name, base, source, visibility="private", automatic=True).id
    except IntegrityError:
        return None


# -- later


def _refresh(services: Services, repo_id: str) -> None:
    """Compares with the upstream, for a moment: what is here is served whatever comes of it."""
    key = f"refresh {repo_id}"
    if _remembers(services, key):
        return
    _remember(services, key)
    with suppress(FutureTimeout, TholosError):
        _in_background(lambda: _pull_quietly(services, repo_id)).result(timeout=_REFRESH_WAIT_S)


def _pull_quietly(services: Services, repo_id: str) -> None:
    try:
        with slot(services.settings, _REFRESH_WAIT_S):
            pull_refs(services, repo_id)
    except TholosError as error:
        log.warning("a mirror could not be compared", repo_id=repo_id, reason=error.message)


def _in_background(work: Callable[[], None]) -> Future[None]:
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # whoever waits is told, whatever it is
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, name="mirror-pull", daemon=True).start()
    return future


# -- what was asked lately, for all processes of this machine, in a bounded number of files


def _remember(services: Services, key: str) -> None:
    path = services.settings.mirror_dir / f"asked-{_bucket(key)}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(f"{time.time()} {_digest(key)}")


def _remembers(services: Services, key: str) -> bool:
    try:
        text = (services.settings.mirror_dir / f"asked-{_bucket(key)}").read_text()
        moment, digest = text.split(" ")
        return digest == _digest(key) and abs(time.time() - float(moment)) < _REMEMBERED_S
    except (FileNotFoundError, ValueError):
        return False


def _bucket(key: str) -> int:
    return int(_digest(key)[:8], 16) % _BUCKETS


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
