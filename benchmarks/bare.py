"""A bare server to measure against: it only syncs the bytes, on the gateway's own uvicorn with its options.

python benchmarks/bare.py MODULE:CLASS FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
HEAD = "0" * 40


@dataclass(frozen=True)
class Server:
    url: str
    token: str


async def store(path: Path, receive: Any) -> None:
    """Writes a request's body as it arrives, and syncs it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        while True:
            message = await receive()
            os.write(descriptor, message.get("body", b""))
            if not message.get("more_body"):
                break
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


async def fetch(path: Path, send: Any, *, head: bool = False, **headers: str) -> None:
    """Sends a file."""
    told = {"content-length": str(path.stat().st_size), **headers}  # noqa: ASYNC240 - no one else waits for this loop
    pairs = [(name.encode(), text.encode()) for name, text in told.items()]
    await send({"type": "http.response.start", "status": 200, "headers": pairs})
    if not head:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def answer(send: Any, status: int, said: Any) -> None:
    content = json.dumps(said).encode()
    headers = [(b"content-length", str(len(content)).encode()), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@contextlib.contextmanager
def serve(app: type[Any], folder: Path) -> Iterator[Server]:
    """The application over ``folder``, in a process of its own."""
    folder.mkdir()
    command = [sys.executable, __file__, f"{Path(inspect.getfile(app)).stem}:{app.__name__}", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Server(json.loads(process.stdout.readline())["url"], "none")
    finally:
        process.terminate()
        process.wait()


def size_of(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s*(B|KiB|MiB|GiB)", text)
    if match is None:
        raise argparse.ArgumentTypeError("write it like 256MiB or 1GiB")
    return int(match[1]) << {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[match[2]]


def write_random(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, 16 << 20):
            file.write(os.urandom(min(16 << 20, size - start)))


def main() -> None:
    """Runs the server until it is told to stop; says on stdout where it is."""
    import uvicorn

    from tholos.kit.ports import shared_socket
    from tholos.kit.settings import Settings
    from tholos.server import uvicorn_options

    module, name = sys.argv[1].split(":")
    folder = Path(sys.argv[2])
    sock = shared_socket("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = getattr(importlib.import_module(module), name)(folder, url)
    config = uvicorn.Config(app, lifespan="off", **uvicorn_options(Settings(home=folder)))
    print(json.dumps({"url": url}), flush=True)
    config.load()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[sock]))


if __name__ == "__main__":
    main()
