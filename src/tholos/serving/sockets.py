"""Where replica processes listen: one Unix socket per deployment and version, known to both sides without asking."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from tholos.kit.errors import Unavailable

_MAX_PATH_BYTES = 107
"""``sun_path`` holds 108 bytes, the last of which is a NUL."""
_LONGEST_NAME = 60


class UnsafeSocketFolder(Unavailable):
    """The folder for sockets belongs to someone else."""

    code = "unsafe_socket_folder"


def replica_socket(run_dir: Path, deployment_id: str, version: int) -> Path:
    """The socket of a deployment's replica process; its folder exists and only this user can enter it.

    A home with a path too long for a Unix socket gets a short private folder under the system's temporary one.
    Raises UnsafeSocketFolder when that folder is not ours alone.
    """
    folder = run_dir.absolute() / "replicas"
    if len(os.fsencode(folder)) + 1 + _LONGEST_NAME > _MAX_PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"tholos-{os.getuid()}-{digest}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise UnsafeSocketFolder(
            f"{folder} must be a folder that only this user can enter.",
            next="Remove it, or give THOLOS_HOME a shorter path.",
        )
    return folder / f"{deployment_id}-{version}.sock"
