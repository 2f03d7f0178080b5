"""Fixtures of the serving tests: models in folders, and replica processes without a supervisor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tholos.serving.replica_process import Status

sys.path.insert(0, str(Path(__file__).parent))  # gateway's tests import the samples under the same name

from model_samples import write_folder


@dataclass
class ChildReplica:
    """A replica process that the test itself started."""

    process: asyncio.subprocess.Process
    socket: Path
    status: Status


StartReplica = Callable[..., Awaitable[ChildReplica]]


@pytest.fixture
async def start_replica(tmp_path: Path) -> AsyncIterator[StartReplica]:
    """Starts a replica process on a model's files and waits for its status."""
    started: list[asyncio.subprocess.Process] = []

    async def start(files: dict[str, bytes], queue: int = 64, batch_timeout: float = 120.0) -> ChildReplica:
        folder = write_folder(tmp_path / f"model-{len(started)}", files)
        socket = tmp_path / "replica.sock"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tholos.serving.replica_process"),
            *("--folder", str(folder), "--socket", str(socket), "--parent", str(os.getpid()), "--queue", str(queue)),
            *("--batch-timeout", str(batch_timeout)),
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        line = await process.stdout.readline()
        return ChildReplica(process, socket, msgspec.json.decode(line, type=Status))

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
