# Generated from sdk/_async/search.py by scripts/generate_sync_client.py; do not edit.
"""Searching all repos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tholos.sdk.findings import Search, Suggested
from tholos.sdk.references import Kind

if TYPE_CHECKING:
    from tholos.sdk._sync.transport import Transport

Sort = Literal["trending", "downloads", "likes", "updated", "created"]
_PAGE = 100


class Searching:
    """``client.search("penguins", task="tabular-classification")``: call it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self,
        text: str = "",
        *,
        kind: Kind | None = None,
        owner: str | None = None,
        tags: Sequence[str] = (),
        task: str | None = None,
        library: str | None = None,
        license: str | None = None,  # noqa: A002 - what cards call it
        language: str | None = None,
        size: str | None = None,
        min_parameters: int | None = None,
        max_parameters: int | None = None,
        sort: Sort = "trending",
        limit: int = 20,
    ) -> Search:
        """Repos you may see that have every word of ``text`` and meet every filter, with counts by facet.

        The answer's ``items`` are ``limit`` hits at most; ``total`` and ``facets`` count all, from a sample where
        ``estimated`` says so.
        """
        query: dict[str, Any] = {
            "q": text or None,
            "kind": kind,
            "owner": owner,
            "tag": list(tags) or None,
            "task": task,
            "library": library,
            "license": license,
            "language": language,
            "size": size,
            "min_parameters": min_parameters,
            "max_parameters": max_parameters,
            "sort": sort,
        }
        path = "/api/v1/search"
        first = self._transport.call("GET", path, query={**query, "limit": max(1, min(limit, _PAGE))})
        items, cursor = list(first["items"]), first["next_cursor"]
        while cursor is not None and len(items) < limit:
            more = {**query, "limit": min(limit - len(items), _PAGE), "cursor": cursor}
            page = self._transport.call("GET", path, query=more)
            items, cursor = [*items, *page["items"]], page["next_cursor"]
        return Search.of({**first, "items": items[:limit], "next_cursor": cursor})

    def suggestions(self, text: str) -> list[str]:
        """Words that begin like the last one of ``text``, the most used first."""
        answer = self._transport.call("GET", "/api/v1/search/suggestions", query={"q": text})
        return list(Suggested.of(answer).items)

    def rebuild(self) -> int:
        """Has the server read every repo anew for its index (administrators); returns how many these are."""
        answer = self._transport.call("POST", "/api/v1/search/rebuild", body={})
        return int(answer["repos"])
