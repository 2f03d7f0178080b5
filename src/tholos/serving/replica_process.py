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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tholos.kit.errors import TholosError
from tholos.kit.logs import configure_logs, get_logger
from tholos.kit.processes import die_with_parent
from tholos.serving.errors import InferenceFailed, ReplicaBusy
from tholos.serving.frames import PROTOCOL_VERSION, Failure, Frame, FrameError, Hello, Infer, Result, encode, read_frame
from tholos.serving.warmup import WarmUp, infer, load_warm

if TYPE_CHECKING:
    from tholos.runtimes import LoadedModel

_STREAM_BUFFER_BYTES = 1 << 20

log = get_logger("serving.replica_process")


class Status(msgspec.Struct, frozen=True):
    """The one line that the process writes on standard output once its model is loaded, or is known not to load."""

    ready: bool
    error: str = ""
    batch_rows: int = 0
    batch_s: float = 0.0


class ReplicaServer:
    """Answers batches of any number of connections, one batch at a time, in the order in which they came."""

    def __init__(self, model: LoadedModel, warm_up: WarmUp, queue: int) -> None:
        self._model = model
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
        await leaving.wait()
        server.close()
        if self._batches:
            await asyncio.wait(self._batches)
        for writer in self._connections.values():
            writer.close()
        if self._connections:
            await asyncio.wait(self._connections)
        self._worker.shutdown()
        self._model.close()

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

    def _take(self, frame: Frame, writer: asyncio.StreamWriter) -> None:
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
        loop = asyncio.get_running_loop()
        try:
            outputs = await loop.run_in_executor(self._worker, infer, self._model, dict(frame.tensors))
            answer = encode(Frame(Result(request), outputs))
        except TholosError as error:
            answer = encode(Frame(Failure(request, error.code, error.message)))
        except FrameError as error:
            answer = encode(Frame(Failure(request, InferenceFailed.code, f"The output cannot be sent: {error}.")))
        if not writer.is_closing():
            writer.writelines(answer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one replica; returns the exit code (1 when the model does not load)."""
    parser = argparse.ArgumentParser(prog="tholos.serving.replica_process")
    parser.add_argument("--folder", type=Path, required=True, help="the model's files")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--parent", type=int, required=True, help="process id to die with")
    parser.add_argument("--queue", type=int, required=True, help="most batches waiting or running")
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
    asyncio.run(ReplicaServer(model, warm_up, options.queue).serve(options.socket, status))
    return 0


def _report(descriptor: int, status: Status) -> None:
    os.write(descriptor, msgspec.json.encode(status) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
