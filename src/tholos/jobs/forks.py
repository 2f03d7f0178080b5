"""The runner's side of the fork server (``jobs.child``)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from threading import Lock

from tholos.jobs.child import LOAD, MAX_MESSAGE, READY
from tholos.jobs.order import Order

_ANSWER_S = 120.0
_IDLE_S = 300.0


class ForkServer:
    """Starts the children of jobs, as forks of a process that has imported ``modules``.

    ``start`` is for the main thread, whose end is what the process's death signal waits for; the rest for any.
    """

    def __init__(self, environment: Mapping[str, str], modules: Iterable[str]) -> None:
        self._environment = dict(environment)
        self._modules = sorted(set(modules))
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._one_at_a_time = Lock()
        self._is_ready = False
        self._loaded: set[str] = set()
        self._used_at = 0.0

    def start(self) -> None:
        """Starts the process unless it runs; ``wait`` waits until it can fork. Raises OSError."""
        self._used_at = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_ANSWER_S)
        # -P: no folder that it happens to be in may shadow modules.
        command = [sys.executable, "-P", "-m", "tholos.jobs.child", str(theirs.fileno()), str(os.getpid())]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, *self._modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._requests, self._is_ready, self._loaded = ours, False, set()

    def wait(self) -> None:
        """Waits until it has imported what it imports. Raises OSError when it ends first."""
        with self._one_at_a_time:
            if not self._is_ready and self._receive() != READY:
                raise ConnectionResetError("the fork server ended before it was ready")
            self._is_ready = True

    def load(self, libraries: Iterable[str]) -> None:
        """Waits as ``wait`` does and has the process import these as well. Raises OSError when it ends first."""
        self.wait()
        missing = sorted(set(libraries) - self._loaded)
        if not missing:
            return
        with self._one_at_a_time:
            self._open().send(LOAD + " ".join(missing).encode())
            if self._receive() != READY:
                raise ConnectionResetError("the fork server ended while it imported libraries")
        self._loaded.update(missing)

    def fork(self, order: Order, channel: int, log: int) -> int:
        """Starts a child with copies of these descriptors; returns its number. Raises OSError."""
        with self._one_at_a_time:
            socket.send_fds(self._open(), [order.encode()], [channel, log])
            answer = self._receive()
        if not answer.isdigit():
            raise OSError("the fork server could not fork; the server's log says why")
        return int(answer)

    def reap(self, child: int) -> tuple[int, float]:
        """Takes the exit code of a child that has ended (negative: the signal), and its seconds of processor time.

        A child that was the last server's died with it, by SIGKILL.
        """
        try:
            with self._one_at_a_time:
                self._open().send(str(child).encode())
                status, seconds = json.loads(self._receive())
        except (OSError, ValueError):
            return -signal.SIGKILL, 0.0
        return int(status), float(seconds)

    def rest(self) -> None:
        """Ends the process when it was not asked for long, for it keeps memory; call it only while it has no child."""
        if self._process is not None and time.monotonic() - self._used_at > _IDLE_S:
            self.close()

    def close(self) -> None:
        """Ends the process, and with it whatever children it still has."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._requests = None

    def _open(self) -> socket.socket:
        if self._requests is None:
            raise ConnectionResetError("the fork server does not run")
        return self._requests

    def _receive(self) -> bytes:
        return self._open().recv(MAX_MESSAGE)
