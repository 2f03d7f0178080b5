"""An upstream, asked for refs, packs and files: git's smart HTTP and Git LFS, and nothing of what it says believed."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import quote, urljoin, urlsplit

import httpcore2
import orjson

from tholos.hub.mirror.connections import CheckedBackend, addresses
from tholos.hub.mirror.errors import UpstreamBroken, UpstreamNotFound, UpstreamUnavailable
from tholos.hub.names import HEADS, TAGS, RepoKind
from tholos.hub.pktlines import BadFrame, Mark, frames, line
from tholos.kit.addresses import is_public

_LFS: Final = "application/vnd.git-lfs+json"
_MAX_REFS_BYTES: Final = 32 << 20
_MAX_JSON_BYTES: Final = 1 << 20
_MAX_REDIRECTS: Final = 5
_MAX_HAVES: Final = 256
_LEAST_BYTES: Final = 1024
"""Bytes that must come within the timeout, or the answer counts as stalled."""
_OID = re.compile(r"[0-9a-f]{40}")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HIDDEN: Final = frozenset({401, 403, 404, 410, 451})
_CAPABILITIES: Final = ("side-band-64k", "ofs-delta", "no-progress")


class Upstream:
    """One repo of another hub. A context manager: its connections close with it. For one thread."""

    def __init__(self, base: str, source: str, kind: RepoKind, *, token: str, timeout_s: float) -> None:
        self._base = base
        self._token = token
        self._timeout_s = timeout_s
        prefix = "" if kind is RepoKind.MODEL else f"{kind.plural}/"
        self._repo = f"{base}/{prefix}{quote(source)}"
        self._pools = ExitStack()
        self._own = self._pools.enter_context(self._pool(allow_private=True))
        self._elsewhere: httpcore2.ConnectionPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pools.close()

    @property
    def host(self) -> str:
        """How errors call it."""
        return urlsplit(self._base).netloc

    def refs(self) -> dict[str, str]:
        """Branches and tags by full name, with the ids that they point at.

        Raises UpstreamNotFound, UpstreamUnavailable, UpstreamBroken.
        """
        with self._asked("GET", f"{self._repo}/info/refs?service=git-upload-pack") as answer:
            body = b"".join(self._bounded(answer, _MAX_REFS_BYTES))
        try:
            return _refs_in(body)
        except (BadFrame, ValueError):
            raise self._broken("its list of branches is not in git's format") from None

    def require_branches(self) -> None:
        """Raises UpstreamNotFound where there is no such repo, or nothing in it; and as `refs`."""
        if not self.refs():
            raise UpstreamNotFound(
                f"The repo has no branches at {self.host}.", next="Check the name, or ask again when it has."
            )

    def pack(self, wants: Iterable[str], haves: Iterable[str], into: IO[bytes], max_bytes: int) -> None:
        """Writes a pack with the wanted objects, and all before them that ``haves`` do not lead to, into a file.

        Raises UpstreamNotFound, UpstreamUnavailable, UpstreamBroken.
        """
        body = bytearray()
        for number, want in enumerate(wants):
            body += line(f"want {want} {' '.join(_CAPABILITIES)}" if number == 0 else f"want {want}")
        body += b"0000"
        for have in list(haves)[:_MAX_HAVES]:
            body += line(f"have {have}")
        body += line("done")
        headers = {"content-type": "application/x-git-upload-pack-request"}
        size = 0
        with self._asked("POST", f"{self._repo}/git-upload-pack", headers, bytes(body)) as answer:
            for packet in self._packets(_Reader(self._chunks(answer))):
                if packet[:1] == b"\x01":
                    size += len(packet) - 1
                    if size > max_bytes:
                        raise self._broken(f"its history is over {max_bytes:,} bytes (THOLOS_MAX_PUSH_BYTES)")
                    into.write(packet[1:])
                elif packet[:1] == b"\x03" or packet.startswith(b"ERR "):
                    said = packet.lstrip(b"\x03").decode("utf-8", "replace").strip()[:200]
                    raise self._broken(f'it said "{said}"')
        if not size:
            raise self._broken("it sent no objects")

    def locate(self, sha256: str, size: int) -> tuple[str, dict[str, str]]:
        """Where the content of a file is, with the headers to send there.

        Raises UpstreamNotFound (it does not have it), UpstreamUnavailable, UpstreamBroken.
        """
        wanted = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": sha256, "size": size}]}
        headers = {"content-type": _LFS, "accept": _LFS}
        address = f"{self._repo}.git/info/lfs/objects/batch"
        with self._asked("POST", address, headers, orjson.dumps(wanted)) as answer:
            body = b"".join(self._bounded(answer, _MAX_JSON_BYTES))
        try:
            found = orjson.loads(body)["objects"][0]
            if error := found.get("error"):
                raise UpstreamNotFound(
                    f"{self.host} does not give out the content {sha256}: {str(error.get('message'))[:200]}.",
                    next="Ask the upstream's operator; the repo names a file that it does not have.",
                )
            action = found["actions"]["download"]
            target, extra = str(action["href"]), action.get("header") or {}
            sent = {str(name): str(value) for name, value in extra.items()}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._broken("its answer to Git LFS is not in the format") from None
        if any(not (name + value).isprintable() or not (name + value).isascii() for name, value in sent.items()):
            raise self._broken("its answer to Git LFS has headers that cannot be sent")
        return urljoin(address, target), sent

    @contextmanager
    def content(self, address: str, headers: Mapping[str, str], offset: int) -> Iterator[Iterator[bytes]]:
        """The bytes of a file from ``offset`` on. Raises as `locate`."""
        ranged = {"range": f"bytes={offset}-"} if offset else {}
        with self._asked("GET", address, {**headers, **ranged}, bare="authorization" in map(str.lower, headers)) as got:
            skip = offset
            if got.status == 206:
                if not offset or not _header(got, "content-range").startswith(f"bytes {offset}-"):
                    raise self._broken("it sent another part of the file than was asked for")
                skip = 0
            yield _without(self._chunks(got), skip)

    # -- HTTP

    @contextmanager
    def _asked(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        bare: bool = False,
    ) -> Iterator[httpcore2.Response]:
        """The answer, after redirects; ``bare``: without our token, which goes to the upstream's origin only."""
        wait = {"connect": min(5.0, self._timeout_s), "read": self._timeout_s, "write": self._timeout_s, "pool": 1.0}
        sent = {k.lower(): v for k, v in (headers or {}).items()}
        for _ in range(_MAX_REDIRECTS + 1):
            own = self._is_own(address)
            every = {"accept-encoding": "identity", "user-agent": "git/tholos", **sent}
            if own and self._token and not bare:
                pair = base64.b64encode(f"tholos:{self._token}".encode()).decode()
                every["authorization"] = f"Basic {pair}"
            every.pop("host", None)
            with ExitStack() as stack:
                try:
                    answer = stack.enter_context(
                        self._pool_for(own).stream(
                            method, address, headers=list(every.items()), content=body, extensions={"timeout": wait}
                        )
                    )
                except _FAILURES as error:
                    raise self._away(error) from error
                if answer.status not in _REDIRECTS:
                    self._check(answer)
                    yield answer
                    return
                target = urljoin(address, _header(answer, "location"))
                if _origin(target) != _origin(address):
                    sent.pop("authorization", None)
                address = target
        raise self._broken("it leads from one address to the next without end")

    def _is_own(self, address: str) -> bool:
        origin = _origin(address)
        if origin is None:
            raise self._broken("it leads to what is no address of the web")
        return origin == _origin(self._base)

    def _pool_for(self, own: bool) -> httpcore2.ConnectionPool:
        if own:
            return self._own
        if self._elsewhere is None:
            parts = urlsplit(self._base)
            here = addresses(parts.hostname or "", parts.port or 443)
            private = not all(map(is_public, here))
            self._elsewhere = self._pools.enter_context(self._pool(allow_private=private))
        return self._elsewhere

    def _pool(self, *, allow_private: bool) -> httpcore2.ConnectionPool:
        return httpcore2.ConnectionPool(network_backend=CheckedBackend(allow_private=allow_private), max_connections=2)

    def _check(self, answer: httpcore2.Response) -> None:
        if answer.status in _HIDDEN:
            raise UpstreamNotFound(
                f"{self.host} has no such repo, or does not show it ({answer.status}).",
                next="Check the name; a repo that is private or gated there needs THOLOS_UPSTREAM_TOKEN.",
            )
        if answer.status == 429 or answer.status >= 500:
            raise UpstreamUnavailable(f"{self.host} answers {answer.status} at present.", next="Try again later.")
        if answer.status not in (200, 206):
            raise self._broken(f"it answers {answer.status}")
        if _header(answer, "content-encoding") not in ("", "identity"):
            raise self._broken("it compresses what it was asked not to")

    def _chunks(self, answer: httpcore2.Response) -> Iterator[bytes]:
        """The body, as long as it comes at more than a trickle."""
        begun, got = time.monotonic(), 0
        try:
            for chunk in answer.iter_stream():
                got += len(chunk)
                now = time.monotonic()
                if now - begun > self._timeout_s:
                    if got < _LEAST_BYTES:
                        raise UpstreamUnavailable(f"{self.host} sends next to nothing.", next="Try again later.")
                    begun, got = now, 0
                yield chunk
        except _FAILURES as error:
            raise self._away(error) from error

    def _bounded(self, answer: httpcore2.Response, limit: int) -> Iterator[bytes]:
        size = 0
        for chunk in self._chunks(answer):
            size += len(chunk)
            if size > limit:
                raise self._broken(f"its answer is over {limit:,} bytes")
            yield chunk

    def _packets(self, source: _Reader) -> Iterator[bytes]:
        while header := source.read(4):
            try:
                size = int(header, 16)
            except ValueError:
                size = -1
            if 0 <= size <= 2:
                continue
            data = source.read(size - 4) if size >= 4 else b""
            if size < 4 or len(data) != size - 4:
                raise self._broken("its pack was cut off, or is not in git's format")
            yield data

    def _away(self, error: Exception) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"{self.host} does not answer ({type(error).__name__}).", next="Try again when the upstream is back."
        )

    def _broken(self, what: str) -> UpstreamBroken:
        return UpstreamBroken(
            f"{self.host} did not answer as a hub does: {what}.", next="Nothing was kept. Tell the upstream's operator."
        )


_FAILURES: Final = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)


class _Reader:
    """Bytes on demand out of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; fewer only at the end."""
        parts = [self._left[:size]]
        self._left = self._left[size:]
        wanted = size - len(parts[0])
        while wanted > 0 and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk[:wanted])
            self._left = chunk[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)


def _refs_in(body: bytes) -> dict[str, str]:
    """Branches and tags of an advertisement. Raises BadFrame, ValueError."""
    found: dict[str, str] = {}
    first = True
    lines = [frame for frame in frames(io.BytesIO(body)) if not isinstance(frame, Mark)]
    if not lines or not lines[0].startswith(b"# service=git-upload-pack"):
        raise ValueError
    for entry in lines[1:]:
        text, _, offered = entry.partition(b"\0")
        if first and b"side-band-64k" not in offered.split():
            raise ValueError
        first = False
        oid, _, name = text.decode().partition(" ")
        if not _OID.fullmatch(oid):
            raise ValueError
        if name.startswith((HEADS, TAGS)) and not name.endswith("^{}"):
            found[name] = oid
    return found


def _header(answer: httpcore2.Response, name: str) -> str:
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == wanted), "")


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no address of the web."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _without(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        yield chunk[skip:]
        skip = 0
