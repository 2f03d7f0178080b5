"""What a child process says to its runner while it works: JSON lines over a socket pair.

child → runner:  Progress, Metric, Flush         runner → child:  one byte, ``ACK``, once everything before a Flush is
recorded. Nothing else passes between the two: the job itself and its result go through the database.
"""

from __future__ import annotations

import json
import math
import socket
import time
from dataclasses import dataclass

from tholos.jobs.errors import OwnerLost

ACK = b"\n"
_SEND_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """``fraction`` from 0 to 1 of the whole, and what is being done now."""

    fraction: float
    step: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One point of a series; ``value`` None for NaN and infinities."""

    name: str
    step: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Flush:
    """Asks for an ACK once everything sent before is recorded."""


Message = Progress | Metric | Flush
_KINDS: dict[str, type[Message]] = {"progress": Progress, "metric": Metric, "flush": Flush}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(message: Message) -> bytes:
    """The message as a line."""
    fields = [getattr(message, name) for name in message.__dataclass_fields__]
    return json.dumps([_NAMES[type(message)], *fields], separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line that ``encode`` wrote."""
    name, *fields = json.loads(line)
    return _KINDS[name](*fields)


class Channel:
    """The child's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unsent: Progress | None = None
        self._step = ""
        self._sent_at = -math.inf

    def progress(self, fraction: float, step: str) -> None:
        """Reports progress. Reports that follow each other closely are thinned out; the last one is never lost."""
        now = time.monotonic()
        self._unsent = Progress(fraction, step)
        if step != self._step or now - self._sent_at >= _SEND_EVERY_S:
            self._send_progress()
            self._step, self._sent_at = step, now

    def metric(self, name: str, step: int, value: float | None) -> None:
        """Reports a point of a series."""
        self._send(Metric(name, step, value))

    def flush(self) -> None:
        """Blocks until everything reported so far is recorded."""
        self._send_progress()
        self._send(Flush())
        try:
            answer = self._connection.recv(1)
        except ConnectionResetError:  # it died with something of ours unread
            answer = b""
        if answer != ACK:
            raise OwnerLost("its runner is gone")

    def _send_progress(self) -> None:
        if self._unsent is not None:
            self._send(self._unsent)
            self._unsent = None

    def _send(self, message: Message) -> None:
        try:
            self._connection.sendall(encode(message))
        except (BrokenPipeError, ConnectionResetError):
            raise OwnerLost("its runner is gone") from None
