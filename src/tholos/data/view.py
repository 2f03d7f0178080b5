"""The typed view of a dataset revision: one Parquet file and its profile, made once per set of data.

    table = view.load(ctx, repo, revision, split="train")

The view is a function of the data files and the card's settings; revisions that differ in nothing else share it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tholos.data import repository
from tholos.data.arrow import leave_pandas_out
from tholos.data.columns import Column, require_column, typed_field
from tholos.data.contents import Contents, contents_of
from tholos.data.errors import NoDataFiles
from tholos.data.formats import open_table
from tholos.data.models import DatasetView
from tholos.data.profiles import columns_of, profile
from tholos.data.stored_splits import read_subset
from tholos.hub import service as hub
from tholos.jobs.lineage import Edge
from tholos.kit.blobs import Blob, BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, WriteSession

if TYPE_CHECKING:
    import pyarrow as pa

READER = 1
"""Version of the reading rules: raise it when the same files would give another table."""

_ROW_GROUP_ROWS = 8192
_ROW_GROUP_BYTES = 32 << 20

Progress = Callable[[float, str], None]


class Stores(Protocol):
    """Where things are kept: a JobContext or a server's Services."""

    @property
    def database(self) -> Database: ...
    @property
    def blobs(self) -> BlobStore: ...


def load(
    stores: Stores,
    repo: hub.Repo,
    revision: hub.Revision,
    *,
    split: str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of a dataset revision, typed; the view is made and recorded first where there is none yet.

    ``split`` is a subset's name ("train") of the split named default, or "split/subset"; None means all rows. The order
    of rows is that of the files. Every field carries its column type (``columns.column_type``). The caller has
    authorized the repo.

    Raises:
        SplitNotFound, SplitOutOfDate, ColumnNotFound: what was asked for is not there.
        NoDataFiles, or any error of ``formats`` when the data cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    leave_pandas_out()
    view = ensure(stores, repo, revision)
    described = [Column.from_json(each) for each in view.columns or ()]
    wanted = (
        [require_column(name, [each.name for each in described]) for name in columns] if columns is not None else None
    )
    table = pq.read_table(parquet_path(stores.blobs, view), columns=wanted)
    types = {each.name: each.type for each in described}
    schema = pa.schema([typed_field(field, types[field.name]) for field in table.schema])
    if table.num_columns:  # a table made of no columns would have no rows
        table = pa.Table.from_arrays(table.columns, schema=schema)
    if split is None:
        return table
    with stores.database.read() as read:
        subset = read_subset(read, stores.blobs, repo, revision, split, view)
    return table.filter(pa.array(subset))


def find(stores: Stores, repo: hub.Repo, revision: hub.Revision) -> DatasetView | None:
    """The ready view of a revision, if it was made and recorded."""
    with stores.database.read() as read:
        view = repository.view_of(read, repo.id, revision.commit_id)
    return view if view is not None and view.state == "ready" else None


def ensure(stores: Stores, repo: hub.Repo, revision: hub.Revision) -> DatasetView:
    """The ready view of a revision, made and recorded where there is none.

    Raises NoDataFiles, or any error of ``formats`` when the data cannot be read.
    """
    if (found := find(stores, repo, revision)) is not None:
        return found
    view = prepare(stores, repo, revision)
    with stores.database.write() as write:
        return save(write, repo, view)


def prepare(
    stores: Stores,
    repo: hub.Repo,
    revision: hub.Revision,
    *,
    progress: Progress = lambda *_: None,
    job_id: str | None = None,
) -> DatasetView:
    """The view of a revision, made but not recorded: ``save`` does that, in a transaction of the caller's.

    Raises as ``ensure``.
    """
    with stores.database.read() as read:
        contents = contents_of(read, stores.blobs, repo, revision)
        same = repository.view_of_same_data(read, repo.id, contents.fingerprint, READER)
    if same is not None:
        return copy_for(same, revision.commit_id, job_id)
    return build(stores.blobs, repo.id, revision.commit_id, contents, progress=progress, job_id=job_id)


def build(
    blobs: BlobStore,
    repo_id: str,
    revision: str,
    contents: Contents,
    *,
    progress: Progress = lambda *_: None,
    job_id: str | None = None,
) -> DatasetView:
    """Reads the files, writes the Parquet file and profiles it. Raises NoDataFiles, or any error of ``formats``."""
    if not contents.files:
        raise NoDataFiles(next="Push CSV, JSON Lines or Parquet files, or a folder of images by class.")
    leave_pandas_out()
    table = open_table(contents.sources(blobs), skip_corrupt_images=contents.skip_corrupt_images)
    with tempfile.TemporaryDirectory(prefix="tholos-view-") as folder:
        path = Path(folder) / "view.parquet"
        _write(table.schema, table.read(), path, progress)
        profiled = profile(path, table.notes, lambda fraction, step: progress(0.5 + fraction / 2, step))
        blob = blobs.put_file(path)
    return DatasetView(
        repo_id=repo_id,
        revision=revision,
        fingerprint=contents.fingerprint,
        reader=READER,
        state="ready",
        error=None,
        parquet_sha256=blob.sha256,
        parquet_size=blob.size,
        rows=profiled["rows"],
        columns=[each.to_json() for each in columns_of(profiled)],
        profile=dict(profiled),
        job_id=job_id,
        created_at=utcnow(),
    )


def save(write: WriteSession, repo: hub.Repo, view: DatasetView) -> DatasetView:
    """Records a view; a ready one that is there already stays. Returns what is recorded."""
    if view.parquet_sha256 is not None:
        hub.record_upload(write, repo, Blob(view.parquet_sha256, view.parquet_size or 0, view.created_at))
    return repository.put_view(write, view)


def copy_for(view: DatasetView, revision: str, job_id: str | None = None) -> DatasetView:
    """The same view for another revision with the same data, not recorded yet."""
    return DatasetView(
        repo_id=view.repo_id,
        revision=revision,
        fingerprint=view.fingerprint,
        reader=view.reader,
        state=view.state,
        error=view.error,
        parquet_sha256=view.parquet_sha256,
        parquet_size=view.parquet_size,
        rows=view.rows,
        columns=view.columns,
        profile=view.profile,
        job_id=job_id,
        created_at=utcnow(),
    )


def unreadable(repo_id: str, revision: str, error: dict[str, Any] | None, job_id: str | None) -> DatasetView:
    """The view of a revision whose data cannot be read (``error``), or that has none; not recorded yet."""
    return DatasetView(
        repo_id=repo_id,
        revision=revision,
        fingerprint="",
        reader=READER,
        state="empty" if error is None else "failed",
        error=error,
        job_id=job_id,
        created_at=utcnow(),
    )


def data_edge(repo: hub.Repo, revision: hub.Revision) -> Edge:
    """A dataset revision as an input or output of a job."""
    return Edge(revision.urn, "data", f"{repo.full_name}@{revision.commit_id[:7]}")


def parquet_path(blobs: BlobStore, view: DatasetView) -> Path:
    """The local Parquet file of a ready view."""
    assert view.parquet_sha256 is not None  # of a ready view
    return blobs.path(view.parquet_sha256)


def _write(schema: pa.Schema, batches: Any, path: Path, progress: Progress) -> None:
    """Row groups are small, so that a page of rows is read without the rest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        pending: list[pa.RecordBatch] = []
        for batch in batches:
            for start in range(0, batch.num_rows, _ROW_GROUP_ROWS):
                pending.append(batch.slice(start, _ROW_GROUP_ROWS))
                if (
                    sum(each.num_rows for each in pending) >= _ROW_GROUP_ROWS
                    or sum(each.nbytes for each in pending) >= _ROW_GROUP_BYTES
                ):
                    writer.write_table(pa.Table.from_batches(pending))
                    pending = []
            rows += batch.num_rows
            progress(0.25, f"{rows:,} rows read")
        if pending:
            writer.write_table(pa.Table.from_batches(pending))
