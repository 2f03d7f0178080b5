"""``python -m tholos.jobs.child``: the fork server, and the children that it forks, in which jobs run.

To import what a job needs takes far longer than most jobs: the server does it once, and each child is a copy of it. It
has one thread and nothing open but its socket, so a copy is as good as a fresh process. Every child leads a session of
its own, and all tie their lives to who started them: children to the server, the server to its runner.

A request is an order with two descriptors (the child's end of its channel, its log), answered with the child's number,
or the number of a dead child, answered with its exit code (negative: the signal) and the seconds of processor time
that it used. A blank answer means that there is no child. "load" and names of modules has these imported too.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from tholos.jobs.order import Order
from tholos.kit.processes import die_with_parent

READY = b"ready"
LOAD = b"load "
MAX_MESSAGE = 1 << 16
_BEGUN = b"1"
_NO_CHILD = b" "
_FIRST_TO_DIE = "500"


def main() -> int:
    """Serves until the runner is gone; in a child, carries out its order. Returns the exit code."""
    descriptor, runner, *modules = sys.argv[1:]
    die_with_parent(int(runner))
    faulthandler.enable()
    _preload(["tholos.jobs.execution", *modules])
    order = _serve(socket.socket(fileno=int(descriptor)))
    if order is None:
        return 0
    from tholos.jobs.execution import execute

    return execute(*order)


def _preload(modules: list[str]) -> None:
    for module in modules:
        with suppress(ImportError):  # the child that needs it says so, in its own log
            import_module(module)
    gc.collect()
    gc.freeze()  # what nothing collects is not written to, and stays shared with the children


def _serve(requests: socket.socket) -> tuple[Order, int] | None:
    """Answers requests; returns in each child with its order and channel, and in the server when the runner is gone."""
    requests.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MAX_MESSAGE, 2)
        if not message:
            return None
        if message.isdigit():
            requests.send(_reap(int(message)))
            continue
        if message.startswith(LOAD):
            _preload(message.removeprefix(LOAD).decode().split())
            requests.send(READY)
            continue
        channel, log = descriptors
        order = Order.decode(message)
        child = _fork()
        if child is None:
            requests.close()
            _settle_in(order, log)
            return order, channel
        os.close(channel)
        os.close(log)
        requests.send(child)


def _fork() -> bytes | None:
    """None in the child; in the server the child's number once it leads its session, blank when there is none."""
    server = os.getpid()
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        traceback.print_exc()
        os.close(reading)
        os.close(writing)
        return _NO_CHILD
    if child == 0:
        os.close(reading)
        os.setsid()
        die_with_parent(server)
        os.write(writing, _BEGUN)
        os.close(writing)
        return None
    os.close(writing)
    begun = os.read(reading, 1)
    os.close(reading)
    if begun != _BEGUN:
        os.waitpid(child, 0)
        return _NO_CHILD
    return str(child).encode()


def _settle_in(order: Order, log: int) -> None:
    """Makes the fork a job's process: its log, its folder, its place in the queue of those to be killed for memory."""
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    # When the machine runs out of memory the kernel shall choose the job, not the server.
    Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_DIE)
    Path("/proc/self/comm").write_text("tholos job")
    os.chdir(order.folder)


def _reap(child: int) -> bytes:
    try:
        _, status, used = os.wait4(child, 0)
    except ChildProcessError:  # a former server's, which took it along
        return json.dumps([-signal.SIGKILL, 0.0]).encode()
    return json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime]).encode()


if __name__ == "__main__":
    sys.exit(main())
