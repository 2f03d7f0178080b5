"""``git-upload-pack``: what there is, what the client has, and a pack of the difference."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from typing import Final

from tholos.hub import service as hub
from tholos.hub.gitobjects import is_commit_id
from tholos.hub.names import HEADS
from tholos.hub.pktlines import (
    DELIMITER,
    FLUSH,
    MAX_BAND,
    MAX_SMALL_BAND,
    BadFrame,
    Mark,
    band,
    frames,
    line,
    until_flush,
)
from tholos.kit.errors import TholosError
from tholos.kit.services import Services
from tholos.wire.git.packing import pack

AGENT: Final = f"agent=tholos/{version('tholos')}"
_HEAD: Final = HEADS + hub.MAIN
_V0: Final = (
    "multi_ack_detailed side-band side-band-64k ofs-delta shallow deepen-relative no-progress include-tag filter "
    f"allow-tip-sha1-in-want allow-reachable-sha1-in-want symref=HEAD:{_HEAD} object-format=sha1 {AGENT}"
)
_V2: Final = ("version 2", AGENT, "ls-refs=unborn", "fetch=shallow filter", "object-format=sha1")
_MAX_ASKED: Final = 100_000
_INFINITE_DEPTH: Final = 0x7FFFFFFF
_LIMIT = re.compile(r"blob:limit=([0-9]{1,18})([kmg]?)")


@dataclass(slots=True)
class _Asked:
    """A fetch request as it was read."""

    wants: list[str] = field(default_factory=list)
    haves: list[str] = field(default_factory=list)
    shallow: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    depth: int | None = None
    max_file_bytes: int | None = None
    done: bool = False

    def take(self, text: str) -> None:
        """Takes one line. Raises BadFrame."""
        word, _, value = text.partition(" ")
        if word in {"want", "have", "shallow"} and is_commit_id(value):
            {"want": self.wants, "have": self.haves, "shallow": self.shallow}[word].append(value)
            if len(self.wants) + len(self.haves) + len(self.shallow) > _MAX_ASKED:
                raise BadFrame("The request names too many objects.", next="Fetch fewer branches at once.")
        elif word == "deepen" and value.isascii() and value.isdigit():
            self.depth = min(int(value[:12]), _INFINITE_DEPTH) or None
        elif word == "filter":
            self.max_file_bytes = _filter(value)
        elif text == "done":
            self.done = True
        elif not value:
            self.options.add(text)
        else:
            raise BadFrame(f'The request has the unknown line "{text[:80]}".', next="Use a current git client.")

    def request(self, haves: Sequence[str]) -> hub.Request:
        return hub.Request(
            wants=self.wants,
            haves=haves,
            shallow=self.shallow,
            depth=self.depth,
            deepen_relative="deepen-relative" in self.options,
            include_tags="include-tag" in self.options,
            max_file_bytes=self.max_file_bytes,
        )


def advertisement(refs: Sequence[hub.GitRef], *, modern: bool) -> bytes:
    """The answer to ``info/refs``: for version 2 what the server can do, else also which refs there are."""
    if modern:
        return b"".join(map(line, _V2)) + FLUSH
    return line("# service=git-upload-pack") + FLUSH + listed(refs, _V0, head=True)


def listed(refs: Sequence[hub.GitRef], capabilities: str, *, head: bool) -> bytes:
    """Refs as version 0 lists them, the capabilities behind the first."""
    shown = [("HEAD", ref.oid) for ref in refs if head and ref.name == _HEAD]
    for ref in refs:
        shown.append((ref.name, ref.oid))
        if head and ref.peeled:
            shown.append((ref.name + "^{}", ref.peeled))
    shown = shown or [("capabilities^{}", "0" * 40)]
    first, *rest = shown
    lines = [line(f"{first[1]} {first[0]}\0{capabilities}"), *(line(f"{oid} {name}") for name, oid in rest)]
    return b"".join(lines) + FLUSH


def answer(
    services: Services, repo: hub.Repo, refs: Sequence[hub.GitRef], body: bytes, *, modern: bool
) -> Iterator[bytes]:
    """The answer to a POST. What is wrong is told inside it, where git shows it. Raises BadFrame."""
    found = frames(io.BytesIO(body))
    try:
        if not modern:
            yield from _fetch(services, repo, found)
            return
        command = next(found, None)
        arguments = _arguments(found)
        if command == b"command=ls-refs":
            yield _ls_refs(refs, arguments)
        elif command == b"command=fetch":
            yield from _fetch_modern(services, repo, arguments)
        elif command is not None and command is not Mark.FLUSH:
            raise BadFrame("The request has an unknown command.", next="Use a current git client.")
    except TholosError as error:
        yield line(f"ERR {error.message} {error.next}")


# -- version 0


def _fetch(services: Services, repo: hub.Repo, found: Iterator[bytes | Mark]) -> Iterator[bytes]:
    asked = _Asked()
    for index, frame in enumerate(until_flush(found)):
        text = _text(frame)
        if index == 0:
            want, _, capabilities = text.partition(" ")[2].partition(" ")
            asked.options.update(capabilities.split())
            text = f"want {want}"
        asked.take(text)
    if not asked.wants:
        return
    ended = True
    for frame in found:
        ended = False
        if frame is Mark.FLUSH:
            break
        asked.take(_text(frame))
    with services.database.read() as read:
        history = hub.History(read, repo)
        common = [oid for oid in asked.haves if history.has(oid)]
        ready = not asked.done and history.suffices(asked.wants, common)
        chosen = history.select(asked.request(common)) if asked.done or asked.depth else hub.Selection()
    if asked.depth:
        yield b"".join(_shallow_lines(chosen)) + FLUSH
        if ended:
            return
    yield _acknowledged(asked, common, ready=ready)
    if asked.done:
        limit = MAX_BAND if "side-band-64k" in asked.options else MAX_SMALL_BAND
        banded = not asked.options.isdisjoint({"side-band", "side-band-64k"})
        yield from _packed(services, repo, chosen, limit if banded else None, quiet="no-progress" in asked.options)


def _acknowledged(asked: _Asked, common: Sequence[str], *, ready: bool) -> bytes:
    if "multi_ack_detailed" not in asked.options:
        return line(f"ACK {common[0]}") if common else line("NAK")
    lines = [line(f"ACK {oid} common") for oid in common]
    if ready:
        lines.append(line(f"ACK {common[-1]} ready"))
    lines.append(line(f"ACK {common[-1]}") if asked.done and common else line("NAK"))
    return b"".join(lines)


# -- version 2


def _arguments(found: Iterator[bytes | Mark]) -> list[str]:
    behind = False
    arguments: list[str] = []
    for frame in until_flush(found):
        if frame is Mark.DELIMITER:
            behind = True
        elif behind:
            arguments.append(_text(frame))
    return arguments


def _ls_refs(refs: Sequence[hub.GitRef], arguments: list[str]) -> bytes:
    prefixes = tuple(text.removeprefix("ref-prefix ") for text in arguments if text.startswith("ref-prefix "))
    lines: list[bytes] = []
    for ref in refs:
        if ref.name == _HEAD and (not prefixes or "HEAD".startswith(prefixes)):
            lines.insert(0, line(f"{ref.oid} HEAD" + (f" symref-target:{_HEAD}" if "symrefs" in arguments else "")))
        if not prefixes or ref.name.startswith(prefixes):
            peeled = f" peeled:{ref.peeled}" if ref.peeled and "peel" in arguments else ""
            lines.append(line(f"{ref.oid} {ref.name}{peeled}"))
    return b"".join(lines) + FLUSH


def _fetch_modern(services: Services, repo: hub.Repo, arguments: list[str]) -> Iterator[bytes]:
    asked = _Asked()
    for text in arguments:
        asked.take(text)
    with services.database.read() as read:
        history = hub.History(read, repo)
        common = [oid for oid in asked.haves if history.has(oid)]
        ready = asked.done or not asked.haves or history.suffices(asked.wants, common)
        chosen = history.select(asked.request(common)) if ready else hub.Selection()
    if asked.haves and not asked.done:
        lines = [line("acknowledgments"), *([line(f"ACK {oid}") for oid in common] or [line("NAK")])]
        yield b"".join(lines) + (line("ready") + DELIMITER if ready else FLUSH)
    if not ready:
        return
    if asked.depth:
        yield line("shallow-info") + b"".join(_shallow_lines(chosen)) + DELIMITER
    yield line("packfile")
    yield from _packed(services, repo, chosen, MAX_BAND, quiet="no-progress" in asked.options)


# -- both


def _packed(
    services: Services, repo: hub.Repo, chosen: hub.Selection, limit: int | None, *, quiet: bool
) -> Iterator[bytes]:
    pieces = pack(hub.object_streams(services, repo, chosen), len(chosen))
    if limit is None:
        yield from pieces
        return
    if not quiet:
        yield from band(2, f"Sending {len(chosen):,} objects\n".encode(), limit)
    try:
        yield from chain.from_iterable(band(1, piece, limit) for piece in pieces)
    except TholosError as error:
        yield from band(3, f"{error.message} {error.next}\n".encode(), limit)
        return
    yield FLUSH


def _shallow_lines(chosen: hub.Selection) -> Iterator[bytes]:
    yield from (line(f"shallow {oid}") for oid in chosen.shallow)
    yield from (line(f"unshallow {oid}") for oid in chosen.unshallow)


def _text(frame: bytes | Mark) -> str:
    try:
        return "" if isinstance(frame, Mark) else frame.decode()
    except UnicodeDecodeError:
        raise BadFrame("The request is not UTF-8.", next="Use a git client.") from None


def _filter(text: str) -> int:
    if text == "blob:none":
        return 0
    if match := _LIMIT.fullmatch(text):
        return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2]]
    raise BadFrame(f'The filter "{text[:80]}" is not offered.', next="Use --filter=blob:none or blob:limit=<size>.")
