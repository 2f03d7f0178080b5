"""What keeps garbage collection and those who upload, stage and commit at the same time from hurting each other.

Nothing that was sent, staged or promised within the grace period is collected (``fresh_at``), as git leaves young
objects alone. Two questions remain, and each has an answer in the transaction that makes something visible:

- Did this commit begin so long ago that what it staged may be gone? Then it does not land (`refuse_stale`).
- Was this very copy of the content about to be removed when the upload found it in the store? Then the upload is not
  acknowledged (`refuse_collected`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import select

from tholos.hub import repository
from tholos.hub.models import CollectedObject, CollectionState, RepoBlob
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import Unavailable
from tholos.kit.services import Services

STATE_ID: Final = 1
CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far the clocks of machines that share a database may lie apart."""
_IN_CHUNK: Final = 500


class StagedTooLongAgo(Unavailable):
    """The commit took so long that parts of it may have been collected; nothing was committed."""

    code = "staged_too_long_ago"


class ContentCollected(Unavailable):
    """The same content was being removed as garbage at this very moment; nothing was acknowledged."""

    code = "content_collected"
    retry_after_s: int | None = 6


def refuse_stale(write: WriteSession, staged_at: datetime) -> None:
    """Before a commit lands that began to stage then. Raises StagedTooLongAgo.

    Collection waits for this transaction to end before it looks at what is alive.
    """
    query = select(CollectionState.horizon).where(CollectionState.id == STATE_ID)
    if staged_at < write.execute(query.with_for_update(read=True)).scalar_one() + CLOCK_SKEW:
        raise StagedTooLongAgo(next="Repeat the commit.")


def refuse_collected(write: WriteSession, kind: Literal["blob", "xorb"], names: Mapping[str, datetime]) -> None:
    """After content was noted whose upload to the store began at these moments. Raises ContentCollected."""
    wanted = sorted(names)
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(CollectedObject).where(
            CollectedObject.kind == kind, CollectedObject.name.in_(wanted[start : start + _IN_CHUNK])
        )
        for found in write.scalars(query):
            if found.removed_at is None or names[found.name] < found.removed_at + CLOCK_SKEW:
                raise ContentCollected(next="Repeat the upload.")


def keep_promised(services: Services, read: ReadSession, repo_id: str, sha256s: Iterable[str]) -> None:
    """Before a client is told that the repo has these contents, so that it will not send them: makes them fresh.

    Costs a write only where the last promise is older than a tenth of the grace period.
    """
    wanted = sorted(set(sha256s))
    old = utcnow() - timedelta(seconds=services.settings.gc_grace_s / 10)
    stale: list[str] = []
    for start in range(0, len(wanted), _IN_CHUNK):
        query = select(RepoBlob.sha256).where(
            RepoBlob.repo_id == repo_id,
            RepoBlob.sha256.in_(wanted[start : start + _IN_CHUNK]),
            RepoBlob.fresh_at < old,
        )
        stale += read.scalars(query)
    if stale:
        with services.database.write() as write:
            repository.freshen_possession(write, repo_id, stale)


def xet_generation(read: ReadSession) -> int:
    """The generation in the Xet store's address."""
    return read.scalars(select(CollectionState.generation).where(CollectionState.id == STATE_ID)).one()
