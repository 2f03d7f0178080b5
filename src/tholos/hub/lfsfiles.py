"""The large files of a repo as such: listed, copied to another repo without sending them, deleted for good.

A large file is deleted by ending the repo's possession of its content: whatever names it from then on, in revisions new
or old, by whichever door, is answered with `ContentDeleted`. The revisions themselves stay: measurements and lineage
name them. Where history is rewritten, branches and tags lead to new revisions in which the files never were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from tholos.accounts.authorization import Action, Actor
from tholos.accounts.service import record_audit
from tholos.hub import repository
from tholos.hub.access import require_content
from tholos.hub.errors import ContentDeleted
from tholos.hub.gitobjects import DIRECTORY_MODE, EMPTY_TREE_ID, Pointer, parse_tree
from tholos.hub.mirror.promises import is_promised, require_here
from tholos.hub.models import Repo, RepoBlob, RepoXetFile, RepoXorb, Revision
from tholos.hub.names import HEADS, RepoKind
from tholos.hub.quotas import Quota, require_room
from tholos.hub.repos import get_repo
from tholos.hub.rewriting import Rewriting, apply_rewriting, rewrite_without, stage_trees
from tholos.hub.trees import TreeEntry, git_blobs
from tholos.hub.uploads import is_sha256, record_upload
from tholos.hub.xet import repository as xet
from tholos.kit.blobs import Blob, Recipe
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import InvalidInput
from tholos.kit.outbox import emit
from tholos.kit.paging import Page, decode_cursor, encode_cursor
from tholos.kit.services import Services

MAX_AT_ONCE: Final = 1000
_IN_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class LfsFile:
    """A large file that some revision of the repo names; ``ref`` is a branch or tag whose head has it."""

    sha256: str
    size: int
    path: str
    ref: str | None
    pushed_at: datetime


def require_kept(read: ReadSession, repo: Repo, entry: TreeEntry) -> None:
    """Lets pass a file whose content the repo still possesses, or has still to fetch. Raises ContentDeleted."""
    if entry.sha256 is None or read.get(RepoBlob, (repo.id, entry.sha256)) is not None:
        return
    if not is_promised(read, repo.id, entry):
        raise ContentDeleted(
            f'The content of "{entry.path}" was deleted from {repo.label} for good.',
            next="Ask for another revision, or its owner for the file.",
            sha256=entry.sha256,
        )


def kept(read: ReadSession, repo: Repo, entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """Those of the files whose content the repo still possesses; folders are left out."""
    found = [(entry, entry.sha256) for entry in entries if entry.sha256 is not None]
    held = repository.possessed(read, repo.id, [sha256 for _, sha256 in found])
    return [entry for entry, sha256 in found if sha256 in held]


def require_all_kept(read: ReadSession, repo: Repo, entries: Iterable[TreeEntry]) -> None:
    """Lets pass files whose content the repo possesses. Raises ContentDeleted, and ContentElsewhere for a mirror's."""
    files = [entry for entry in entries if entry.sha256 is not None]
    there = {entry.path for entry in kept(read, repo, files)}
    missing = [entry for entry in files if entry.path not in there]
    require_here(read, repo.id, missing)
    for entry in missing:
        require_kept(read, repo, entry)


def list_lfs_files(
    read: ReadSession, actor: Actor, kind: RepoKind, name: str, *, cursor: str | None, limit: int
) -> Page[LfsFile]:
    """The large files of all revisions that the repo still possesses, by SHA-256; for who may write to it.

    Raises RepoNotFound, Forbidden, BadCursor.
    """
    repo = get_repo(read, actor, kind, name, Action.WRITE)
    named = _named_blobs(read, repo)
    blobs = git_blobs(read, named)
    found: dict[str, tuple[str, str | None]] = {}
    for oid, place in named.items():
        if oid in blobs and blobs[oid].lfs:
            found.setdefault(blobs[oid].sha256, place)
    after = decode_cursor(cursor, str)[0] if cursor else ""
    wanted = sorted(sha256 for sha256 in found if sha256 > after)
    kept = _possessions(read, repo, wanted)
    files = [LfsFile(sha256, size, *found[sha256], moment) for sha256, (size, moment) in sorted(kept.items())]
    more = len(files) > limit
    return Page(files[:limit], encode_cursor(files[limit - 1].sha256) if more else None)


