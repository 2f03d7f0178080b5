"""Splits as files of a dataset: ``splits/{name}.parquet`` has one column, ``subset``, with a row for each row of the
data in order; ``splits/{name}.json`` says how it was made. Anyone can read them, and anyone may push their own.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tholos.data.arrow import leave_pandas_out
from tholos.data.errors import BadSplit, BrokenFile, SplitNotFound, SplitOutOfDate
from tholos.data.formats.detection import SPLITS_FOLDER
from tholos.data.models import DatasetView
from tholos.data.splits import Split, SplitSpec
from tholos.hub import service as hub
from tholos.hub.errors import EntryNotFound
from tholos.hub.mirror.promises import here, require_here
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT = "default"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MAX_JSON_BYTES = 64 << 10
_MAX_SUBSETS = 1000
_FORMAT = 1

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class StoredSplit:
    """A split of a revision, as its JSON file tells."""

    name: str
    counts: Mapping[str, int]
    """Subset to rows; empty for a split that was pushed without a JSON file."""
    method: str | None
    column: str | None
    seed: int | None
    fingerprint: str | None
    """Of the data that was split."""


def check_name(name: str) -> str:
    """The name itself. Raises BadSplit."""
    if not _NAME.fullmatch(name):
        raise BadSplit(
            f"{name!r} cannot be the name of a split.",
            next="Use lower-case letters, digits, - and _, starting with a letter.",
        )
    return name


def files_of(name: str, spec: SplitSpec, split: Split, fingerprint: str) -> list[hub.AddBytes]:
    """The two files of a split, as operations of a commit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    leave_pandas_out()
    about = {
        "format": _FORMAT,
        "name": name,
        "method": spec.method.value,
        "column": spec.column,
        "seed": spec.seed,
        "ratios": dict(spec.ratios),
        "counts": split.counts,
        "rows": len(split.assignment),
        "data": fingerprint,
    }
    subsets = pa.DictionaryArray.from_arrays(pa.array(split.assignment), pa.array(spec.subsets))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"subset": subsets}), buffer, compression="zstd")
    return [
        hub.AddBytes(f"{SPLITS_FOLDER}/{name}.json", (json.dumps(about, indent=2) + "\n").encode()),
        hub.AddBytes(f"{SPLITS_FOLDER}/{name}.parquet", buffer.getvalue()),
    ]


def list_splits(
    read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: hub.Revision, fingerprint: str | None = None
) -> list[StoredSplit]:
    """The splits of a revision by name; with a ``fingerprint`` only those that were made of that data.

    A split without a readable JSON file has no counts and counts as made of any data.
    """
    try:
        entries = here(read, repo.id, hub.tree(read, repo, revision.commit_id, SPLITS_FOLDER))
    except EntryNotFound:
        return []
    paths = {entry.path: entry for entry in entries if entry.type == "file"}
    found = []
    for path in sorted(paths):
        name = path.removeprefix(f"{SPLITS_FOLDER}/").removesuffix(".parquet")
        if path.endswith(".parquet") and _NAME.fullmatch(name):
            found.append(_about(blobs, name, paths.get(f"{SPLITS_FOLDER}/{name}.json")))
    return [each for each in found if fingerprint is None or each.fingerprint in (None, fingerprint)]


def read_subset(
    read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: hub.Revision, subset: str, view: DatasetView
) -> Mask:
    """Which rows of the view are in a subset: bool [rows]. ``subset`` is "train", or "split/train".

    Raises:
        SplitNotFound: no such split or subset; names those there are.
        SplitOutOfDate: it was made of other data.
        BrokenFile: its file is not as above.
    """
    name, _, wanted = subset.rpartition("/")
    name = name or DEFAULT
    splits = {each.name: each for each in list_splits(read, blobs, repo, revision)}
    if name not in splits:
        known = f"It has {', '.join(splits)}." if splits else "It has none."
        raise SplitNotFound(
            f"{repo.label} has no split {name!r} at this revision. {known}",
            next=f"Make one: `tholos data split {repo.full_name}`.",
            splits=list(splits),
        )
    if splits[name].fingerprint not in (None, view.fingerprint):
        raise _out_of_date(repo, name)
    entry = hub.file(read, repo, revision.commit_id, f"{SPLITS_FOLDER}/{name}.parquet")
    require_here(read, repo.id, [entry])
    subsets = _subsets(blobs, entry, view.rows or 0)
    if subsets is None:
        raise _out_of_date(repo, name)
    names = subsets.dictionary.to_pylist()
    if wanted not in names:
        raise SplitNotFound(
            f"The split {name!r} of {repo.label} has no subset {wanted!r}; it has {', '.join(map(str, names))}.",
            next="Choose one of these.",
            subsets=names,
        )
    mask: Mask = subsets.indices.fill_null(-1).to_numpy() == names.index(wanted)
    return mask


def _about(blobs: BlobStore, name: str, entry: hub.TreeEntry | None) -> StoredSplit:
    about: Any = None
    if entry is not None and entry.sha256 is not None:
        with blobs.open(entry.sha256) as stream:
            try:
                about = json.loads(stream.read(_MAX_JSON_BYTES))
            except (ValueError, RecursionError):  # anyone may push anything here; the assignment itself still counts
                about = None
    about = about if isinstance(about, dict) else {}

    def text(key: str) -> str | None:
        return value if isinstance(value := about.get(key), str) else None

    counts = about.get("counts")
    return StoredSplit(
        name=name,
        counts={
            str(subset): count
            for subset, count in (counts.items() if isinstance(counts, dict) else ())
            if isinstance(count, int)
        },
        method=text("method"),
        column=text("column"),
        seed=seed if isinstance(seed := about.get("seed"), int) else None,
        fingerprint=text("data"),
    )


def _subsets(blobs: BlobStore, entry: hub.TreeEntry, rows: int) -> pa.DictionaryArray | None:
    """Each row's subset; None where the file is of another number of rows. Raises BrokenFile."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    leave_pandas_out()
    assert entry.sha256 is not None  # of a file
    broken = BrokenFile(
        f"{entry.path!r} is not a split: a Parquet file with one string column named subset.",
        next="Make the split anew.",
        path=entry.path,
    )
    path = blobs.path(entry.sha256)
    try:
        with pq.ParquetFile(path) as file:
            if file.schema_arrow.names != ["subset"]:
                raise broken
            if file.metadata.num_rows != rows:
                return None
        with pq.ParquetFile(path, read_dictionary=["subset"]) as file:
            column = file.read().column("subset")
    except (pa.ArrowException, OSError) as error:
        raise broken from error
    if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
        raise broken
    combined = column.unify_dictionaries().combine_chunks()
    if len(combined.dictionary) > _MAX_SUBSETS:
        raise broken
    return combined


def _out_of_date(repo: hub.Repo, name: str) -> SplitOutOfDate:
    return SplitOutOfDate(
        f"The data of {repo.label} has changed since its split {name!r} was made.",
        next=f"Split it again: `tholos data split {repo.full_name}`.",
        split=name,
    )
