"""Frames: how batches travel between a gateway and a replica process over a Unix socket.

    u32 header length · u64 payload length · header (MessagePack) · payload (tensors, each padded to 8 bytes)

All integers are little-endian. Numbers travel as their raw little-endian bytes, strings as a MessagePack list of UTF-8
strings. Nothing is pickled: what arrives can only ever become an array of numbers or of text. Every message carries
the id of its request, so that several batches may be in flight on one connection and answers may overtake each other.

This module does no input or output except in ``read_frame``: ``encode`` gives buffers, ``decode`` takes bytes.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

PREFIX = struct.Struct("<IQ")
MAX_HEADER_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 1 << 30
PROTOCOL_VERSION = 2

Tensors = Mapping[str, np.ndarray]
Buffer = bytes | memoryview

_ALIGNMENT = 8
_TEXT = "text"
_NUMBERS = frozenset({"<f4", "<f8", "<i4", "<i8", "|u1", "|b1"})
_MAX_RANK = 8


class FrameError(Exception):
    """The bytes on the socket are not a frame of this protocol; the connection cannot be used any further."""


class _TensorHead(msgspec.Struct, frozen=True, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """The replica's first message on every connection: who it is and how fast it was when it warmed up.

    ``batch_s`` is the median number of seconds that a warm-up batch of ``batch_rows`` rows took.
    """

    protocol: int
    pid: int
    batch_rows: int
    batch_s: float


class Infer(msgspec.Struct, frozen=True, array_like=True, tag="infer"):
    """A batch to run; its tensors are the frame's."""

    request: int


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """Nobody waits for a batch any more: it need not be run, if it has not begun. It has no answer then."""

    request: int


class Result(msgspec.Struct, frozen=True, array_like=True, tag="result"):
    """A batch has been run; the frame's tensors are its outputs."""

    request: int


class Failure(msgspec.Struct, frozen=True, array_like=True, tag="failure"):
    """A batch has no outputs. ``code`` is the machine code of an error in ``serving.errors``."""

    request: int
    code: str
    message: str


Message = Hello | Infer | Cancel | Result | Failure


@dataclass(frozen=True, slots=True)
class Frame:
    """A message and the tensors that go with it."""

    message: Message
    tensors: Tensors = field(default_factory=dict)


