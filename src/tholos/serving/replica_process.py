"""A replica in a process of its own: ``python -m tholos.serving.replica_process``.

Loads one model folder, warms it up, says so on its standard output (one JSON line, ``Status``), then answers batches
on a Unix socket until SIGTERM, after which it finishes what it has taken and leaves. It dies with the process that
started it. It is given neither the database nor any secret.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tholos.kit.errors import TholosError
from tholos.kit.logs import configure_logs, get_logger
from tholos.kit.processes import die_with_parent
from tholos.serving.errors import InferenceFailed, ReplicaBusy
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
from tholos.serving.warmup import WarmUp, infer, load_warm
from tholos.tasks.signature import Batch, Outputs

if TYPE_CHECKING:
    from tholos.runtimes import LoadedModel

_STREAM_BUFFER_BYTES = 1 << 20
_TOO_LONG = 75
"""The exit code of a process that ended itself since a batch took too long (EX_TEMPFAIL)."""

log = get_logger("serving.replica_process")


class Status(msgspec.Struct, frozen=True):
    """The one line that the process writes on standard output once its model is loaded, or is known not to load."""

    ready: bool
    error: str = ""
    batch_rows: int = 0
    batch_s: float = 0.0


class ReplicaServer:
    """Answers batches of any number of connections, one batch at a time, in the order in which they came."""

    def __init__(self, model: LoadedModel, warm_up: WarmUp, queue: int, batch_timeout_s: float) -> None:
        self._model = model
        self._batch_timeout_s = batch_timeout_s
        self._began: float | None = None
        self._asked: dict[tuple[asyncio.StreamWriter, int], Future[Outputs]] = {}
        self._hello = Hello(PROTOCOL_VERSION, os.getpid(), warm_up.rows, warm_up.batch_s)
        self._queue = queue
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="infer")
        self._batches: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def serve(self, socket: Path, status: int) -> None:
        """Listens on ``socket`` until SIGTERM or SIGINT; ``status`` is the descriptor to report readiness on."""
        leaving = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, leaving.set)
        server = await asyncio.start_unix_server(self._connection, socket, limit=_STREAM_BUFFER_BYTES)
        _report(status, Status(ready=True, batch_rows=self._hello.batch_rows, batch_s=self._hello.batch_s))
        watching = asyncio.create_task(self._watch())
        await leaving.wait()
        server.close()
        if self._batches:
            await asyncio.wait(self._batches)
        for writer in self._connections.values():
            writer.close()
        if self._connections:
            await asyncio.wait(self._connections)
        self._worker.shutdown()
        watching.cancel()
        self._model.close()

    async def _watch(self) -> None:
        """Ends the process when a batch takes too long: a thread cannot be stopped, and all others wait for it."""
        while True:
            await asyncio.sleep(min(1.0, self._batch_timeout_s / 4))
            if self._began is not None and time.monotonic() - self._began > self._batch_timeout_s:
                log.error("a batch took too long", timeout_s=self._batch_timeout_s)
                os._exit(_TOO_LONG)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            writer.writelines(encode(Frame(self._hello)))
            while (frame := await read_frame(reader)) is not None:
                self._take(frame, writer)
                await writer.drain()
        except (ConnectionError, FrameError) as error:
            log.warning("a gateway's connection broke", error=repr(error))
        finally:
            del self._connections[task]
            writer.close()
            for (asker, _), batch in list(self._asked.items()):
                if asker is writer:
                    batch.cancel()

    def _take(self, frame: Frame, writer: asyncio.StreamWriter) -> None:
        if isinstance(frame.message, Cancel):
            if (batch := self._asked.get((writer, frame.message.request))) is not None:
                batch.cancel()  # one that runs cannot be stopped
            return
        if not isinstance(frame.message, Infer):
            raise FrameError(f"a gateway sent {type(frame.message).__name__} where a batch was due")
        request = frame.message.request
        if len(self._batches) >= self._queue:
            writer.writelines(encode(Frame(Failure(request, ReplicaBusy.code, "The queue is full."))))
            return
        task = asyncio.create_task(self._answer(request, frame, writer))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, request: int, frame: Frame, writer: asyncio.StreamWriter) -> None:
        asked = self._asked[writer, request] = self._worker.submit(self._infer, dict(frame.tensors))
        try:
            outputs = await asyncio.wrap_future(asked)
            answer = encode(Frame(Result(request), outputs))
        except TholosError as error:
            answer = encode(Frame(Failure(request, error.code, error.message)))
        except FrameError as error:
            answer = encode(Frame(Failure(request, InferenceFailed.code, f"The output cannot be sent: {error}.")))
        except asyncio.CancelledError:
            if asked.cancelled():
                return
            raise
        finally:
            del self._asked[writer, request]
        if not writer.is_closing():
            writer.writelines(answer)

    def _infer(self, batch: Batch) -> Outputs:
        self._began = time.monotonic()
        try:
            return infer(self._model, batch)
        finally:
            self._began = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one replica; returns the exit code (1 when the model does not load)."""
    parser = argparse.ArgumentParser(prog="tholos.serving.replica_process")
    parser.add_argument("--folder", type=Path, required=True, help="the model's files")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--parent", type=int, required=True, help="process id to die with")
    parser.add_argument("--queue", type=int, required=True, help="most batches waiting or running")
    parser.add_argument("--batch-timeout", type=float, required=True, help="seconds that a batch may take")
    options = parser.parse_args(arguments)
    die_with_parent(options.parent)
    status = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between the lines of the status
    configure_logs()
    try:
        model, warm_up = load_warm(options.folder)
    except TholosError as error:
        _report(status, Status(ready=False, error=error.message))
        return 1
    except OSError as error:
        log.exception("the model's files cannot be read")
        _report(status, Status(ready=False, error=f"The model's files cannot be read: {error.strerror}."))
        return 1
    options.socket.unlink(missing_ok=True)  # of a predecessor: one process at a time has this socket
    asyncio.run(ReplicaServer(model, warm_up, options.queue, options.batch_timeout).serve(options.socket, status))
    return 0


def _report(descriptor: int, status: Status) -> None:
    os.write(descriptor, msgspec.json.encode(status) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
