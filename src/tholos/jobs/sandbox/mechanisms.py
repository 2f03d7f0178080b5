"""The ways to confine code on this machine, and which of them works here."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tholos.jobs.sandbox import landlock, syscalls

Mechanism = Literal["bubblewrap", "landlock", "off"]
MECHANISMS: Final[tuple[Mechanism, ...]] = ("bubblewrap", "landlock")
"""Those that confine, the stricter first."""

_SYSTEM: Final = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/sys/devices/system/cpu",
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run, and what it may touch."""

    target: str
    """``module:function``, called with ``arguments`` and the descriptor of the channel."""
    arguments: dict[str, Any]
    read: Path
    """A folder that it may read."""
    write: Path
    """A folder that it may write: its working directory, its home, and where its temporary files go."""

    def environment(self) -> dict[str, str]:
        """All of the environment that it gets."""
        threads = str(len(os.sched_getaffinity(0)))
        temporary = str(self.write)
        return {
            "HOME": temporary,
            "TMPDIR": temporary,
            "LANG": "C.UTF-8",
            "PATH": "/nowhere",
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": threads,
            # Sums that do not depend on the number of cores give the same model everywhere.
            "OPENBLAS_NUM_THREADS": "1",
            "MPLCONFIGDIR": temporary,
        }


def environment_paths() -> list[Path]:
    """The Python environment: what any code here needs to read, and nothing that is anybody's."""
    python, real = Path(sys.executable), Path(sys.executable).resolve()
    named = (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parents[3]),
        f"{sys.prefix}/pyvenv.cfg",
        str(python.parent),
        str(real.parent),
        f"{sys.base_prefix}/bin",
        f"{sys.base_prefix}/lib",
        *_SYSTEM,
    )
    return [path for path in map(Path, dict.fromkeys(named)) if path.exists()]


def exposed(private: Sequence[Path]) -> Path | None:
    """The first of the private paths that lies inside the Python environment, where sandboxed code could read it."""
    granted = [path.resolve() for path in environment_paths()]
    return next((path for path in private if any(path.resolve().is_relative_to(root) for root in granted)), None)


def missing(mechanism: Mechanism) -> str | None:
    """Why a mechanism cannot work here at first sight, or None."""
    if mechanism != "off" and not syscalls.supported():
        return f"system calls cannot be filtered on {os.uname().machine}"
    if mechanism == "bubblewrap" and shutil.which("bwrap") is None:
        return "the program bwrap is not installed (Debian's package bubblewrap)"
    if mechanism == "landlock" and landlock.version() < landlock.LEAST:
        return "the kernel has no Landlock of version 3 or newer (Linux 6.2), or it is switched off"
    return None


def command(mechanism: Mechanism, order: Order, limits: dict[str, int], channel: int) -> list[str]:
    """The command line that runs an order confined."""
    spec = {
        "mechanism": mechanism,
        "owner": 0 if mechanism == "bubblewrap" else os.getpid(),
        "read": [str(path) for path in (*environment_paths(), *map(Path, _DEVICES), order.read)],
        "write": [str(order.write), "/dev/null"],
        "limits": limits,
        "target": order.target,
        "arguments": order.arguments,
        "channel": channel,
    }
    python = [sys.executable, "-I", "-u", "-m", "tholos.jobs.sandbox.inside", json.dumps(spec)]
    return [*_bubblewrap(order), *python] if mechanism == "bubblewrap" else python


def _bubblewrap(order: Order) -> list[str]:
    program = shutil.which("bwrap")
    assert program is not None
    parts = [program, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    parts += ["--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL"]
    # The outer first: a folder mounted later lies inside what was mounted before.
    for path in sorted(environment_paths(), key=lambda path: len(path.parts)):
        parts += ["--ro-bind", str(path), str(path)]
    for device in _DEVICES:
        parts += ["--dev-bind", device, device]
    parts += ["--ro-bind", str(order.read), str(order.read), "--bind", str(order.write), str(order.write)]
    return [*parts, "--remount-ro", "/", "--chdir", str(order.write), "--"]
