"""One server over HTTP: calls with retries, answers as decoded JSON, failures as typed errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tholos.sdk import errors
from tholos.sdk._async.concurrency import sleep
from tholos.sdk.credentials import Server
from tholos.sdk.retries import RetryPolicy

Body = Callable[[], AsyncIterator[bytes]]
"""Starts a request's body from its beginning, once for every try."""

_MOST_REDIRECTS = 5
_MOVED = frozenset({307, 308})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class AsyncTransport:
    """Speaks HTTP with one server. Safe to share among tasks (threads, in the synchronous version)."""

    def __init__(
        self,
        server: Server,
        *,
        retry: RetryPolicy,
        timeout_s: float,
        connections: int,
        http_transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(server.url)
        self.server = server
        self._retry = retry
        self._http = httpx2.AsyncClient(
            base_url=server.url,
            headers=_headers(server.token),
            timeout=httpx2.Timeout(timeout_s, connect=min(10.0, timeout_s)),
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=parts.scheme == "https",  # plain HTTP needs no certificate store, which is slow to load
            trust_env=parts.hostname not in _LOOPBACK,  # a proxy cannot reach this machine's loopback
            transport=http_transport,
        )

    async def close(self) -> None:
        """Closes every connection."""
        await self._http.aclose()

    async def call(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """The decoded JSON of the answer (None when it has no content)."""
        headers, content = {}, None
        if body is not None:
            headers, content = {"Content-Type": "application/json"}, _encode(body)
        async with self.open(method, path, query=query, content=content, headers=headers) as response:
            await response.aread()
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise errors.UnexpectedAnswer(
                f"{method} {path} was answered with something other than JSON.",
                next=f"Check that {self.server.url} is a Tholos server.",
                status=response.status_code,
            ) from error

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The whole answer, read."""
        async with self.open(method, path, query=query, content=content, headers=headers) as response:
            await response.aread()
        return response

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """The answer as it begins to arrive. Raises the typed error of an answer with an error status.

        ``path`` is below the server's URL, whatever it is: the token goes nowhere else.
        """
        if not path.startswith("/"):
            raise errors.UnexpectedAnswer(f"{path!r} is no address on {self.server.url}.", next="Check the server.")
        response = await self._answer(method, path, query, content, headers)
        try:
            yield response
        except httpx2.TransportError as error:
            raise self._unreachable(error, "The connection broke during the answer.") from error
        finally:
            await response.aclose()

    async def pages(self, path: str, query: Mapping[str, Any] | None = None, limit: int | None = None) -> list[Any]:
        """The items of a list, following its cursors until there are ``limit`` of them, or no more."""
        items: list[Any] = []
        cursor: str | None = None
        while limit is None or len(items) < limit:
            size = 200 if limit is None else min(200, limit - len(items))
            page = await self.call("GET", path, query={**(query or {}), "cursor": cursor, "limit": size})
            items += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
        return items if limit is None else items[:limit]

    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        content: bytes | Body | None,
        headers: Mapping[str, str] | None,
    ) -> httpx2.Response:
        delays = self._retry.delays()
        redirects = 0
        while True:
            request = self._http.build_request(
                method,
                path,
                params={key: value for key, value in (query or {}).items() if value is not None},
                content=content() if callable(content) else content,
                headers=headers,
            )
            try:
                response = await self._http.send(request, stream=True)
            except httpx2.TransportError as error:
                request_left = not isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
                delay = next(delays, None) if self._retry.repeats_failure(method, request_left=request_left) else None
                if delay is None:
                    raise self._unreachable(error, _explain(error)) from error
            else:
                if response.is_success:
                    return response
                there = self._moved_to(response)
                if there is not None and redirects < _MOST_REDIRECTS:
                    await response.aclose()
                    path, redirects = there, redirects + 1
                    continue
                failure, delay = await self._failure(response, delays)
                if delay is None:
                    raise failure
            await sleep(delay)

    def _moved_to(self, response: httpx2.Response) -> str | None:
        """The path at which this server wants the same request; to other servers goes nothing, least of all the token.

        Its query is left out: the server repeats the one that it was sent.
        """
        there = response.headers.get("Location", "")
        if response.status_code not in _MOVED or not there.startswith("/") or there.startswith("//"):
            return None
        return there.partition("?")[0].removeprefix(urlsplit(self.server.url).path.rstrip("/"))

    async def _failure(
        self, response: httpx2.Response, delays: Iterator[float]
    ) -> tuple[errors.TholosError, float | None]:
        """What an answer with an error status says, and the seconds until another try, if there is to be one."""
        method, status = response.request.method, response.status_code
        try:
            await response.aread()
            body = response.json()
        except (ValueError, httpx2.TransportError):
            body = None
        finally:
            await response.aclose()
        failure = errors.from_answer(status, body, method=method, url=str(response.request.url))
        delay = next(delays, None)
        if delay is None:
            return failure, None
        return failure, self._retry.wait_after(method, status, response.headers.get("Retry-After"), delay)

    def _unreachable(self, error: Exception, reason: str) -> errors.ServerUnreachable:
        if isinstance(error, httpx2.ConnectError):
            return errors.ServerUnreachable(
                f"No server answers at {self.server.url}.",
                next="Start one with `tholos up`, or name another with --url or THOLOS_URL.",
            )
        return errors.ServerUnreachable(
            f"{reason} ({self.server.url})", next="Try again; look at the server's log if it stays so."
        )


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "tholos-python"}
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers


def _encode(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise errors.InvalidInput(
            f"The request has no JSON form: {error}.", next="Use strings, finite numbers, booleans, lists and mappings."
        ) from error


def _explain(error: httpx2.TransportError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "The server did not answer in time."
    return "The connection broke before the answer came."
