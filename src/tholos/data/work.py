"""What this room's jobs do, in their child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tholos.data import view as views
from tholos.data.contents import contents_of_folder
from tholos.data.errors import DatasetNotEmpty, NoDataFiles
from tholos.data.formats import SourceFile, data_files
from tholos.data.samples import find
from tholos.data.samples.card import card_of
from tholos.data.splits import Method, SplitSpec, split
from tholos.data.stored_splits import files_of
from tholos.hub import service as hub
from tholos.hub.cards import CARD_FILE
from tholos.jobs import service as jobs
from tholos.jobs.context import JobContext, Publish
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.errors import TholosError


def import_source(ctx: JobContext) -> Publish:
    """Exports a sample and commits it, with a card, to the dataset; the view is made with it."""
    sample = find(ctx.payload["source"])
    folder = ctx.folder / "files"
    folder.mkdir()
    ctx.progress(0.0, f"reading {sample.source} from {sample.package} {sample.version}")
    export = sample.export(folder)
    (folder / CARD_FILE).write_text(card_of(sample, export))
    sources = _files(folder)
    with ctx.database.read() as read:
        repo = hub.get_repo_by_id(read, ctx.actor, ctx.payload["repo_id"])
        _refuse_other_data(read, repo, sources)
    ctx.progress(0.2, f"storing {len(sources):,} files")
    prepared = hub.prepare_commit(
        ctx.database,
        ctx.blobs,
        ctx.actor,
        repo,
        [hub.AddFile(source.path, source.file) for source in sources],
        f"Import {sample.source} from {sample.package} {sample.version}",
        job_id=ctx.job_id,
    )
    ctx.progress(0.5, "reading the data")
    view = views.build(
        ctx.blobs,
        repo.id,
        prepared.commit_id,
        contents_of_folder(sources),
        progress=lambda fraction, step: ctx.progress(0.5 + fraction / 2, step),
        job_id=ctx.job_id,
    )

    def publish(write: WriteSession) -> dict[str, Any]:
        revision = hub.land(write, prepared)
        view.revision = revision.commit_id
        views.save(write, repo, view)
        jobs.add_edges(write, ctx.job_id, outputs=[views.data_edge(repo, revision)])
        return {
            "dataset": repo.full_name,
            "revision": revision.commit_id,
            "rows": view.rows,
            "source": sample.source,
            "package": f"{sample.package} {sample.version}",
        }

    return publish


def read_revision(ctx: JobContext) -> Publish:
    """Makes the view of a revision. Data that cannot be read fails the job, and the view says why."""
    repo, revision = _subject(ctx)
    recorded = views.find(ctx, repo, revision)
    if recorded is not None:
        return lambda _write: {"state": "ready", "rows": recorded.rows}
    try:
        view = views.prepare(ctx, repo, revision, progress=ctx.progress, job_id=ctx.job_id)
    except NoDataFiles:
        view = views.unreadable(repo.id, revision.commit_id, None, ctx.job_id)
    except TholosError as error:
        if error.status < 500:  # a fault of the data, which would recur; not a full disk
            failed = views.unreadable(repo.id, revision.commit_id, error.to_dict(), ctx.job_id)
            with ctx.database.write() as write:
                views.save(write, repo, failed)
        raise

    def publish(write: WriteSession) -> dict[str, Any]:
        saved = views.save(write, repo, view)
        return {"state": saved.state, "rows": saved.rows}

    return publish


def split_revision(ctx: JobContext) -> Publish:
    """Assigns every row to a subset and commits the split as a child of the revision."""
    repo, revision = _subject(ctx)
    asked = ctx.payload
    spec = SplitSpec(dict(asked["ratios"]), Method(asked["method"]), asked["column"], asked["seed"])
    ctx.progress(0.0, "reading the data")
    view = views.ensure(ctx, repo, revision)
    table = views.load(ctx, repo, revision, columns=[] if spec.column is None else [spec.column])
    ctx.progress(0.5, "splitting")
    made = split(table, spec)
    counts = ", ".join(f"{subset} {rows}" for subset, rows in made.counts.items())
    prepared = hub.prepare_commit(
        ctx.database,
        ctx.blobs,
        ctx.actor,
        repo,
        files_of(asked["name"], spec, made, view.fingerprint),
        f"Split the rows: {counts}",
        parent=revision.commit_id,
        job_id=ctx.job_id,
    )

    def publish(write: WriteSession) -> dict[str, Any]:
        child = hub.land(write, prepared)
        views.save(write, repo, views.copy_for(view, child.commit_id, ctx.job_id))
        jobs.add_edges(write, ctx.job_id, outputs=[views.data_edge(repo, child)])
        return {
            "dataset": repo.full_name,
            "revision": child.commit_id,
            "split": asked["name"],
            "counts": made.counts,
        }

    return publish


def _subject(ctx: JobContext) -> tuple[hub.Repo, hub.Revision]:
    with ctx.database.read() as read:
        repo = hub.get_repo_by_id(read, ctx.actor, ctx.payload["repo_id"])
        hub.require_content(read, ctx.actor, repo)
        return repo, hub.revision_of(read, repo, ctx.payload["revision"])


def _files(folder: Path) -> list[SourceFile]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [SourceFile(path.relative_to(folder).as_posix(), path) for path in files]


def _refuse_other_data(read: ReadSession, repo: hub.Repo, sources: list[SourceFile]) -> None:
    head = hub.revision_of(read, repo, hub.MAIN)
    paths = [entry.path for entry in hub.tree(read, repo, head.commit_id, recursive=True) if entry.type == "file"]
    others = sorted(set(data_files(paths)) - {source.path for source in sources})
    if others:
        raise DatasetNotEmpty(
            f"{repo.label} holds other data already, such as {others[0]!r}.",
            next="Import into a new dataset: choose another name.",
            path=others[0],
        )
