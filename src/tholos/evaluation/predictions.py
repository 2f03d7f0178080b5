"""The answers of a model to every row of an evaluation, kept as a Parquet file.

Columns: ``row`` (int64, the row's place in the split), ``actual``, ``predicted``, and for a classifier with
probabilities ``probability:<label>`` (float64) for each label it knows. The schema's metadata names the labels, so that
the file alone gives the outcomes back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.data.arrow import leave_pandas_out
from tholos.tasks.fields import Label, label_key
from tholos.tasks.outcomes import ClassOutcomes, Ints, NumberOutcomes, Outcomes, class_outcomes

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA = b"tholos"
_PROBABILITY = "probability:"


def write_predictions(path: Path, rows: Ints, outcomes: Outcomes) -> None:
    """Write the answers to *rows* (``int64 [n]``) as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    leave_pandas_out()
    columns: dict[str, Any] = {"row": pa.array(rows)}
    if isinstance(outcomes, ClassOutcomes):
        described: dict[str, Any] = {"labels": list(outcomes.labels), "known": outcomes.known}
        columns["actual"] = _labels(outcomes.labels, outcomes.actual)
        columns["predicted"] = _labels(outcomes.labels, outcomes.predicted)
        if outcomes.probabilities is not None:
            for place, label in enumerate(outcomes.labels[: outcomes.known]):
                columns[_PROBABILITY + label_key(label)] = pa.array(outcomes.probabilities[:, place])
    else:
        described = {}
        columns |= {"actual": pa.array(outcomes.actual), "predicted": pa.array(outcomes.predicted)}
    table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(described).encode()})
    pq.write_table(table, path, compression="zstd")


def read_predictions(path: Path) -> tuple[Ints, Outcomes]:
    """Read what `write_predictions` wrote: the rows and the outcomes."""
    import pyarrow.parquet as pq

    leave_pandas_out()
    table = pq.read_table(path)
    rows = table.column("row").to_numpy()
    described = json.loads(table.schema.metadata[_METADATA])
    if not described:
        return rows, NumberOutcomes(table.column("actual").to_numpy(), table.column("predicted").to_numpy())
    labels, known = described["labels"], described["known"]
    places = {label_key(label): place for place, label in enumerate(labels)}
    predicted = np.array([places[label_key(label)] for label in table.column("predicted").to_pylist()], dtype=np.int64)
    named = [_PROBABILITY + label_key(label) for label in labels[:known]]
    probabilities = None
    if set(named) <= set(table.column_names):
        probabilities = np.column_stack([table.column(name).to_numpy() for name in named])
    return rows, class_outcomes(labels[:known], table.column("actual").to_pylist(), predicted, probabilities)


def _labels(labels: tuple[Label, ...], places: Ints) -> pa.Array:
    """Labels by their places, in their own type where they share one and as text otherwise."""
    import pyarrow as pa

    alike = len({type(label) for label in labels}) == 1
    named = list(labels) if alike else [label_key(label) for label in labels]
    return pa.array(named).take(pa.array(places))
