"""Files on this machine: what a push sends, and where a pull may write."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from tholos.sdk.errors import InvalidInput, TransferFailed

CHUNK_BYTES = 1 << 20
"""How much of a file is in memory at a time."""

PARTIAL_FOLDER = ".tholos-partial"
"""Holds the files of a pull that are not complete yet."""

_NOT_PUSHED = frozenset({".git", PARTIAL_FOLDER, "__pycache__", ".DS_Store"})


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to push: its path in the repo (with ``/``), where it is, its size in bytes."""

    path: str
    source: Path
    size: int


def files_below(source: Path, *, into: str = "") -> list[LocalFile]:
    """The file ``source``, or all files below the folder ``source``, with their paths in the repo.

    ``into`` is the folder of the repo to put them in, or, for one file, its new path when it does not end in "/".
    Git's folder, caches and links that lead out of the folder are left out. Raises InvalidInput when nothing is there.
    """
    source = source.expanduser()
    prefix = PurePosixPath(into)
    if source.is_file():
        path = prefix / source.name if not into or into.endswith("/") else prefix
        return [LocalFile(str(path), source, source.stat().st_size)]
    if not source.is_dir():
        raise InvalidInput(f"There is no file or folder {str(source)!r}.", next="Check the path.")
    found = [
        LocalFile(str(prefix / relative.as_posix()), source / relative, (source / relative).stat().st_size)
        for relative in sorted(_walk(source))
    ]
    if not found:
        raise InvalidInput(f"The folder {str(source)!r} holds no files.", next="Check the path.")
    return found


def _walk(root: Path) -> Iterator[Path]:
    whole = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _NOT_PUSHED]
        for name in names:
            path = Path(folder, name)
            if name not in _NOT_PUSHED and path.is_file() and path.resolve().is_relative_to(whole):
                yield path.relative_to(root)


def selected(path: str, patterns: Iterable[str] | None) -> bool:
    """Whether a path matches one of the patterns (``*.onnx``, ``splits/*``); all do when there are none."""
    return patterns is None or any(fnmatchcase(path, pattern) for pattern in patterns)


def sha256_of(path: Path) -> str:
    """The file's SHA-256, 64 hexadecimal digits, read in chunks."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_here(root: Path, path: str, *, size: int, sha256: str | None) -> bool:
    """Whether the folder holds a repo's file already, with the same content."""
    target = target_below(root, path)
    try:
        return sha256 is not None and target.stat().st_size == size and sha256_of(target) == sha256
    except FileNotFoundError:
        return False


def made(folder: Path) -> Path:
    """The folder to pull into, created if absent, with every link in its own path resolved."""
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InvalidInput(f"{str(folder)!r} is a file.", next="Name a folder to write into.") from None
    return folder.resolve()


def sweep(root: Path) -> None:
    """Removes the folder of incomplete files once it is empty; what broke off stays for the next pull."""
    with contextlib.suppress(OSError):
        (root / PARTIAL_FOLDER).rmdir()


def target_below(root: Path, path: str) -> Path:
    """Where a repo's file is to be written. ``root`` must be resolved.

    Raises TransferFailed when the path is absolute, steps out with "..", or leads through a link out of the folder:
    no server can make a client write elsewhere.
    """
    parts = path.split("/")
    drive = os.name == "nt" and (":" in path or "\\" in path)
    if not path or "\0" in path or drive or any(part in ("", ".", "..") for part in parts):
        raise _escapes(path)
    target = root.joinpath(*parts)
    if not target.parent.resolve().is_relative_to(root) or target.is_dir():
        raise _escapes(path)
    return target


def _escapes(path: str) -> TransferFailed:
    return TransferFailed(
        f"The server named a file that would be written outside the target folder: {path!r}.",
        next="Nothing was written there. Do not trust this server, or pull into an empty folder.",
        code="unsafe_path",
    )
