"""Evaluations and comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tholos.sdk.references import Reference, segment
from tholos.sdk.results import Comparison, Evaluation

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient


class AsyncEvaluations:
    """What models measured on datasets."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self, *, model: str | None = None, limit: int | None = None) -> list[Evaluation]:
        """Evaluations, newest first; of one model (``ns/name`` or ``ns/name@rev``) if given."""
        query: dict[str, str | None] = {}
        if model is not None:
            reference = Reference.parse(model)
            query = {"model": await self._client.full_name(reference.name), "revision": reference.revision}
        items = await self._client.transport.pages("/api/v1/evaluations", query, limit)
        return [Evaluation.of(item) for item in items]

    async def get(self, evaluation_id: str) -> Evaluation:
        """One evaluation. Raises NotFound."""
        path = f"/api/v1/evaluations/{segment(evaluation_id)}"
        return Evaluation.of(await self._client.transport.call("GET", path))

    async def plot(self, evaluation_id: str, name: str, *, format: str = "json") -> bytes:  # noqa: A002
        """One of the evaluation's plots: Vega-Lite as JSON, or an SVG picture."""
        path = f"/api/v1/evaluations/{segment(evaluation_id)}/plots/{segment(name)}.{segment(format)}"
        return (await self._client.transport.send("GET", path)).content

    async def predictions(self, evaluation_id: str) -> bytes:
        """What the model answered for every row, as the bytes of a Parquet file."""
        path = f"/api/v1/evaluations/{segment(evaluation_id)}/predictions"
        return (await self._client.transport.send("GET", path)).content

    async def compare(self, a: str, b: str) -> Comparison:
        """Two model revisions (``ns/name`` or ``ns/name@rev``) on the data that both were measured on."""
        query = {"a": await self._full(a), "b": await self._full(b)}
        return Comparison.of(await self._client.transport.call("GET", "/api/v1/compare", query=query))

    async def _full(self, text: str) -> str:
        reference = Reference.parse(text)
        return str(Reference(await self._client.full_name(reference.name), reference.revision))
