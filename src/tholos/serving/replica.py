"""Replicas: one loaded model, behind one small interface, wherever it runs."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tholos.kit.errors import TholosError
from tholos.kit.logs import get_logger
from tholos.runtimes.errors import TextTooLong
from tholos.serving.errors import InferenceFailed, OutputMisfit, ReplicaBusy, ReplicaLost
from tholos.serving.frames import (
    PROTOCOL_VERSION,
    Cancel,
    Failure,
    Frame,
    FrameError,
    Hello,
    Infer,
    Result,
    encode,
    read_frame,
)
from tholos.serving.warmup import WarmUp, infer, load_warm, rows_of
from tholos.tasks.signature import Batch, Outputs

if TYPE_CHECKING:
    from tholos.runtimes import LoadedModel

ON_LOOP_S = 0.001
"""A batch may run on a gateway's loop only when the warm-up's took at most this long, in seconds."""
_SMALL_TEXT_CHARS = 10_000
_CONNECT_S = 5.0

log = get_logger("serving.replica")


class Replica(Protocol):
    """One loaded model. Used from one event loop; ``infer`` may be called many times at once."""

    async def load(self) -> None:
        """Makes the model ready to infer, warmed up. Raises TholosError when that cannot be done."""

    async def infer(self, batch: Batch) -> Outputs:
        """The outputs for a batch, one row for each of its rows.

        Raises InferenceFailed when the model fails on this input, and ReplicaLost or ReplicaBusy (503) when it is not
        the input's fault.
        """

    async def close(self) -> None:
        """Lets the model go. Batches in flight fail with ReplicaLost."""


class InlineReplica:
    """A model inside the gateway: small batches run on the loop, where that is quick, and others in a thread.

    Handing a batch of microseconds to a thread costs more than running it; a batch of milliseconds on the loop would
    hold up every other caller.
    """

    def __init__(self, folder: Path, threads: Executor) -> None:
        self._folder = folder
        self._threads = threads
        self._model: LoadedModel | None = None
        self._warm_up = WarmUp(rows=0, batch_s=0.0)
        self._one_at_a_time = asyncio.Lock()  # a LoadedModel is used by one thread at a time

    async def load(self) -> None:
        self._model, self._warm_up = await asyncio.to_thread(load_warm, self._folder)

    async def infer(self, batch: Batch) -> Outputs:
        if self._model is not None and self._runs_on_loop(batch) and not self._one_at_a_time.locked():
            return infer(self._model, batch)
        # A thread cannot be stopped: when the caller leaves, the batch goes on and the model stays taken.
        running = asyncio.create_task(self._infer_in_turn(batch))
        running.add_done_callback(_retrieve)
        return await asyncio.shield(running)

    async def close(self) -> None:
        async with self._one_at_a_time:
            model, self._model = self._model, None
            if model is not None:
                model.close()

    async def _infer_in_turn(self, batch: Batch) -> Outputs:
        async with self._one_at_a_time:
            if self._model is None:
                raise ReplicaLost("The model was unloaded.", next="Repeat the request.")
            if self._runs_on_loop(batch):
                return infer(self._model, batch)
            return await asyncio.get_running_loop().run_in_executor(self._threads, infer, self._model, batch)

    def _runs_on_loop(self, batch: Batch) -> bool:
        return (
            self._warm_up.batch_s <= ON_LOOP_S
            and rows_of(batch) <= self._warm_up.rows
            and ("text" not in batch or sum(map(len, batch["text"])) <= _SMALL_TEXT_CHARS)
        )


class ProcessReplica:
    """A model in a process of its own, reached over a Unix socket. Connects again by itself after a loss."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    async def load(self) -> None:
        await self._connected()

    async def infer(self, batch: Batch) -> Outputs:
        connection = await self._connected()
        return await connection.infer(batch)

    async def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> _Connection:
        async with self._connecting:
            if self._closed:
                raise ReplicaLost("The model was unloaded.", next="Repeat the request.")
            if self._connection is None or self._connection.is_lost:
                self._connection = await _Connection.open(self._socket)
            return self._connection


class _Connection:
    """One connection to a replica process: any number of batches in flight, answers matched by their ids."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Outputs]] = {}
        self._receiving = asyncio.create_task(self._receive(), name="replica answers")

    @classmethod
    async def open(cls, socket: Path) -> _Connection:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_unix_connection(socket)
                hello = await read_frame(reader)
            if hello is None or not isinstance(hello.message, Hello) or hello.message.protocol != PROTOCOL_VERSION:
                raise FrameError("the replica process does not speak this protocol")  # noqa: TRY301 - one exit for all
        except (OSError, TimeoutError, FrameError) as error:
            if writer is not None:
                writer.close()
            raise _lost() from error
        return cls(reader, writer)

    @property
    def is_lost(self) -> bool:
        return self._receiving.done()

    async def infer(self, batch: Batch) -> Outputs:
        request = next(self._ids)
        buffers = encode(Frame(Infer(request), batch))
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self._waiting[request] = answer
        try:
            self._writer.writelines(buffers)
            with suppress(ConnectionError):  # _receive sees the loss too, and settles every waiting answer
                await self._writer.drain()
            return await answer
        finally:
            self._waiting.pop(request, None)  # a caller that left must not keep its place
            if answer.cancelled() and not self._writer.is_closing():
                self._writer.writelines(encode(Frame(Cancel(request))))

    async def close(self) -> None:
        self._receiving.cancel()
        await asyncio.wait([self._receiving])

    async def _receive(self) -> None:
        try:
            while (frame := await read_frame(self._reader)) is not None:
                self._settle(frame)
        except (OSError, FrameError) as error:
            log.warning("a replica's connection broke", error=repr(error))
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_lost())

    def _settle(self, frame: Frame) -> None:
        match frame.message:
            case Result(request=request):
                answer = self._waiting.get(request)
                if answer is not None and not answer.done():
                    answer.set_result(dict(frame.tensors))
            case Failure(request=request, code=code, message=message):
                answer = self._waiting.get(request)
                if answer is not None and not answer.done():
                    answer.set_exception(_failure(code, message))
            case _:
                raise FrameError(f"a replica sent {type(frame.message).__name__} where an answer was due")


def _retrieve(task: asyncio.Task[Outputs]) -> None:
    """Keeps asyncio from warning of an error whose caller has left."""
    if not task.cancelled():
        task.exception()


def _failure(code: str, message: str) -> TholosError:
    if code == ReplicaBusy.code:
        return ReplicaBusy(next="Repeat the request after the time in Retry-After.")
    if code == OutputMisfit.code:
        return OutputMisfit(message, next="Train or compile the model again.")
    if code == TextTooLong.code:
        return TextTooLong(message, next="Shorten the text.")
    return InferenceFailed(message, next="Check the input against the deployment's schema and example.")


def _lost() -> ReplicaLost:
    return ReplicaLost(next="Repeat the request after the time in Retry-After.")


if TYPE_CHECKING:
    _replicas: tuple[type[Replica], ...] = (InlineReplica, ProcessReplica)
