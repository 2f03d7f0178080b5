"""``git-receive-pack``: what moves where, a pack of what is new, and a report on each ref."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Final

from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.hub import service as hub
from tholos.hub.errors import DiskLow, PushTooLarge
from tholos.hub.pktlines import FLUSH, BadFrame, Mark, band, frames, line, until_flush
from tholos.kit.blobs import DiskFull
from tholos.kit.errors import TholosError
from tholos.kit.logs import get_logger
from tholos.kit.services import Services
from tholos.wire.git.fetching import AGENT, listed

_CAPABILITIES: Final = (
    f"report-status delete-refs side-band-64k quiet atomic ofs-delta no-thin object-format=sha1 {AGENT}"
)
_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]{1,1000})")
_NOTHING: Final = "0" * 40
_BATCH_BYTES: Final = 4 << 20
_MAX_REASON: Final = 1000
log = get_logger("wire.git")


@dataclass(frozen=True, slots=True)
class _Order:
    """The head of a push: what is asked of which ref, and how to answer."""

    commands: Sequence[hub.RefCommand]
    options: frozenset[str]
    pack_start: int


def advertisement(refs: Sequence[hub.GitRef]) -> bytes:
    """The answer to ``info/refs``."""
    return line("# service=git-receive-pack") + FLUSH + listed(refs, _CAPABILITIES, head=False)


async def spool(services: Services, chunks: AsyncIterator[bytes], *, zipped: bool) -> IO[bytes]:
    """Keeps a body in a temporary file that has no name. Raises PushTooLarge, DiskLow, DiskFull, and as the stream."""
    inflater = zlib.decompressobj(31) if zipped else None
    file = await asyncio.to_thread(_temporary, services)
    try:
        batch: list[bytes] = []
        gathered = 0
        async for chunk in chunks:
            batch.append(chunk)
            gathered += len(chunk)
            if gathered >= _BATCH_BYTES:
                await asyncio.to_thread(_append, services, file, batch, inflater)
                batch, gathered = [], 0
        await asyncio.to_thread(_append, services, file, batch, inflater)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def answer(services: Services, actor: Actor, repo: hub.Repo, file: IO[bytes]) -> Iterator[bytes]:
    """Carries a spooled push out and reports as it goes. Raises BadFrame, before there is an answer."""
    try:
        order = _order(file)
    except BaseException:
        file.close()
        raise
    return _answered(services, actor, repo, file, order)


def _answered(services: Services, actor: Actor, repo: hub.Repo, file: IO[bytes], order: _Order) -> Iterator[bytes]:
    with file:
        if not order.commands:
            return
        quiet = "quiet" in order.options or "side-band-64k" not in order.options
        unpacked, verdicts = "ok", [hub.Verdict(command) for command in order.commands]
        failure: TholosError | None = None
        try:
            for step in _carried_out(services, actor, repo, file, order):
                if not isinstance(step, str):
                    verdicts = step
                elif not quiet:
                    yield from band(2, f"{step}\n".encode())
        except TholosError as error:
            failure = error
        except Exception:  # the edge of the process: what began as a stream can only end as one
            log.exception("push failed", repo=repo.full_name)
            failure = TholosError("Something in Tholos went wrong; the server's log says what.", next="Push again.")
        if failure is not None:
            unpacked = _sentence(failure)
            for verdict in verdicts:
                verdict.error = failure
        yield from _report(order, unpacked, verdicts)


def _carried_out(
    services: Services, actor: Actor, repo: hub.Repo, file: IO[bytes], order: _Order
) -> Iterator[str | list[hub.Verdict]]:
    with ExitStack() as stack:
        pack = None
        if any(command.new for command in order.commands):
            yield "Unpacking"
            source = hub.Pack(file, order.pack_start, hub.spool_folder(services), hub.pack_limits(services))
            pack = stack.enter_context(source)
        atomic = "atomic" in order.options
        proposals = community.PushedProposals()
        yield from hub.accept_push(services, actor, repo, order.commands, pack, atomic=atomic, proposals=proposals)


def _order(file: IO[bytes]) -> _Order:
    commands: list[hub.RefCommand] = []
    options: frozenset[str] = frozenset()
    for frame in until_flush(frames(file)):
        if isinstance(frame, Mark):
            raise BadFrame("The push is not in git's format.", next="Use a git client.")
        text, _, capabilities = frame.partition(b"\0")
        if text.startswith(b"shallow "):
            continue  # what a shallow clone lacks, the repo must have: that is checked object by object
        if not commands:
            options = frozenset(capabilities.decode("utf-8", "replace").split())
        match = _COMMAND.fullmatch(text)
        if match is None:
            raise BadFrame("The push has a line that is no command.", next="Use a git client, without --signed.")
        old, new = match[1].decode(), match[2].decode()
        name = match[3].decode("utf-8", "backslashreplace")
        commands.append(hub.RefCommand(name, _known(old), _known(new)))
        if len(commands) > hub.MAX_COMMANDS:
            raise BadFrame(f"The push moves more than {hub.MAX_COMMANDS} refs.", next="Push fewer refs at once.")
    return _Order(commands, options, file.tell())


def _known(oid: str) -> str | None:
    return None if oid == _NOTHING else oid


def _report(order: _Order, unpacked: str, verdicts: Sequence[hub.Verdict]) -> Iterator[bytes]:
    if "report-status" not in order.options:
        return
    lines = [line(f"unpack {unpacked}")]
    for verdict in verdicts:
        name = verdict.command.name
        lines.append(line(f"ng {name} {_sentence(verdict.error)}" if verdict.error else f"ok {name}"))
    report = b"".join(lines) + FLUSH
    if "side-band-64k" not in order.options:
        yield report
        return
    # git shows a rejection's reason on one line with the ref; what to do about it gets lines of its own
    for advice in dict.fromkeys(f"{item.error.message}\n  {item.error.next}\n" for item in verdicts if item.error):
        yield from band(2, advice.encode("utf-8", "replace"))
    yield from band(1, report)
    yield FLUSH


def _sentence(error: TholosError) -> str:
    shown = " ".join(error.message.split())
    return shown.encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore")


def _temporary(services: Services) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=hub.spool_folder(services))
    except OSError as error:
        raise DiskFull(next="Free some space on the server's disk, then push again.") from error


def _append(services: Services, file: IO[bytes], batch: list[bytes], inflater: zlib._Decompress | None) -> None:
    settings = services.settings
    for chunk in _plain(b"".join(batch), inflater):
        if file.tell() + len(chunk) > settings.max_push_bytes:
            raise PushTooLarge(
                f"The push is larger than {settings.max_push_bytes:,} bytes.",
                next="Push in parts, keep large files in Git LFS, or ask the operator to raise THOLOS_MAX_PUSH_BYTES.",
                max_bytes=settings.max_push_bytes,
            )
        if shutil.disk_usage(settings.home).free < settings.disk_reserve_bytes + len(chunk):
            raise DiskLow(
                "The server's disk has no room for this push.", next="Free some space on the server's disk, then push."
            )
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise DiskFull(next="Free some space on the server's disk, then push again.") from error


def _plain(data: bytes, inflater: zlib._Decompress | None) -> Iterator[bytes]:
    if inflater is None:
        yield data
        return
    while data:
        try:
            yield inflater.decompress(data, _BATCH_BYTES)
        except zlib.error as error:
            raise BadFrame("The body is not gzip, as it says.", next="Use a git client.") from error
        data = inflater.unconsumed_tail
