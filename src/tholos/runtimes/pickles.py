"""Telling pickles apart without opening them: by their first bytes, within every wrapping that tools give them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tholos.runtimes.errors import PickleRefused

SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".sav", ".pt", ".pth"})
"""Names under which tools write pickles."""

_HEAD = 64
_PROTOCOL_2 = re.compile(rb"\x80[\x02-\x05]")
"""PROTO and the version."""
_PROTOCOL_0 = re.compile(
    rb"\([dl]p\d|[\]}]q.|\(?[ci][A-Za-z_][\w.]*\n[A-Za-z_]\w*\n(?:p\d+\n|q.|[()])", re.ASCII | re.DOTALL
)
"""The first object of protocols 0 and 1: a dict, a list, or a global, put into the memo or called."""
_UNPACK: dict[bytes, Callable[[BinaryIO], bytes]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file).read(_HEAD),
    b"BZh": lambda file: bz2.BZ2File(file).read(_HEAD),
    b"\xfd7zXZ": lambda file: lzma.LZMADecompressor().decompress(file.read(4096), _HEAD),
    b"\x78": lambda file: zlib.decompressobj().decompress(file.read(4096), _HEAD),
}
"""How the first bytes of each compressed form that joblib writes are read; never more than a few are unpacked."""


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, plain or compressed or in a PyTorch archive. Reads a few bytes; runs nothing."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        for magic, unpack in _UNPACK.items():
            if head.startswith(magic):
                file.seek(0)
                try:
                    head = unpack(file)
                except (OSError, EOFError, zlib.error, lzma.LZMAError):
                    return False
                break
    if head.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".pkl") for name in archive.namelist())
        except zipfile.BadZipFile:
            return False
    return _PROTOCOL_2.match(head) is not None or _PROTOCOL_0.match(head) is not None


def refuse(path: Path) -> PickleRefused:
    """The error that names a pickle."""
    return PickleRefused(
        f"{path.name} is a pickle. Loading a pickle can run any code, so it was not opened.",
        next="Save the model with skops (skops.io.dump) or as ONNX, or train it here, and push that instead.",
        file=path.name,
    )


def pickle_in(folder: Path) -> Path | None:
    """The first file of a folder that is a pickle by name or content, if any."""
    for path in sorted(item for item in folder.iterdir() if item.is_file()):
        if path.suffix.lower() in SUFFIXES or is_pickle(path):
            return path
    return None