class _Header(msgspec.Struct, frozen=True, array_like=True):
    message: Message
    tensors: tuple[_TensorHead, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(_Header)
_strings_decoder = msgspec.msgpack.Decoder(list[str])


def encode(frame: Frame) -> list[Buffer]:
    """A frame as buffers to be written one after the other; arrays of numbers are not copied.

    Arrays are float32, float64, int32, int64, uint8 or bool of any shape, or object arrays of ``str``.
    Raises FrameError for any other array and for a frame beyond the size caps.
    """
    heads: list[_TensorHead] = []
    payload: list[Buffer] = []
    for name, array in frame.tensors.items():
        dtype, body = _tensor_bytes(name, array)
        heads.append(_TensorHead(name, dtype, array.shape, len(body)))
        payload.append(body)
        if padding := -len(body) % _ALIGNMENT:
            payload.append(bytes(padding))
    header = _encoder.encode(_Header(frame.message, tuple(heads)))
    _check_lengths(len(header), sum(map(len, payload)))
    return [PREFIX.pack(len(header), sum(map(len, payload))) + header, *payload]


def read_prefix(prefix: bytes) -> tuple[int, int]:
    """The lengths of header and payload, in bytes. Raises FrameError when one is beyond its cap."""
    header_length, payload_length = PREFIX.unpack(prefix)
    _check_lengths(header_length, payload_length)
    return header_length, payload_length


def decode(header: bytes, payload: bytes) -> Frame:
    """The frame whose header and payload these are; arrays of numbers are read-only views of ``payload``.

    Raises FrameError for anything that ``encode`` cannot have made.
    """
    try:
        head = _header_decoder.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(f"the frame's header cannot be read: {error}") from error
    if any(tensor.size < 0 for tensor in head.tensors):
        raise FrameError("the frame has a tensor of a negative size")
    if sum(_padded(tensor.size) for tensor in head.tensors) != len(payload):
        raise FrameError("the frame's tensors do not fill its payload")
    tensors: dict[str, np.ndarray] = {}
    offset = 0
    for tensor in head.tensors:
        if tensor.name in tensors:
            raise FrameError(f"the frame has tensor {tensor.name!r} twice")
        tensors[tensor.name] = _tensor(tensor, payload, offset)
        offset += _padded(tensor.size)
    return Frame(head.message, tensors)


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame of a stream, or None when the other side closed it between two frames.

    Raises FrameError for a broken or truncated frame and ConnectionError when the connection is lost.
    """
    try:
        prefix = await reader.readexactly(PREFIX.size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise FrameError("the stream ends within a frame") from error
        return None
    header_length, payload_length = read_prefix(prefix)
    try:
        header = await reader.readexactly(header_length)
        payload = await reader.readexactly(payload_length)
    except asyncio.IncompleteReadError as error:
        raise FrameError("the stream ends within a frame") from error
    return decode(header, payload)


def _tensor_bytes(name: str, array: np.ndarray) -> tuple[str, Buffer]:
    if array.dtype == object:
        try:
            return _TEXT, msgspec.msgpack.encode(_strings(name, array))
        except UnicodeEncodeError as error:
            raise FrameError(f"tensor {name!r} has text that UTF-8 cannot hold") from error
    little = array.dtype.newbyteorder("<")
    if little.str not in _NUMBERS:
        raise FrameError(f"tensor {name!r} has dtype {array.dtype}, which frames do not carry")
    contiguous = np.ascontiguousarray(array, dtype=little)
    return little.str, contiguous.reshape(-1).view(np.uint8).data


def _strings(name: str, array: np.ndarray) -> list[str]:
    strings: list[Any] = array.reshape(-1).tolist()
    if not all(isinstance(value, str) for value in strings):
        raise FrameError(f"tensor {name!r} holds objects that are not text")
    return strings


def _tensor(head: _TensorHead, payload: bytes, offset: int) -> np.ndarray:
    if len(head.shape) > _MAX_RANK or any(length < 0 for length in head.shape):
        raise FrameError(f"tensor {head.name!r} has an impossible shape")
    count = 1
    for length in head.shape:
        count *= length
    if head.dtype == _TEXT:
        array = _text_tensor(head, payload[offset : offset + head.size], count)
    elif head.dtype in _NUMBERS:
        dtype = np.dtype(head.dtype)
        if head.size != count * dtype.itemsize:
            raise FrameError(f"tensor {head.name!r} has {head.size} bytes for {count} values of {head.dtype}")
        array = np.frombuffer(payload, dtype, count, offset) if count else np.empty(0, dtype)
    else:
        raise FrameError(f"tensor {head.name!r} has dtype {head.dtype!r}, which frames do not carry")
    return array.reshape(head.shape)


def _text_tensor(head: _TensorHead, body: bytes, count: int) -> np.ndarray:
    try:
        strings = _strings_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(f"tensor {head.name!r} is not a list of UTF-8 strings") from error
    if len(strings) != count:
        raise FrameError(f"tensor {head.name!r} has {len(strings)} strings for a shape of {count}")
    array = np.empty(count, dtype=object)
    array[:] = strings
    return array


def _padded(size: int) -> int:
    return size + -size % _ALIGNMENT


def _check_lengths(header_length: int, payload_length: int) -> None:
    if header_length > MAX_HEADER_BYTES:
        raise FrameError(f"a frame's header has {header_length} bytes; the cap is {MAX_HEADER_BYTES}")
    if payload_length > MAX_PAYLOAD_BYTES:
        raise FrameError(f"a frame's payload has {payload_length} bytes; the cap is {MAX_PAYLOAD_BYTES}")
