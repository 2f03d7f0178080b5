"""Bringing a mirror level with its upstream: refs and history, let in through the checks of a push."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Final

from sqlalchemy import select

from tholos.accounts.authorization import Actor
from tholos.accounts.models import Account
from tholos.hub import repository
from tholos.hub.errors import RepoNotFound
from tholos.hub.mirror.errors import MirrorNotFound, UpstreamBroken
from tholos.hub.mirror.models import Mirror, MirrorRef
from tholos.hub.mirror.sources import token_for
from tholos.hub.mirror.turns import turn
from tholos.hub.mirror.upstream import Upstream
from tholos.hub.models import GitTag, Repo
from tholos.hub.names import HEADS, MAIN
from tholos.hub.packs import Pack
from tholos.hub.pushes import MAX_COMMANDS, RefCommand, Verdict, accept_push, pack_limits, spool_folder
from tholos.kit.clock import utcnow
from tholos.kit.database import WriteSession
from tholos.kit.errors import TholosError
from tholos.kit.services import Services

GONE: Final = "gone upstream"
CHANGED: Final = "changed here"
_MAX_NOTE: Final = 500


@dataclass(slots=True)
class Pulled:
    """What a pull did, by the refs' full names."""

    moved: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    """Why a ref does not follow the upstream."""


@dataclass(frozen=True, slots=True)
class _Plan:
    commands: list[RefCommand]
    level: dict[str, str]
    """Refs that are where the upstream has them."""
    notes: dict[str, str]


def pull_refs(
    services: Services, repo_id: str, *, prune: bool = False, say: Callable[[str], None] = lambda _: None
) -> Pulled:
    """Makes branches and tags what they are upstream, with all the history behind them; content is promised.

    A ref that was changed here is left alone. Nothing moves unless everything about it is sound. Not inside a
    transaction. Raises MirrorNotFound, RepoNotFound, UpstreamNotFound, UpstreamUnavailable, UpstreamBroken, DiskFull.
    """
    with turn(services.settings, f"refs-{repo_id}"):
        try:
            return _pull(services, repo_id, prune=prune, say=say)
        except TholosError as error:
            _note_failure(services, repo_id, f"{error.message} {error.next}"[:_MAX_NOTE])
            raise


def _pull(services: Services, repo_id: str, *, prune: bool, say: Callable[[str], None]) -> Pulled:
    with services.database.read() as read:
        repo, mirror = read.get(Repo, repo_id), read.get(Mirror, repo_id)
        owner = read.get(Account, repo.owner_id) if repo else None
        if repo is None or owner is None:
            raise RepoNotFound(next="It was deleted meanwhile.")
        if mirror is None:
            raise MirrorNotFound(f"{repo.label} is no mirror.", next="See `tholos mirror list`.")
        local = {ref.name: ref.oid for ref in repository.refs(read, repo.id)}
        known = {ref.name: ref.oid for ref in read.scalars(select(MirrorRef).where(MirrorRef.repo_id == repo.id))}
        revisions = repository.revision_ids(read, repo.id)
    actor = Actor.system(owner.id, owner.name, is_admin=owner.is_admin)
    token = token_for(services.settings, mirror.base, is_admin=owner.is_admin)
    timeout_s = services.settings.upstream_timeout_s
    with Upstream(mirror.base, mirror.source, repo.kind, token=token, timeout_s=timeout_s) as upstream:
        say(f"asking {upstream.host}")
        theirs = upstream.refs()
        plan = _planned(local, known, theirs, prune=prune)
        wants = {command.new for command in plan.commands if command.new} - revisions
        with services.database.read() as read:
            tags = set(read.scalars(select(GitTag.oid).where(GitTag.oid.in_(list(local.values())[:500]))))
        wants -= tags & set(local.values())
        with tempfile.TemporaryFile(dir=spool_folder(services)) as file:
            if wants:
                say("fetching the history")
                upstream.pack(sorted(wants), local.values(), file, services.settings.max_push_bytes)
            verdicts = _accepted(services, actor, repo, plan.commands, file, fetched=bool(wants), say=say)
    return _recorded(services, repo.id, plan, verdicts, empty=not local)


def _planned(local: dict[str, str], known: dict[str, str], theirs: dict[str, str], *, prune: bool) -> _Plan:
    commands: list[RefCommand] = []
    level: dict[str, str] = {}
    notes: dict[str, str] = {}
    for name, oid in theirs.items():
        here, before = local.get(name), known.get(name)
        if here == oid:
            level[name] = oid
        elif here == before:
            commands.append(RefCommand(name, here, oid))
        else:
            notes[name] = CHANGED
    for name in known.keys() - theirs.keys():
        if prune and local.get(name) == known[name] and name != HEADS + MAIN:
            commands.append(RefCommand(name, known[name], None))
        else:
            notes[name] = GONE
    return _Plan(commands, level, notes)


def _accepted(
    services: Services,
    actor: Actor,
    repo: Repo,
    commands: list[RefCommand],
    file: IO[bytes],
    *,
    fetched: bool,
    say: Callable[[str], None],
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    pack = Pack(file, 0, spool_folder(services), pack_limits(services)) if fetched else None
    try:
        for start in range(0, len(commands), MAX_COMMANDS):
            some = commands[start : start + MAX_COMMANDS]
            for step in accept_push(services, actor, repo, some, pack, atomic=False, from_upstream=True):
                if isinstance(step, str):
                    say(step[:1].lower() + step[1:])
                else:
                    verdicts += step
    finally:
        if pack is not None:
            pack.__exit__(None, None, None)
    return verdicts


def _recorded(services: Services, repo_id: str, plan: _Plan, verdicts: list[Verdict], *, empty: bool) -> Pulled:
    done = Pulled(notes=dict(plan.notes))
    at = dict(plan.level)
    for verdict in verdicts:
        command = verdict.command
        if verdict.error:
            done.notes[command.name] = f"{verdict.error.message} {verdict.error.next}"[:_MAX_NOTE]
        elif command.new is None:
            done.deleted.append(command.name)
        else:
            done.moved.append(command.name)
            at[command.name] = command.new
    failed = [verdict for verdict in verdicts if verdict.error]
    hopeless = empty and bool(failed) and not done.moved
    with services.database.write() as write:
        mirror = write.get(Mirror, repo_id)
        if mirror is None:
            raise MirrorNotFound("The repo is no mirror any more.", next="See `tholos mirror list`.")
        mirror.error = ""
        if not hopeless:
            mirror.checked_at = utcnow()
        _record_refs(write, repo_id, at, done)
    if hopeless:
        raise UpstreamBroken(
            f"Nothing of the upstream's history can be kept here: {done.notes[failed[0].command.name]}",
            next="Mirror another repo, or correct it upstream.",
        )
    return done


def _record_refs(write: WriteSession, repo_id: str, at: dict[str, str], done: Pulled) -> None:
    rows = {ref.name: ref for ref in write.scalars(select(MirrorRef).where(MirrorRef.repo_id == repo_id))}
    for name in at.keys() | done.notes.keys():
        row = rows.get(name)
        if row is None:
            if name in at:
                write.add(MirrorRef(repo_id=repo_id, name=name, oid=at[name], note=""))
            continue
        row.oid = at.get(name, row.oid)
        row.note = done.notes.get(name, "")
    for name in done.deleted:
        write.delete(rows[name])


def _note_failure(services: Services, repo_id: str, text: str) -> None:
    with services.database.write() as write:
        mirror = write.get(Mirror, repo_id)
        if mirror is not None:
            mirror.error = text
