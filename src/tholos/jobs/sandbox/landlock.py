"""Landlock: the kernel lets this process open only the files that it was granted, and nobody can widen that again."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

LEAST = 3
"""The first version that also governs truncating (Linux 6.2)."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_ALL_FILE_RIGHTS = (1 << 15) - 1
_IOCTL_DEVICES = 1 << 15  # from version 5
_ALL_TCP = 3  # from version 4
_ABSTRACT_SOCKETS_AND_SIGNALS = 3  # from version 6

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version that this kernel speaks; 0 where it has none, or has it switched off."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)))


def restrict(read: Iterable[Path], write: Iterable[Path]) -> None:
    """Lets the calling thread, and those it starts, open only what lies below these paths. Paths that are not there are
    left out. No new privileges must be set before. Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    spoken = version()
    rules = _Ruleset(
        files=_ALL_FILE_RIGHTS | (_IOCTL_DEVICES if spoken >= 5 else 0),
        network=_ALL_TCP if spoken >= 4 else 0,
        scoped=_ABSTRACT_SOCKETS_AND_SIGNALS if spoken >= 6 else 0,
    )
    size = 24 if spoken >= 6 else 16 if spoken >= 4 else 8
    ruleset = _checked(libc.syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0), "create_ruleset")
    try:
        for paths, rights in ((read, _READ), (write, _WRITE)):
            for path in paths:
                _grant(libc, ruleset, path, rights)
        _checked(libc.syscall(_RESTRICT, ruleset, 0), "restrict_self")
    finally:
        os.close(ruleset)


def _grant(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(allowed=rights, parent=descriptor)
        _checked(libc.syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0), "add_rule")
    finally:
        os.close(descriptor)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock_{what} failed")
    return result
