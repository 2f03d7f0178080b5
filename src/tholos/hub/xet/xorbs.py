"""Reading a xorb as it arrives: every chunk is unpacked and hashed, and nothing of it is kept in memory."""

from __future__ import annotations

from array import array
from typing import Final

from tholos.hub.xet.errors import InvalidXorb, XorbTooLarge
from tholos.hub.xet.hashing import chunk_hash, root_hash, to_hex
from tholos.kit.blobs import XorbIndex
from tholos.kit.blobs.chunks import HEADER_BYTES, MAX_CHUNK_BYTES, InvalidChunk, decode, parse_header

MAX_CHUNKS: Final = 8192
MAX_RAW_BYTES: Final = 64 << 20
# Chunks that do not compress are stored as they are, each with its header.
MAX_SERIALIZED_BYTES: Final = MAX_RAW_BYTES + MAX_CHUNKS * HEADER_BYTES
_MAX_FOOTER_BYTES: Final = 1 << 20
MAX_BODY_BYTES: Final = MAX_SERIALIZED_BYTES + _MAX_FOOTER_BYTES
_FOOTER: Final = b"XETBLOB"
_MAX_CHUNK_BYTES: Final = HEADER_BYTES + 2 * MAX_CHUNK_BYTES
"""Of a serialized chunk: what `parse_header` lets pass."""


class XorbReader:
    """Takes the body of a xorb in pieces of any size; older clients end it with a footer, which is ignored."""

    def __init__(self) -> None:
        self._rest = b""
        self._offsets = array("I", [0])
        self._raw_offsets = array("I", [0])
        self._hashes: list[bytes] = []
        self._footer = False

    def feed(self, data: bytes) -> list[memoryview]:
        """Verifies what is whole by now, and returns those serialized chunks. Raises InvalidXorb, XorbTooLarge."""
        if self._footer:
            return []
        view = memoryview(data)
        whole: list[memoryview] = []
        if self._rest:
            # only the chunk that was cut off is put together again: a batch has many, and is not worth a copy
            cut = memoryview(self._rest + view[:_MAX_CHUNK_BYTES])
            size = self._verify(cut, most=1)
            if not size:
                self._rest = b"" if self._footer else bytes(cut)
                return []
            whole.append(cut[:size])
            view = view[size - len(self._rest) :]
        size = self._verify(view)
        whole.append(view[:size])
        self._rest = b"" if self._footer else bytes(view[size:])
        return whole

    def _verify(self, view: memoryview, *, most: int = MAX_CHUNKS + 1) -> int:
        """Takes chunks that are whole, at most so many; returns their serialized bytes."""
        position = taken = 0
        try:
            while taken < most and position + HEADER_BYTES <= len(view):
                if bytes(view[position : position + len(_FOOTER)]) == _FOOTER:
                    self._footer = True
                    break
                header = parse_header(view, position)
                end = position + HEADER_BYTES + header.compressed
                if end > len(view):
                    break
                raw = decode(header, view[position + HEADER_BYTES : end])
                self._add(chunk_hash(raw), end - position, header.raw)
                position = end
                taken += 1
        except InvalidChunk as error:
            raise InvalidXorb(
                f"Chunk {len(self._hashes)} of the xorb {error}.", next="Serialize the xorb again."
            ) from error
        return position

    def finish(self, expected: str) -> XorbIndex:
        """The index of a xorb that is complete and has the expected hash. Raises InvalidXorb."""
        if self._rest:
            raise InvalidXorb("The xorb ends in the middle of a chunk.", next="Repeat the upload.")
        if not self._hashes:
            raise InvalidXorb("The xorb has no chunks.", next="Send a xorb with at least one chunk.")
        ends = self._raw_offsets
        nodes = [(raw, ends[number + 1] - ends[number]) for number, raw in enumerate(self._hashes)]
        actual = to_hex(root_hash(nodes))
        if actual != expected:
            raise InvalidXorb(
                f"The xorb was announced as {expected} but its chunks have {actual}.",
                next="Hash the chunks again; nothing was kept.",
                expected=expected,
                actual=actual,
            )
        return XorbIndex(self._offsets, self._raw_offsets, b"".join(self._hashes))

    def _add(self, chunk: bytes, serialized: int, raw: int) -> None:
        self._hashes.append(chunk)
        self._offsets.append(self._offsets[-1] + serialized)
        self._raw_offsets.append(self._raw_offsets[-1] + raw)
        if (
            len(self._hashes) > MAX_CHUNKS
            or self._raw_offsets[-1] > MAX_RAW_BYTES
            or self._offsets[-1] > MAX_SERIALIZED_BYTES
        ):
            raise too_large()


def too_large() -> XorbTooLarge:
    """The error for a xorb over one of the protocol's limits."""
    return XorbTooLarge(
        f"The xorb has more than {MAX_RAW_BYTES:,} bytes or {MAX_CHUNKS} chunks.", next="Send several smaller ones."
    )
