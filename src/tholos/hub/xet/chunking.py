"""Cutting a file that lies here into chunks and xorbs, by the library that Xet clients cut with.

The same bytes become the same chunks whichever way they came, so that they are found again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tholos.hub.xet.shards import ShardFile, parse_shard
from tholos.kit.settings import GIB

MAX_FILE_BYTES: Final = 64 * GIB
"""The list of the chunks of one file must fit into one shard."""


class ChunkingFailed(Exception):
    """The library could not cut the file."""


@dataclass(frozen=True, slots=True)
class ChunkedFile:
    """A file as a shard tells it, and where its xorbs lie, by hash."""

    file: ShardFile
    xorbs: Mapping[str, Path]


def chunk_file(path: Path, sha256: str, folder: Path) -> ChunkedFile:
    """Cuts a file of at most `MAX_FILE_BYTES`; all that is made lies in ``folder``, which is empty.

    The SHA-256 is taken as it is given. Raises ChunkingFailed, InvalidShard.
    """
    os.environ.setdefault("HF_XET_LOG_DEST", str(folder / "log"))  # else it keeps logs in the home of who runs this
    # imported here: the library starts threads, which the process that jobs are forked from must not have
    from hf_xet import XetSession

    try:
        with XetSession().new_upload_commit(endpoint=f"local://{folder}") as commit:
            commit.start_upload_file(str(path), sha256=sha256)
    except (OSError, RuntimeError, ValueError) as error:
        raise ChunkingFailed(str(error)) from error
    store = folder / "xet" / "xorbs"
    (file,) = (file for shard in (store / "shards").glob("*.mdb") for file in parse_shard(shard.read_bytes()).files)
    return ChunkedFile(file, {term.xorb: store / "xorbs" / f"default.{term.xorb}" for term in file.terms})
