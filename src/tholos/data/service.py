"""Use cases of datasets: import, profile, rows, splits; and what happens when a dataset gets a revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from tholos.accounts.authorization import Action, Actor, authorize
from tholos.data import kinds, repository
from tholos.data import view as views
from tholos.data.columns import Column, require_column
from tholos.data.errors import NoDataFiles, ProfilePending, Unreadable
from tholos.data.models import DatasetView
from tholos.data.rows import RowPage, page_of_rows
from tholos.data.samples import Sample, catalogue, find
from tholos.data.splits import SplitSpec
from tholos.data.stored_splits import StoredSplit, check_name, list_splits, read_subset
from tholos.hub import service as hub
from tholos.hub.mirror.promises import has_promises
from tholos.jobs import service as jobs
from tholos.jobs.models import Job
from tholos.kit.database import WriteSession
from tholos.kit.outbox import Handlers
from tholos.kit.paging import Page, decode_cursor, encode_cursor
from tholos.kit.services import Services


@dataclass(frozen=True, slots=True)
class Described:
    """A dataset revision with its view (None while it is being made) and the splits that fit its data."""

    repo: hub.Repo
    revision: hub.Revision
    view: DatasetView | None
    splits: list[StoredSplit]
    target: str | None
    """The column that the card proposes to predict."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of rows and the columns they have."""

    revision: hub.Revision
    columns: list[Column]
    page: RowPage


def sources(search: str, cursor: str | None, limit: int) -> Page[Sample]:
    """The data sets that installed packages carry, by name or title. Raises BadCursor."""
    start = decode_cursor(cursor, int)[0] if cursor else 0
    found = catalogue(search)
    more = len(found) > start + limit
    return Page(found[start : start + limit], encode_cursor(start + limit) if more else None)


def start_import(services: Services, actor: Actor, source: str, name: str | None) -> Job:
    """Makes the dataset ``name`` (by default the source's own) if needed, and a job that fills it.

    Raises SourceNotFound, SamplesNotInstalled, and as ``hub.ensure_repo``.
    """
    sample = find(source)
    repo = hub.ensure_repo(services.database, services.blobs, actor, hub.RepoKind.DATASET, name or sample.default_name)
    with services.database.write() as write:
        return jobs.enqueue(
            write,
            actor,
            kinds.IMPORT,
            {"repo_id": repo.id, "source": sample.source},
            title=f"Import {sample.source} to {repo.full_name}",
            about=repo.owner_id,
        )


def start_view(services: Services, actor: Actor, name: str, rev: str) -> Job:
    """A job that reads a revision again, for instance after a full disk. Raises as ``hub.resolve``, and Forbidden."""
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.DATASET, name, rev)
    authorize(actor, Action.WRITE, repo)
    with services.database.write() as write:
        return _enqueue_view(write, actor, repo, revision)


def start_split(services: Services, actor: Actor, name: str, rev: str, *, split_name: str, spec: SplitSpec) -> Job:
    """A job that commits a split of the head of main (or of ``rev``, which must then be the head).

    Raises BadSplit, ColumnNotFound (where the data was read already), Forbidden, and as ``hub.resolve``.
    """
    check_name(split_name)
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.DATASET, name, rev)
        view = repository.view_of(read, repo.id, revision.commit_id)
    authorize(actor, Action.WRITE, repo)
    if spec.column is not None and view is not None and view.columns is not None:
        require_column(spec.column, [column["name"] for column in view.columns])
    payload = {
        "repo_id": repo.id,
        "revision": revision.commit_id,
        "name": split_name,
        "ratios": [[subset, share] for subset, share in spec.ratios.items()],
        "method": spec.method.value,
        "column": spec.column,
        "seed": spec.seed,
    }
    with services.database.write() as write:
        return jobs.enqueue(
            write,
            actor,
            kinds.SPLIT,
            payload,
            title=f"Split {repo.full_name}",
            inputs=[views.data_edge(repo, revision)],
            about=repo.owner_id,
        )


