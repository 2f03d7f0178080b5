"""Placing a revision's files in a folder, where a runtime can open them: links to the blobs, never copies if avoidable.

A folder is named after the commit, so its content never changes: it is built aside and renamed into place, whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from tholos.kit.blobs import BlobStore
from tholos.kit.ids import new_id
from tholos.runtimes.errors import BrokenModel

_BUILDING = ".building-"


class ModelFile(msgspec.Struct, frozen=True):
    """A file of a revision: its path there, and the blob that it is."""

    path: str
    sha256: str
    size: int


def files_from_json(files: Sequence[dict[str, Any]]) -> list[ModelFile]:
    """The files that a DeploymentVersion holds as JSON."""
    return msgspec.convert(files, list[ModelFile])


def place(models_dir: Path, blobs: BlobStore, revision: str, files: Sequence[ModelFile]) -> Path:
    """The folder that holds the revision's files, made if it is not there yet. Blocks; safe to call at the same time
    from several processes.

    Raises BlobNotFound when a blob is gone, and BrokenModel when one has another size than the revision says.
    """
    target = models_dir / revision
    if target.is_dir():
        return target
    building = models_dir / f"{_BUILDING}{new_id('dir')}"
    building.mkdir(parents=True)
    try:
        for file in files:
            _place_file(building, blobs, file)
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():  # else another process has just placed the same files
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def sweep(models_dir: Path, wanted: AbstractSet[str]) -> int:
    """Removes the folders of revisions that no deployment names, and folders whose building was broken off.

    Returns how many were removed. Models that are loaded are not affected: open files stay.
    """
    if not models_dir.is_dir():
        return 0
    stale = [folder for folder in models_dir.iterdir() if folder.name not in wanted]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return len(stale)


def _place_file(folder: Path, blobs: BlobStore, file: ModelFile) -> None:
    relative = PurePosixPath(file.path)
    if relative.is_absolute() or not relative.parts or ".." in relative.parts:
        raise BrokenModel(f"The revision has a file named {file.path!r}, which leaves its folder.")
    source = blobs.path(file.sha256)
    if (size := source.stat().st_size) != file.size:
        raise BrokenModel(
            f"The stored content of {file.path} has {size} bytes where the revision says {file.size}.",
            next="Push the file again, and check the server's disk.",
        )
    target = folder.joinpath(*relative.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
