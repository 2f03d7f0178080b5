# Generated from sdk/_async/evaluations.py by scripts/generate_sync_client.py; do not edit.
"""Evaluations and comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tholos.sdk.references import Reference, segment
from tholos.sdk.results import Comparison, Evaluation

if TYPE_CHECKING:
    from tholos.sdk._sync.client import Client


class Evaluations:
    """What models measured on datasets."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, *, model: str | None = None, limit: int | None = None) -> list[Evaluation]:
        """Evaluations, newest first; of one model (``ns/name`` or ``ns/name@rev``) if given."""
        query: dict[str, str | None] = {}
        if model is not None:
            reference = Reference.parse(model)
            query = {"model": self._client.full_name(reference.name), "revision": reference.revision}
        items = self._client.transport.pages("/api/v1/evaluations", query, limit)
        return [Evaluation.of(item) for item in items]

    def get(self, evaluation_id: str) -> Evaluation:
        """One evaluation. Raises NotFound."""
        path = f"/api/v1/evaluations/{segment(evaluation_id)}"
        return Evaluation.of(self._client.transport.call("GET", path))

    def plot(self, evaluation_id: str, name: str, *, format: str = "json") -> bytes:  # noqa: A002
        """One of the evaluation's plots: Vega-Lite as JSON, or an SVG picture."""
        path = f"/api/v1/evaluations/{segment(evaluation_id)}/plots/{segment(name)}.{segment(format)}"
        return (self._client.transport.send("GET", path)).content

    def predictions(self, evaluation_id: str) -> bytes:
        """What the model answered for every row, as the bytes of a Parquet file."""
        path = f"/api/v1/evaluations/{segment(evaluation_id)}/predictions"
        return (self._client.transport.send("GET", path)).content

    def compare(self, a: str, b: str) -> Comparison:
        """Two model revisions (``ns/name`` or ``ns/name@rev``) on the data that both were measured on."""
        query = {"a": self._full(a), "b": self._full(b)}
        return Comparison.of(self._client.transport.call("GET", "/api/v1/compare", query=query))

    def _full(self, text: str) -> str:
        reference = Reference.parse(text)
        return str(Reference(self._client.full_name(reference.name), reference.revision))
