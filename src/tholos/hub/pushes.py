"""Pushes: git's own commits and tags become revisions, byte for byte as they came.

All that a push brings is checked, then put in place, and only then do branches and tags move: in one transaction, each
from where the client believed it to be. A push that fails anywhere before that moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from tholos.accounts.authorization import Action, Actor, authorize, hidden, may
from tholos.accounts.service import actor_of_key
from tholos.hub import repository
from tholos.hub.cards import Card
from tholos.hub.commits import announce, card_of, index_card, stage_objects
from tholos.hub.errors import (
    CommitRace,
    InvalidObject,
    InvalidRefName,
    ObjectCollision,
    ObjectMissing,
    RefProtected,
    RepoNotFound,
)
from tholos.hub.foreign import ForeignCommit
from tholos.hub.freshness import refuse_stale
from tholos.hub.gitobjects import MAX_POINTER_BYTES, parse_pointer
from tholos.hub.incoming import Arrival, Incoming
from tholos.hub.mirror.promises import promise
from tholos.hub.models import GitTag, Ref, Repo, Revision
from tholos.hub.names import HEADS, MAIN, TAGS, RepoKind, check_ref_name
from tholos.hub.operations import StagedFile
from tholos.hub.packs import Pack, PackedObject, PackLimits
from tholos.hub.proposals import Proposals, proposal_number, proposal_ref
from tholos.hub.quotas import Quota, require_room, room_for
from tholos.hub.repos import get_repo
from tholos.hub.revisions import RefKind, note_ref, refuse_nested, refuse_passing_for_a_commit
from tholos.kit.blobs import Blob
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import TholosError
from tholos.kit.services import Services

MAX_COMMANDS: Final = 1000
_MIN_OBJECT_BYTES: Final = 16 << 20  # a folder of 200,000 names
_INFLATION: Final = 8
_BATCH_OBJECTS: Final = 200
_BATCH_BYTES: Final = 8 << 20
_THREADS: Final = 8
_ROWS: Final = 500


class _AllOrNothing(Exception):  # leaves the transaction of an atomic push, never this module
    pass


@dataclass(frozen=True, slots=True)
class RefCommand:
    """What a client asks of one ref, by its full name: from one object id to another; None is "not there"."""

    name: str
    old: str | None
    new: str | None


@dataclass(slots=True)
class Verdict:
    """What became of a command; ``error`` None is success."""

    command: RefCommand
    error: TholosError | None = None
    arrival: Arrival | None = field(default=None, repr=False)


def begin_push(services: Services, actor: Actor, kind: RepoKind, name: str) -> Repo:
    """The repo that the actor may push to, before anything is read. Raises RepoNotFound, Forbidden, InvalidName."""
    with services.database.read() as read:
        return get_repo(read, actor, kind, name, Action.WRITE)


def pack_limits(services: Services) -> PackLimits:
    """The bounds of a pack, as the settings have them."""
    settings = services.settings
    return PackLimits(
        max_objects=settings.max_push_objects,
        max_object_bytes=max(_MIN_OBJECT_BYTES, settings.lfs_threshold_bytes),
        max_inflated_bytes=_INFLATION * settings.max_push_bytes,
        disk_reserve_bytes=settings.disk_reserve_bytes,
    )


def spool_folder(services: Services) -> Path:
    """Where temporary files of pushes lie: on the disk that the blobs are on, so that moving in is no surprise."""
    return services.settings.home


def accept_push(
    services: Services,
    actor: Actor,
    repo: Repo,
    commands: Sequence[RefCommand],
    pack: Pack | None,
    *,
    atomic: bool,
    from_upstream: bool = False,
    proposals: Proposals | None = None,
) -> Iterator[str | list[Verdict]]:
    """Carries a push out: yields what it is at, in words, and at last the verdict on each command, in their order.

    ``atomic`` lets all commands fail with one. ``from_upstream``: what Git LFS pointers name is promised to the repo
    instead of being here already. ``proposals`` decides about refs of pull requests, which take no right to write the
    repo; without it none is moved. Not inside a transaction.

    Raises QuotaExceeded, DiskFull, ObjectCollision, ObjectMissing, StagedTooLongAgo, RepoNotFound, Forbidden, and
    InvalidToken, TokenExpired or AccountDisabled when the actor's key ends meanwhile; what is wrong with a command is
    in its verdict.
    """
    began = utcnow()
    verdicts = [Verdict(command) for command in commands]
    for verdict in verdicts:
        verdict.error = _refusal(verdict.command, verdicts, proposed=proposals is not None)
    yield f"Checking {len(pack) if pack else 0} objects"
    limit = services.settings.lfs_threshold_bytes
    with services.database.read() as read:
        incoming = Incoming(read, services.blobs, repo, pack, limit, from_upstream=from_upstream)
        _check_rights(read, actor, repo, verdicts, proposals)
        _check(incoming, verdicts)
    if _hopeless(verdicts, atomic=atomic):
        yield _withdrawn(verdicts, atomic=atomic)
        return
    arrivals = [verdict.arrival for verdict in verdicts if verdict.arrival and not verdict.error]
    _promise(services, repo, incoming.named)
    if pack is not None:
        _check_quota(services, repo, incoming, arrivals, proposed=not may(actor, Action.WRITE, repo))
        yield "Storing objects"
        _store(services, repo, pack, incoming, arrivals)
    yield "Updating refs"
    cards = _cards(services, repo, verdicts)
    try:
        with services.database.write() as write:
            refuse_stale(write, began)
            _move(write, actor, repo, verdicts, incoming, cards, proposals, atomic=atomic)
    except _AllOrNothing:
        pass
    yield _withdrawn(verdicts, atomic=atomic)


# -- checking


def _refusal(command: RefCommand, verdicts: list[Verdict], *, proposed: bool) -> TholosError | None:
    if sum(other.command.name == command.name for other in verdicts) > 1:
        return InvalidRefName(f'The push names "{command.name}" twice.', next="Name each ref once.")
    number = proposal_number(command.name)
    if proposed and number is not None and command.name == proposal_ref(number):
        if command.new is None:
            return RefProtected("What is proposed cannot be deleted.", next="Close the pull request instead.")
        return None
    if not command.name.startswith((HEADS, TAGS)):
        return InvalidRefName(
            f'"{command.name[:200]}" is neither a branch nor a tag.',
            next="Push to refs/heads/, refs/tags/ or, for a pull request, refs/pr/<number>.",
        )
    if command.new is None:
        if command.name == HEADS + MAIN:
            return RefProtected('The branch "main" cannot be deleted.', next="Push something else to it instead.")
        return None
    try:
        check_ref_name(_short(command.name)[1])
    except InvalidRefName as error:
        return error
    return None


def _check_rights(
    read: ReadSession, actor: Actor, repo: Repo, verdicts: list[Verdict], proposals: Proposals | None
) -> None:
    for verdict in verdicts:
        if verdict.error:
            continue
        number = proposal_number(verdict.command.name)
        try:
            if number is None or proposals is None:
                authorize(actor, Action.WRITE, repo)
            else:
                proposals.check(read, actor, repo, number)
        except TholosError as error:
            verdict.error = error.with_traceback(None)


def _check(incoming: Incoming, verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        new = verdict.command.new
        if verdict.error or new is None:
            continue
        try:
            arrival = incoming.arrival(new)
            if arrival.tags and not verdict.command.name.startswith(TAGS):
                raise InvalidObject("A branch cannot point at an annotated tag.", next="Push the commit: `tag^{}`.")
            verdict.arrival = arrival
        except TholosError as error:
            verdict.error = error.with_traceback(None)  # which would hold on to all that was read


def _hopeless(verdicts: list[Verdict], *, atomic: bool) -> bool:
    failed = [verdict.error is not None for verdict in verdicts]
    return all(failed) or (atomic and any(failed))


def _withdrawn(verdicts: list[Verdict], *, atomic: bool) -> list[Verdict]:
    if atomic and any(verdict.error for verdict in verdicts):
        for verdict in verdicts:
            verdict.error = verdict.error or CommitRace(
                "Another ref of this atomic push was refused.", next="Put that right, then push again."
            )
    return verdicts


# -- putting objects in place


def _check_quota(
    services: Services, repo: Repo, incoming: Incoming, arrivals: list[Arrival], *, proposed: bool
) -> None:
    default = Quota.default(services.settings)
    with services.database.read() as read:
        if room_for(read, default, repo.owner_id) is None:
            return
    size = sum(found.size for _, found, _ in incoming.objects(arrivals) if found.kind != "tree")
    with services.database.read() as read:
        require_room(read, default, repo.owner_id, size, proposed=proposed)


def _store(services: Services, repo: Repo, pack: Pack, incoming: Incoming, arrivals: list[Arrival]) -> None:
    trees: dict[str, PackedObject] = {}
    files: list[tuple[str, PackedObject, str]] = []
    size = 0

    def flush() -> None:
        _store_batch(services, repo, pack, files, {oid: pack.read(found) for oid, found in trees.items()})
        trees.clear()
        files.clear()

    for oid, found, path in incoming.objects(arrivals):
        if found.kind == "tree":
            trees[oid] = found
        else:
            files.append((oid, found, path))
        size += found.size
        if len(trees) + len(files) >= _BATCH_OBJECTS or size >= _BATCH_BYTES:
            flush()
            size = 0
    flush()
    relied_on = list(incoming.relied_on)
    for start in range(0, len(relied_on), _ROWS):
        with services.database.write() as write:
            some = set(relied_on[start : start + _ROWS])
            if some - repository.freshen_files(write, some):
                raise ObjectMissing(
                    "A file that the push builds on was removed meanwhile.",
                    next="Push again, with `git push --no-thin`.",
                )


def _store_batch(
    services: Services,
    repo: Repo,
    pack: Pack,
    files: Sequence[tuple[str, PackedObject, str]],
    trees: Mapping[str, bytes],
) -> None:
    def staged(item: tuple[str, PackedObject, str]) -> StagedFile:
        oid, found, path = item
        data = pack.read(found)
        if len(data) <= MAX_POINTER_BYTES and (pointer := parse_pointer(data)):
            return StagedFile(path, oid, Blob(pointer.sha256, pointer.size), lfs=True, uploaded=False)
        return StagedFile(path, oid, services.blobs.put_bytes(data), lfs=False, uploaded=True)

    with ThreadPoolExecutor(_THREADS) as pool:  # a disk syncs eight small files in little more than the time of one
        ready = list(pool.map(staged, files))
    with services.database.write() as write:
        if repository.held_repo(write, repo.id) is None:
            raise hidden(RepoNotFound, repo.label)
        stage_objects(write, repo.id, ready, trees)


def _promise(services: Services, repo: Repo, named: Mapping[str, int]) -> None:
    pending = iter(named.items())
    while some := dict(islice(pending, _ROWS)):
        with services.database.write() as write:
            if repository.held_repo(write, repo.id) is None:
                raise hidden(RepoNotFound, repo.label)
            promise(write, repo.id, some)


def _cards(services: Services, repo: Repo, verdicts: list[Verdict]) -> dict[str, Card]:
    for verdict in verdicts:
        if verdict.command.name == HEADS + MAIN and verdict.arrival and not verdict.error:
            tip = verdict.arrival.commit_id
            with services.database.read() as read:
                new = verdict.arrival.new
                tree = new.tree if new else repository.tree_ids(read, repo.id, [tip])[0]
                return {verdict.command.name: card_of(read, services.blobs, tree)}
    return {}


# -- moving refs


def _move(
    write: WriteSession,
    actor: Actor,
    repo: Repo,
    verdicts: list[Verdict],
    incoming: Incoming,
    cards: dict[str, Card],
    proposals: Proposals | None,
    *,
    atomic: bool,
) -> None:
    if actor.key_id is not None:  # a push may take long: who may no longer sign in moves nothing
        actor = actor_of_key(write, actor.key_id)
    held = _hold(write, actor, repo, verdicts, proposals)
    if _hopeless(verdicts, atomic=atomic):
        return
    inserted: set[str] = set()
    # what is deleted makes room for what is made: "a" may give way to "a/b" in one push
    for verdict in sorted(verdicts, key=lambda verdict: verdict.command.new is not None):
        if verdict.error:
            continue
        try:
            if proposals is not None and proposal_number(verdict.command.name) is not None:
                _move_proposal(write, actor, held, verdict, incoming, inserted, proposals)
            else:
                _move_one(write, actor, held, verdict, incoming, inserted)
        except TholosError as error:
            verdict.error = error
        else:
            if card := cards.get(verdict.command.name):
                index_card(write, held, card)
        if verdict.error and atomic:
            raise _AllOrNothing


def _hold(write: WriteSession, actor: Actor, repo: Repo, verdicts: list[Verdict], proposals: Proposals | None) -> Repo:
    """Holds pull requests, the lowest number first, before the repo: as whoever commits to one, or merges it, does."""
    named = {proposal_number(verdict.command.name): verdict for verdict in verdicts if not verdict.error}
    for number in sorted(number for number in named if number is not None):
        assert proposals is not None  # or the command would have been refused
        try:
            proposals.hold(write, actor, repo, number)
        except TholosError as error:
            named[number].error = error
    repository.lock_repo(write, repo.id)
    held = repository.held_repo(write, repo.id)
    if held is None:
        raise hidden(RepoNotFound, repo.label)
    if any(verdict.error is None and proposal_number(verdict.command.name) is None for verdict in verdicts):
        authorize(actor, Action.WRITE, held)
    return held


def _move_proposal(
    write: WriteSession,
    actor: Actor,
    repo: Repo,
    verdict: Verdict,
    incoming: Incoming,
    inserted: set[str],
    proposals: Proposals,
) -> None:
    command, arrival = verdict.command, verdict.arrival
    ref = repository.locked_ref(write, repo.id, command.name)
    _refuse_moved(command, command.name, ref)
    number = proposal_number(command.name)
    assert ref is not None  # it is there as long as the pull request
    assert arrival is not None
    assert number is not None
    commits = incoming.commits([arrival], without=inserted)
    _insert(write, repo, commits.values())
    inserted.update(commits)
    before, ref.commit_id, ref.updated_at = ref.commit_id, arrival.commit_id, utcnow()
    write.flush()
    head = repository.revision(write, repo.id, arrival.commit_id)
    assert head is not None
    announce(write, actor, repo, command.name, arrival.commit_id, before=before)
    proposals.note(write, actor, repo, number, head.commit_id, head.message)


def _refuse_moved(command: RefCommand, short: str, ref: Ref | None) -> None:
    now_at = ref.oid if ref else None
    if now_at != command.old:
        raise CommitRace(
            f'"{short}" has moved meanwhile: it is at {now_at or "nothing"}, not at {command.old or "nothing"}.',
            next="Run `git fetch`, merge or rebase, then push again.",
            head=now_at,
        )


def _move_one(
    write: WriteSession, actor: Actor, repo: Repo, verdict: Verdict, incoming: Incoming, inserted: set[str]
) -> None:
    """Nothing of it is written before everything about it is decided. ``inserted`` are commits of refs before it."""
    command = verdict.command
    ref_kind, short = _short(command.name)
    ref = repository.locked_ref(write, repo.id, command.name)
    _refuse_moved(command, short, ref)
    if command.new is None:
        if ref is None:
            raise ObjectMissing(f'There is no {ref_kind} "{short}".', next="List them with `git ls-remote`.")
        note_ref(write, actor, repo, action=f"{ref_kind}.delete", ref=command.name, commit_id=ref.commit_id)
        write.delete(ref)
        write.flush()
        return
    arrival = verdict.arrival
    assert arrival is not None
    refuse_passing_for_a_commit(write, repo, short, arrival.commit_id)
    if ref is None:
        refuse_nested(write, repo, ref_kind, short)
    _insert_tags(write, arrival)
    commits = incoming.commits([arrival], without=inserted)
    _insert(write, repo, commits.values())
    inserted.update(commits)
    tag_id = command.new if arrival.tags else None
    before = ref.commit_id if ref else None
    if ref is None:
        ref = Ref(repo_id=repo.id, name=command.name)
        write.add(ref)
    ref.commit_id, ref.tag_id, ref.updated_at = arrival.commit_id, tag_id, utcnow()
    repo.updated_at = ref.updated_at
    write.flush()
    if ref_kind == "branch" and arrival.new:
        announce(write, actor, repo, command.name, arrival.commit_id, before=before)
    else:
        note_ref(
            write,
            actor,
            repo,
            action=f"{ref_kind}.set",
            ref=command.name,
            commit_id=arrival.commit_id,
            before=before,
        )


def _insert(write: WriteSession, repo: Repo, commits: Iterable[ForeignCommit]) -> None:
    rows = [
        {
            "repo_id": repo.id,
            "commit_id": commit.oid,
            "tree_id": commit.tree,
            "parent_id": commit.parents[0] if commit.parents else None,
            "parents": list(commit.parents),
            "author": commit.author,
            "message": commit.message,
            "raw": commit.raw,
            "job_id": None,
            "created_at": commit.committed_at,
        }
        for commit in commits
    ]
    for start in range(0, len(rows), _ROWS):
        repository.insert_missing(write, Revision, rows[start : start + _ROWS])


def _insert_tags(write: WriteSession, arrival: Arrival) -> None:
    repository.insert_fresh(write, GitTag, [{"oid": oid, "data": data} for oid, data in arrival.tags.items()])
    for oid, data in arrival.tags.items():
        if repository.tag_payload(write, oid) != data:
            raise ObjectCollision(
                f"The tag has the git id of a different tag ({oid}).",
                next="Make it again: two tags with one SHA-1 are made on purpose.",
            )


def _short(name: str) -> tuple[RefKind, str]:
    return ("branch", name.removeprefix(HEADS)) if name.startswith(HEADS) else ("tag", name.removeprefix(TAGS))
