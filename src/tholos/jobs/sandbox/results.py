"""What sandboxed code left in its folder, looked at as something that wants to lead the reader astray."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tholos.jobs.sandbox.errors import SandboxResult

MAX_FILES = 10_000
_DEEPEST = 32
_BLOCK = 512
_PIECE = 1 << 20


def take(source: Path, target: Path, max_bytes: int) -> None:
    """Copies a plain file that sandboxed code wrote, once that code has ended.

    A link, a pipe or a device in its place is not followed, opened or waited for. Raises SandboxResult.
    """
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _invalid(source, "is not there, or is no plain file") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise _invalid(source, "is no plain file of its own")
    with os.fdopen(descriptor, "rb") as file:
        if found.st_size > max_bytes:
            raise _invalid(source, f"has {found.st_size:,} bytes; {max_bytes:,} are allowed")
        left = max_bytes
        with target.open("xb") as copy:
            while piece := file.read(min(_PIECE, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise _invalid(source, f"has more than the {max_bytes:,} bytes that are allowed")
                copy.write(piece)


def disk_use(folder: Path, pids: list[int]) -> tuple[int, int]:
    """Bytes on disk and number of files, of a folder and of deleted files that these processes hold open.

    Bounded: it stops counting where there are more files, or deeper folders, than anyone may have.
    """
    used = files = 0
    for found in _below(folder):
        used += found.st_blocks * _BLOCK
        files += 1
        if files > MAX_FILES:
            break
    seen: set[tuple[int, int]] = set()
    for pid in pids:
        for found in _opened(pid):
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0 and (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                used += found.st_blocks * _BLOCK
    return used, files


def _below(folder: Path) -> Iterator[os.stat_result]:
    waiting = [(str(folder), 0)]
    while waiting:
        path, depth = waiting.pop()
        if depth > _DEEPEST:
            # More than anyone may have: as if there were too many files.
            yield from (folder.stat() for _ in range(MAX_FILES + 1))
            return
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))


def _opened(pid: int) -> Iterator[os.stat_result]:
    # Bubblewrap's own processes may be closed to us; confined code cannot make itself so.
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with suppress(FileNotFoundError, ProcessLookupError):
                yield entry.stat()


def _invalid(path: Path, reason: str) -> SandboxResult:
    return SandboxResult(
        f"The result {path.name} {reason}.", next="Have the code write its result as one plain file, of a modest size."
    )
