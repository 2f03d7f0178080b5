"""Uploads in parts: a part that failed is sent again alone, and what was acknowledged outlives a crash of the server.

Parts are staged on this machine, whatever the store stands on. The hash of the whole is computed when the last part is
there, from the very bytes that go into the store; nothing that was said of a part counts for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from tholos.accounts.authorization import Actor
from tholos.hub.errors import InvalidParts, WrongPartSize
from tholos.hub.models import Repo
from tholos.hub.uploads import Upload, begin_upload, check_space, finish_upload, pump
from tholos.kit.blobs import Blob, BlobMismatch, BlobWriter, Part
from tholos.kit.errors import TholosError
from tholos.kit.services import Services
from tholos.kit.settings import Settings

MAX_PARTS: Final = 100
"""Of one file; a larger file has larger parts. An answer to a client has an address for each."""
_PIECE_BYTES: Final = 4 << 20
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a file is cut: all parts have ``part_bytes`` but the last, which has the rest."""

    sha256: str
    size: int
    part_bytes: int

    @classmethod
    def of(cls, settings: Settings, sha256: str, size: int) -> PartPlan:
        """The plan by which a file of this size is to be sent."""
        return cls(sha256, size, max(settings.lfs_part_bytes, -(-size // MAX_PARTS)))

    @property
    def count(self) -> int:
        """Parts in all; an empty file has none."""
        return -(-self.size // self.part_bytes)

    def length(self, number: int) -> int:
        """Bytes of one part, counted from 1. Raises InvalidParts."""
        if not 1 <= number <= self.count:
            raise InvalidParts(
                f"There is no part {number}: the file has {self.count}.", next="Ask for the batch again."
            )
        return min(self.part_bytes, self.size - (number - 1) * self.part_bytes)


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """An upload in parts that may proceed: which file, and whose parts they are."""

    upload: Upload
    plan: PartPlan
    owner: str
    name: str


def in_parts(settings: Settings, size: int) -> bool:
    """Whether a file of this size is better sent in parts."""
    return 0 < settings.lfs_multipart_bytes < size


def begin_multipart(services: Services, actor: Actor, repo: Repo, plan: PartPlan, *, proposes: bool) -> MultipartUpload:
    """Decides whether an upload may proceed, anew with each part and at the end: as for an upload in one.

    What the actor has staged of other files counts as stored: nobody fills the disk with what is never completed.

    Raises RepoNotFound, Forbidden, BlobTooLarge, QuotaExceeded, DiskLow.
    """
    name = hashlib.sha256(f"{repo.id} {plan.sha256} {plan.size} {plan.part_bytes}".encode()).hexdigest()
    staged = services.blobs.parts.staged_bytes(actor.account_id, without=name)
    upload = begin_upload(
        services,
        actor,
        repo.kind,
        repo.full_name,
        sha256=plan.sha256,
        size=plan.size,
        proposes=proposes,
        staged=staged,
    )
    return MultipartUpload(upload, plan, actor.account_id, name)


async def receive_part(
    services: Services, multipart: MultipartUpload, number: int, chunks: AsyncIterator[bytes]
) -> str:
    """Stores one part (counted from 1); returns its SHA-256, by which the completion names it.

    Raises InvalidParts, WrongPartSize, DiskLow, DiskFull, and what the stream raises; then nothing of it was kept.
    """
    length = multipart.plan.length(number)
    if multipart.upload.known:
        return await _hash_alone(chunks, number, length)
    writing = await asyncio.to_thread(services.blobs.parts.writer, multipart.owner, multipart.name, number)
    size = 0
    with writing as writer:

        def write(data: bytes) -> None:
            nonlocal size
            check_space(services, len(data))
            size += len(data)
            writer.write(data)

        await pump(chunks, write, length, lambda _: _wrong_size(number, length))
        if size != length:
            raise _wrong_size(number, length)
        return (await asyncio.to_thread(writer.finish)).sha256


async def complete_multipart(
    services: Services,
    begin: Callable[[], MultipartUpload],
    named: Sequence[tuple[int, str]],
) -> Blob:
    """Makes a file of its parts, each ``named`` by its number and SHA-256, and the repo its possessor.

    ``begin`` says whether that may be, once nobody else completes the same upload: a client that did not wait for the
    answer may have asked before. Parts whose bytes do not make up the file are removed; with any other error they stay.

    Raises InvalidParts, BlobMismatch, DiskLow, DiskFull, StoreUnreachable, RepoNotFound, and what ``begin`` raises.
    """
    multipart = await asyncio.to_thread(begin)
    staged, owner, name = services.blobs.parts, multipart.owner, multipart.name
    held = await asyncio.to_thread(staged.try_hold, owner, name)
    while held is None:
        await asyncio.sleep(_POLL_S)
        held = await asyncio.to_thread(staged.try_hold, owner, name)
    with held:
        multipart = await asyncio.to_thread(begin)
        if multipart.upload.known:
            blob = Blob(multipart.plan.sha256, multipart.plan.size)
        else:
            parts = await asyncio.to_thread(_checked, services, multipart, named)
            try:
                blob = await _join(services, multipart, parts)
            except BlobMismatch:
                await asyncio.to_thread(staged.drop, owner, name)
                raise
        await asyncio.to_thread(staged.drop, owner, name)
        return blob


def _checked(services: Services, multipart: MultipartUpload, named: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts in their order. Raises InvalidParts."""
    numbers = [number for number, _ in named]
    if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise InvalidParts(f"Part {twice[0]} is named twice.", next="Name each part once, in order.")
    if numbers != sorted(numbers):
        raise InvalidParts("The parts are not in the order of their numbers.", next="Name them from 1 upwards.")
    if numbers and not 1 <= numbers[0] <= numbers[-1] <= multipart.plan.count:
        raise InvalidParts(
            f"The file has the parts 1 to {multipart.plan.count}, no other.", next="Name each of them, in order."
        )
    if missing := sorted(set(range(1, multipart.plan.count + 1)) - set(numbers)):
        raise InvalidParts(
            f"The file has {multipart.plan.count} parts; {_listed(missing)} not named.",
            next="Send what is missing, then name all parts in order.",
            parts=missing,
        )
    there = {
        (part.number, part.sha256): part
        for part in services.blobs.parts.listing(multipart.owner, multipart.name)
        if part.size == multipart.plan.length(part.number)
    }
    if absent := [number for number, sha256 in named if (number, sha256) not in there]:
        raise InvalidParts(
            f"Of {multipart.plan.count} parts {_listed(absent)} not here with the content that is named.",
            next="Send these again, then repeat the completion with the ETags of the answers.",
            parts=absent,
        )
    return [there[found] for found in named]


async def _join(services: Services, multipart: MultipartUpload, parts: Sequence[Part]) -> Blob:
    with await asyncio.to_thread(services.blobs.writer) as writer:
        for part in parts:
            with _opened(services, multipart, part) as source:
                while await asyncio.to_thread(_copy, services, source, writer):
                    pass
        return await asyncio.to_thread(finish_upload, services, multipart.upload, writer)


def _opened(services: Services, multipart: MultipartUpload, part: Part) -> BinaryIO:
    try:
        return services.blobs.parts.open(multipart.owner, multipart.name, part)
    except FileNotFoundError:
        raise InvalidParts(
            f"Part {part.number} was sent again with other content while the file was being made.",
            next="Send it once more, then repeat the completion.",
            parts=[part.number],
        ) from None


def _copy(services: Services, source: BinaryIO, writer: BlobWriter) -> int:
    """One piece at a time: a file may take minutes, and others need the threads too."""
    data = source.read(_PIECE_BYTES)
    check_space(services, len(data))
    writer.write(data)
    return len(data)


async def _hash_alone(chunks: AsyncIterator[bytes], number: int, length: int) -> str:
    digest = hashlib.sha256()
    size = 0

    def take(data: bytes) -> None:
        nonlocal size
        size += len(data)
        digest.update(data)

    await pump(chunks, take, length, lambda _: _wrong_size(number, length))
    if size != length:
        raise _wrong_size(number, length)
    return digest.hexdigest()


def _wrong_size(number: int, length: int) -> TholosError:
    return WrongPartSize(
        f"Part {number} has to have exactly {length:,} bytes; nothing of what was sent is kept.",
        next="Send that part again, cut as the batch says.",
        part=number,
        size=length,
    )


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10])) + (", …" if len(numbers) > 10 else "")
    return f"{shown} {'is' if len(numbers) == 1 else 'are'}"