def delete_lfs_files(
    services: Services, actor: Actor, kind: RepoKind, name: str, sha256s: Sequence[str], *, rewrite: bool
) -> int:
    """Deletes large files for good; returns how many there were. For who may delete the repo.

    ``rewrite`` also leads every branch and tag to revisions in which these files never were. What the repo does not
    have is passed over. Not inside a transaction.

    Raises RepoNotFound, Forbidden, InvalidInput, CommitRace (a branch moved meanwhile: nothing was done).
    """
    if len(sha256s) > MAX_AT_ONCE or not all(is_sha256(sha256) for sha256 in sha256s):
        raise InvalidInput(
            f"Files are named by their SHA-256, {MAX_AT_ONCE} at most at once.", next="Send 64 lower-case digits each."
        )
    with services.database.read() as read:
        repo = get_repo(read, actor, kind, name, Action.ADMIN)
        kept = _possessions(read, repo, sha256s)
        doomed = {Pointer(sha256, size).oid: sha256 for sha256, (size, _) in kept.items()}
        blobs = git_blobs(read, _named_blobs(read, repo))
        doomed = {oid: sha256 for oid, sha256 in doomed.items() if oid in blobs}
        _refuse_plain(sha256s=set(doomed.values()), plain={blob.sha256 for blob in blobs.values() if not blob.lfs})
        orphans = _orphaned_xorbs(read, repo, set(doomed.values()))
        plan = rewrite_without(read, repo, doomed.keys()) if rewrite and doomed else Rewriting()
    if not doomed:
        return 0
    stage_trees(services.database, plan)
    with services.database.write() as write:
        held = get_repo(write, actor, kind, name, Action.ADMIN)
        repository.lock_repo(write, held.id)
        apply_rewriting(write, actor, held, plan)
        _forget(write, held, sorted(doomed.values()), orphans)
        details = {"files": len(doomed), "rewritten": len(plan.refs), "sha256": sorted(doomed.values())[:20]}
        record_audit(write, actor, "repo.delete_files", held.label, details)
        emit(write, "repo.files_deleted", {"repo_id": held.id, "kind": held.kind.value})
    return len(doomed)


def duplicate_lfs_files(
    services: Services,
    actor: Actor,
    source: tuple[RepoKind, str],
    target: tuple[RepoKind, str],
    sha256s: Sequence[str],
) -> list[str]:
    """Lets the target possess what the source does, without the bytes being sent; returns those the source has not.

    The actor must be let have the source's content and write to the target. Commits to the target may then name them.

    Raises RepoNotFound, Forbidden, GatedRepo, QuotaExceeded, InvalidInput.
    """
    if len(sha256s) > MAX_AT_ONCE or not all(is_sha256(sha256) for sha256 in sha256s):
        raise InvalidInput(f"Name {MAX_AT_ONCE} files at most, by their SHA-256.", next="Send fewer at once.")
    with services.database.write() as write:
        giver = get_repo(write, actor, *source)
        require_content(write, actor, giver)
        taker = get_repo(write, actor, *target, Action.WRITE)
        kept = _possessions(write, giver, sha256s)
        new = kept.keys() - repository.possessed(write, taker.id, kept).keys()
        size = sum(kept[sha256][0] for sha256 in new)
        require_room(write, Quota.default(services.settings), taker.owner_id, size)
        for sha256 in sorted(new):
            record_upload(write, taker, Blob(sha256, kept[sha256][0]))
        _copy_recipes(write, giver, taker, sorted(new))
        record_audit(write, actor, "repo.copy_files", taker.label, {"from": giver.label, "files": len(new)})
    return sorted(set(sha256s) - kept.keys())


def _named_blobs(read: ReadSession, repo: Repo) -> dict[str, tuple[str, str | None]]:
    """Every blob id that a revision names, with a path and, where the head of one has it, a ref; newest first."""
    refs = repository.refs(read, repo.id)
    heads = {ref.commit_id: ref.name for ref in sorted(refs, key=lambda ref: not ref.name.startswith(HEADS))}
    query = select(Revision.commit_id, Revision.tree_id).where(Revision.repo_id == repo.id)
    rows = read.execute(query.order_by(Revision.created_at.desc(), Revision.commit_id)).all()
    found: dict[str, tuple[str, str | None]] = {}
    seen: set[str] = set()
    for commit_id, root in sorted(rows, key=lambda row: row[0] not in heads):
        for oid, path in _walk(read, root, seen):
            found.setdefault(oid, (path, heads.get(commit_id)))
    return found


