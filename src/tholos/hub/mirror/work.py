"""What a pull does, in its child process."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tholos.hub import repository
from tholos.hub.errors import RepoNotFound
from tholos.hub.mirror.content import fetch
from tholos.hub.mirror.errors import UpstreamBroken, UpstreamNotFound
from tholos.hub.mirror.models import RepoPromise
from tholos.hub.mirror.promises import promised
from tholos.hub.mirror.pulling import pull_refs
from tholos.hub.models import Repo
from tholos.hub.revisions import revision_of, tree
from tholos.jobs.context import JobContext, Publish
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.services import Services

_REFS_SHARE = 0.1


def pull(ctx: JobContext) -> Publish:
    """Refs and history first, then the content of the wanted revisions, each file gone on with where it was left."""
    services = Services(ctx.settings, ctx.database, ctx.blobs)
    order = ctx.payload
    repo_id: str = order["repo_id"]

    def say(step: str) -> None:
        print(step)  # noqa: T201 - goes to the job's log
        ctx.progress(_REFS_SHARE / 2, step)

    pulled = pull_refs(services, repo_id, prune=order["prune"], say=say)
    for name, note in pulled.notes.items():
        print(f"{name}: {note}")  # noqa: T201 - goes to the job's log
    fetched, broken = _fetch_content(ctx, services, repo_id) if order["content"] else ((0, 0), {})
    if broken:
        raise UpstreamBroken(
            f"{len(broken):,} of the files could not be fetched; the first: {next(iter(broken.values()))}",
            next="What was fetched is kept. See the log, then sync again.",
        )

    def publish(_write: WriteSession) -> dict[str, Any]:
        return {
            "refs": pulled.moved,
            "deleted": pulled.deleted,
            "notes": pulled.notes,
            "files": fetched[0],
            "bytes": fetched[1],
        }

    return publish


def _fetch_content(ctx: JobContext, services: Services, repo_id: str) -> tuple[tuple[int, int], dict[str, str]]:
    with ctx.database.read() as read:
        repo = read.get(Repo, repo_id)
        if repo is None:
            raise RepoNotFound(next="It was deleted meanwhile.")
        wanted = _wanted(read, repo, ctx.payload["revisions"], all_history=ctx.payload["all_history"])
    total, done = sum(wanted.values()) or 1, 0
    broken: dict[str, str] = {}
    for number, (sha256, size) in enumerate(sorted(wanted.items()), start=1):
        step = f"file {number} of {len(wanted)}"
        before = done
        print(f"{step}: {sha256}, {size:,} bytes")  # noqa: T201 - goes to the job's log

        def progress(count: int, step: str = step) -> None:
            nonlocal done
            done += count
            ctx.progress(_REFS_SHARE + (1 - _REFS_SHARE) * done / total, step)

        try:
            fetch(services, repo_id, sha256, progress)
        except (UpstreamBroken, UpstreamNotFound) as error:  # the other files may be sound
            broken[sha256] = error.message
            print(f"{step} failed: {error.message}")  # noqa: T201 - goes to the job's log
        done = before + size
    return (len(wanted) - len(broken), sum(size for sha256, size in wanted.items() if sha256 not in broken)), broken


def _wanted(read: ReadSession, repo: Repo, revisions: list[str], *, all_history: bool) -> dict[str, int]:
    if all_history:
        query = select(RepoPromise.sha256).where(RepoPromise.repo_id == repo.id)
        return promised(read, repo.id, read.scalars(query))
    commits = {revision_of(read, repo, rev).commit_id for rev in revisions}
    if not revisions:
        commits = {ref.commit_id for ref in repository.refs(read, repo.id)}
    named: set[str] = set()
    for commit in commits:
        named |= {entry.sha256 for entry in tree(read, repo, commit, recursive=True) if entry.lfs and entry.sha256}
    return promised(read, repo.id, named)