def describe(services: Services, actor: Actor, name: str, rev: str) -> Described:
    """A dataset revision and what is known of its data. Raises as ``hub.resolve``."""
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.DATASET, name, rev)
        hub.require_content(read, actor, repo)
        view = repository.view_of(read, repo.id, revision.commit_id)
        fingerprint = view.fingerprint if view is not None and view.state == "ready" else None
        splits = list_splits(read, services.blobs, repo, revision, fingerprint)
        card = hub.card_of(read, services.blobs, revision.tree_id).metadata.get("tholos")
    target = card.get("target") if isinstance(card, Mapping) else None
    known = {column["name"] for column in (view.columns if view is not None else None) or ()}
    return Described(repo, revision, view, splits, target if target in known else None)


def rows(
    services: Services,
    actor: Actor,
    name: str,
    rev: str,
    *,
    split: str | None,
    offset: int,
    limit: int,
    max_characters: int | None = None,
) -> Rows:
    """A page of rows of a revision or of a subset of its split. Images are addresses of their files.

    Raises ProfilePending, Unreadable, NoDataFiles, SplitNotFound, SplitOutOfDate, and as ``hub.resolve``.
    """
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.DATASET, name, rev)
        hub.require_content(read, actor, repo)
        view = _ready(repository.view_of(read, repo.id, revision.commit_id), repo)
        chosen = None
        if split is not None:
            chosen = np.flatnonzero(read_subset(read, services.blobs, repo, revision, split, view))
    address = f"/api/v1/datasets/{quote(repo.full_name)}/files/{revision.commit_id}/"
    page = page_of_rows(
        views.parquet_path(services.blobs, view),
        chosen,
        offset,
        limit,
        lambda row: {"url": address + quote(row["path"])},
        max_characters,
    )
    return Rows(revision, [Column.from_json(each) for each in view.columns or ()], page)


def on_commit(write: WriteSession, payload: Mapping[str, str]) -> None:
    """Outbox handler of ``repo.committed``: a dataset's new revision is read, unless its job has done so already."""
    if hub.proposal_number(payload["ref"]) is not None:
        return  # what strangers propose costs the owner no job; it is read once it is merged
    repo = write.get(hub.Repo, payload["repo_id"])
    if repo is None or repo.kind is not hub.RepoKind.DATASET:
        return
    if repository.view_of(write, repo.id, payload["revision"]) is not None:
        return
    if has_promises(write, repo.id):  # reading it would ask for content that nobody has asked for yet
        return
    revision = hub.revision_of(write, repo, payload["revision"])
    _enqueue_view(write, Actor.system(repo.owner_id, repo.namespace), repo, revision)


def on_files_deleted(write: WriteSession, payload: Mapping[str, str]) -> None:
    """Outbox handler of ``repo.files_deleted``: what was read from them goes, and the head of main is read anew."""
    repo = write.get(hub.Repo, payload["repo_id"])
    if repo is None or repo.kind is not hub.RepoKind.DATASET:
        return
    repository.delete_views(write, repo.id)
    if hub.branch_head(write, repo, hub.MAIN) is None:  # a mirror of which nothing has come has no head
        return
    _enqueue_view(write, Actor.system(repo.owner_id, repo.namespace), repo, hub.revision_of(write, repo, hub.MAIN))


HANDLERS: Handlers = {"repo.committed": (on_commit,), "repo.files_deleted": (on_files_deleted,)}
"""What the outbox tells this room."""


def _enqueue_view(write: WriteSession, actor: Actor, repo: hub.Repo, revision: hub.Revision) -> Job:
    return jobs.enqueue(
        write,
        actor,
        kinds.VIEW,
        {"repo_id": repo.id, "revision": revision.commit_id},
        title=f"Read {repo.full_name}",
        inputs=[views.data_edge(repo, revision)],
        about=repo.owner_id,
    )


def _ready(view: DatasetView | None, repo: hub.Repo) -> DatasetView:
    if view is None:
        raise ProfilePending(
            f"The data of {repo.label} has not been read yet at this revision.",
            next=f"Wait for its job: `tholos jobs list --kind {kinds.VIEW.name}`.",
        )
    if view.state == "empty":
        raise NoDataFiles(next="Push CSV, JSON Lines or Parquet files, or a folder of images by class.")
    if view.state == "failed":
        error = view.error or {}
        raise Unreadable(
            str(error.get("message", "")),
            next=str(error.get("next", "")),
            **{**error.get("details", {}), "cause": error.get("code", "")},
        )
    return view
