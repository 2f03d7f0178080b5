"""Queries on dataset views."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tholos.data.models import DatasetView
from tholos.kit.database import ReadSession, WriteSession


def view_of(read: ReadSession, repo_id: str, revision: str) -> DatasetView | None:
    """The view of a revision, if it was made."""
    return read.get(DatasetView, (repo_id, revision))


def view_of_same_data(read: ReadSession, repo_id: str, fingerprint: str, reader: int) -> DatasetView | None:
    """A ready view of any revision of the repo with the same data, read by the same rules."""
    query = select(DatasetView).where(
        DatasetView.repo_id == repo_id,
        DatasetView.fingerprint == fingerprint,
        DatasetView.reader == reader,
        DatasetView.state == "ready",
    )
    return read.scalars(query.limit(1)).first()


def delete_views(write: WriteSession, repo_id: str) -> None:
    """Forgets what was read from every revision of a repo."""
    write.execute(delete(DatasetView).where(DatasetView.repo_id == repo_id))


def put_view(write: WriteSession, view: DatasetView) -> DatasetView:
    """Records a view that no session holds; a ready one that is there already stays. Returns what is recorded."""
    recorded = view_of(write, view.repo_id, view.revision)
    if recorded is None:
        try:
            with write.begin_nested():
                write.add(view)
                write.flush()
        except IntegrityError:  # someone else was first, on PostgreSQL
            recorded = view_of(write, view.repo_id, view.revision)
        else:
            return view
    if recorded is not None and recorded.state == "ready":
        return recorded
    return write.merge(view)
