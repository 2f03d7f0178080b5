"""The files of a job: its log, which stays, and its scratch folder, which does not.

``jobs_dir/<job id>/log.txt`` collects what every attempt printed, each under a header line; children write to it
directly, through a descriptor opened for appending. ``jobs_dir/<job id>/work/<fence>`` is a run's scratch folder; no
two runs ever share one, for a run that was given up may still be writing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 256 << 10
_TAIL_BYTES = 64 << 10
_SLACK_BYTES = 4 * _TAIL_BYTES
_CUT = "\n[… the log reached its limit of {limit:,} bytes here; what follows is the end of it …]\n"


class JobFolder:
    """Where one run of a job keeps its files."""

    def __init__(self, jobs_dir: Path, job_id: str, fence: int) -> None:
        self.log = log_path(jobs_dir, job_id)
        self.scratch = self.log.parent / "work" / str(fence)

    def prepare(self) -> None:
        """Makes an empty scratch folder, and removes those of earlier runs."""
        remove_folder(self.scratch.parent)
        self.scratch.mkdir(parents=True)

    def clear(self) -> None:
        """Removes this run's scratch folder. Raises OSError."""
        remove_folder(self.scratch)


def remove_folder(folder: Path) -> None:
    """Removes a folder that strangers' code may have written: however deep it is, and whatever modes it has.

    Folders are moved up before they are emptied, so that no path grows long and nothing recurses.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    os.close(descriptor)
    numbers = count()
    waiting = [folder]
    while waiting:
        emptied = waiting.pop()
        emptied.chmod(0o700)
        with os.scandir(emptied) as entries:
            found = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for path, is_folder in found:
            if not is_folder:
                path.unlink()
                continue
            path.chmod(0o700)  # a folder can only be moved by who may write to it
            moved = folder.parent / f".removed-{folder.name}-{os.getpid()}-{next(numbers)}"
            path.rename(moved)
            waiting.append(moved)
        emptied.rmdir()


def log_path(jobs_dir: Path, job_id: str) -> Path:
    """The file that collects what a job printed."""
    return jobs_dir / job_id / "log.txt"


class AttemptLog:
    """The part of a job's log that one attempt writes, kept under ``limit`` bytes."""

    def __init__(self, path: Path, header: str, limit: int) -> None:
        self.file: BinaryIO = path.open("ab", buffering=0)
        """For the child to append to."""
        self.note(header)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._start = os.fstat(self._descriptor).st_size
        self._limit = limit
        self._cut = False

    def note(self, line: str) -> None:
        """Adds a line of the platform's own."""
        self.file.write(f"--- {line}\n".encode())

    def trim(self) -> None:
        """Drops most of what is over the limit. Called while the child writes, so that no flood fills the disk."""
        if self._excess() > _SLACK_BYTES:
            self._cut = True
            tail = self._cut_off_tail()
            self.file.write(tail)  # it may hold the reason why the child is just ending

    def close(self) -> None:
        """Ends the attempt's log; one that was too long keeps its beginning and, with the error, its last lines."""
        if self._cut or self._excess() > 0:
            tail = self._cut_off_tail()
            self.file.write(_CUT.format(limit=self._limit).encode() + tail)
        self.file.close()
        os.close(self._descriptor)

    def _cut_off_tail(self) -> bytes:
        end, excess = self._start + self._limit, self._excess()
        tail = os.pread(self._descriptor, _TAIL_BYTES, end + max(0, excess - _TAIL_BYTES))
        os.ftruncate(self._descriptor, end)
        return tail

    def _excess(self) -> int:
        return os.fstat(self._descriptor).st_size - self._start - self._limit


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Some of a log, and the offset in bytes at which the next piece begins."""

    text: bytes
    next_offset: int


def read_log(path: Path, offset: int, limit: int = READ_BYTES) -> LogPiece:
    """Up to ``limit`` bytes of a log from ``offset``, never half a character.

    An offset beyond the end (a log that was cut meanwhile) leads back to the end.
    """
    try:
        with path.open("rb") as file:
            offset = min(offset, file.seek(0, os.SEEK_END))
            file.seek(offset)
            text = file.read(limit)
    except FileNotFoundError:  # no attempt has begun
        return LogPiece(b"", 0)
    whole = text[: len(text) - _unfinished(text)]
    return LogPiece(whole, offset + len(whole))


def _unfinished(text: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character whose rest has not come yet."""
    for length, lead in ((1, 0xC0), (2, 0xE0), (3, 0xF0)):
        if len(text) >= length and text[-length] >= lead:
            return length
        if len(text) >= length and text[-length] < 0x80:
            return 0
    return 0