def _walk(read: ReadSession, root: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Blob ids with their paths below a tree, each tree once."""
    level = {root: ""}
    while level:
        wanted = {oid: path for oid, path in level.items() if oid not in seen and oid != EMPTY_TREE_ID}
        seen |= wanted.keys()
        level = {}
        for oid, payload in repository.tree_payloads(read, wanted).items():
            for entry in parse_tree(payload):
                path = f"{wanted[oid]}{entry.name}"
                if entry.mode == DIRECTORY_MODE:
                    level[entry.oid] = f"{path}/"
                else:
                    yield entry.oid, path


def _possessions(read: ReadSession, repo: Repo, sha256s: Collection[str]) -> dict[str, tuple[int, datetime]]:
    """Size of each of these contents that the repo possesses, and since when it does."""
    sizes = {sha256: blob.size for sha256, blob in repository.possessed(read, repo.id, sha256s).items()}
    wanted = sorted(sizes)
    moments: dict[str, datetime] = {}
    for start in range(0, len(wanted), _IN_CHUNK):
        some = RepoBlob.sha256.in_(wanted[start : start + _IN_CHUNK])
        query = select(RepoBlob.sha256, RepoBlob.created_at).where(RepoBlob.repo_id == repo.id, some)
        moments.update((sha256, moment) for sha256, moment in read.execute(query))
    return {sha256: (sizes[sha256], moments[sha256]) for sha256 in wanted}


def _refuse_plain(*, sha256s: set[str], plain: set[str]) -> None:
    if both := sorted(sha256s & plain):
        raise InvalidInput(
            f"The content {both[0]} is also kept as an ordinary file of this repo.",
            next="Leave it out: history of ordinary files is not deleted.",
            sha256=both[0],
        )


def _orphaned_xorbs(read: ReadSession, repo: Repo, sha256s: set[str]) -> list[str]:
    """The xorbs that this repo's own recipes use for these files alone."""
    query = select(RepoXetFile.sha256, RepoXetFile.recipe).where(RepoXetFile.repo_id == repo.id)
    doomed: set[str] = set()
    kept: set[str] = set()
    for sha256, recipe in read.execute(query):
        (doomed if sha256 in sha256s else kept).update(term.xorb for term in Recipe.decode(recipe).terms)
    return sorted(doomed - kept)


def _forget(write: WriteSession, repo: Repo, sha256s: Sequence[str], xorbs: Sequence[str]) -> None:
    for start in range(0, len(sha256s), _IN_CHUNK):
        some = sha256s[start : start + _IN_CHUNK]
        for table in (RepoBlob, RepoXetFile):
            write.execute(delete(table).where(table.repo_id == repo.id, table.sha256.in_(some)))
    for start in range(0, len(xorbs), _IN_CHUNK):
        few = RepoXorb.xorb_hash.in_(xorbs[start : start + _IN_CHUNK])
        write.execute(delete(RepoXorb).where(RepoXorb.repo_id == repo.id, few))


def _copy_recipes(write: WriteSession, giver: Repo, taker: Repo, sha256s: Sequence[str]) -> None:
    """Gives the target the source's own recipes, so that its readers are told nothing that they could not know."""
    for start in range(0, len(sha256s), _IN_CHUNK):
        some = RepoXetFile.sha256.in_(sha256s[start : start + _IN_CHUNK])
        for row in list(write.scalars(select(RepoXetFile).where(RepoXetFile.repo_id == giver.id, some))):
            xet.keep_own_recipe(write, taker.id, row.sha256, row.xet_hash, row.recipe)
            used = sorted({term.xorb for term in Recipe.decode(row.recipe).terms})
            for first in range(0, len(used), _IN_CHUNK):
                few = RepoXorb.xorb_hash.in_(used[first : first + _IN_CHUNK])
                query = select(RepoXorb.xorb_hash, RepoXorb.size).where(RepoXorb.repo_id == giver.id, few)
                xet.keep_own_xorbs(write, taker.id, dict(write.execute(query).all()))
