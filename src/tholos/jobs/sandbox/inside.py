"""``python -I -m tholos.jobs.sandbox.inside``: gives up every right that sandboxed code must not have, then runs it.

All of it happens in this one thread before anything else is imported; nothing here can be undone from inside.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Any

from tholos.jobs.sandbox import landlock, syscalls
from tholos.kit.processes import die_with_parent

_CAPABILITIES_VERSION = 0x20080522
_PR_CAPBSET_DROP = 24
_EINVAL = 22
_DESCRIPTORS = 256


def main() -> None:
    """Confines this process as the order on the command line says, and calls the function that it names."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    if order["owner"]:  # bubblewrap has a namespace of processes: there it is bubblewrap that dies with its owner
        die_with_parent(order["owner"])
    sys.argv[1:] = []
    sys.dont_write_bytecode = True
    os.umask(0o077)
    _limit(order["limits"])
    syscalls.no_new_privileges()
    if order["mechanism"] == "landlock":
        landlock.restrict(map(Path, order["read"]), map(Path, order["write"]))
    if order["mechanism"] != "off":
        _drop_capabilities()
        syscalls.install()
    module, _, name = order["target"].partition(":")
    getattr(importlib.import_module(module), name)(order["arguments"], order["channel"])


def _limit(limits: dict[str, int]) -> None:
    for name, value in (
        (resource.RLIMIT_AS, limits["address_space"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (bound, bound))


def _drop_capabilities() -> None:
    """What the administrator of the machine may do beyond others' rights goes, even where the server runs as root."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() == _EINVAL:
            break  # beyond the last; an EPERM says that there is nothing to drop
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITIES_VERSION, 0))
    if libc.capset(header, ctypes.create_string_buffer(bytes(24))) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")


if __name__ == "__main__":
    main()
