"""The header of a GGUF file, read within bounds: architecture, context length, number of parameters."""

from __future__ import annotations

import math
import struct
from typing import Any, BinaryIO, Final

_MAGIC: Final = b"GGUF"
_MAX_BYTES: Final = 64 << 20
_MAX_ENTRIES: Final = 4_096
_MAX_ELEMENTS: Final = 2_000_000
_MAX_TENSORS: Final = 65_536
_MAX_NAME: Final = 65_535
_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING: Final = 8
_ARRAY: Final = 9
_WANTED_SUFFIXES: Final = (".context_length",)


def read_gguf(file: BinaryIO) -> dict[str, Any]:
    """``total`` parameters, and ``architecture`` and ``context_length`` where the file says them.

    Raises ValueError for anything that is no GGUF file of version 2 or 3, or is larger than such headers are.
    """
    reader = _Reader(file)
    if reader.take(4) != _MAGIC or reader.number("<I") not in (2, 3):
        raise ValueError("not a GGUF file of version 2 or 3")
    tensors, entries = reader.number("<Q"), reader.number("<Q")
    if tensors > _MAX_TENSORS or entries > _MAX_ENTRIES:
        raise ValueError("too many tensors or entries")
    known: dict[str, Any] = {}
    for _ in range(entries):
        name = reader.text(_MAX_NAME)
        value = reader.value(reader.number("<I"))
        if name == "general.architecture" or name.endswith(_WANTED_SUFFIXES):
            known[name] = value
    total = sum(_tensor(reader) for _ in range(tensors))
    architecture = known.get("general.architecture")
    found: dict[str, Any] = {"total": total}
    if isinstance(architecture, str) and architecture.isprintable():
        found["architecture"] = architecture[:64]
        context = known.get(f"{architecture}.context_length")
        if isinstance(context, int) and 0 < context < 1 << 53:
            found["context_length"] = context
    return found


def _tensor(reader: _Reader) -> int:
    """How many numbers the next tensor has."""
    reader.text(_MAX_NAME)
    dimensions = reader.number("<I")
    if dimensions > 8:
        raise ValueError("too many dimensions")
    sizes = [reader.number("<Q") for _ in range(dimensions)]
    reader.take(12)  # its type and where it lies
    count = int(math.prod(sizes))
    if count > 1 << 50:
        raise ValueError("a tensor larger than there are")
    return count


class _Reader:
    """Takes values off the front of a file, up to a number of bytes in all."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._room = _MAX_BYTES

    def take(self, count: int) -> bytes:
        self._room -= count
        if self._room < 0:
            raise ValueError("the header is too long")
        data = self._file.read(count)
        if len(data) != count:
            raise ValueError("the file ends within its header")
        return data

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, most: int = _MAX_BYTES) -> str:
        length = self.number("<Q")
        if length > most:
            raise ValueError("a text that is too long")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """The next value; None for an array, which is passed over."""
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            if kind not in _SCALARS:
                raise ValueError("an unknown type")
            return self.number(_SCALARS[kind])
        of, count = self.number("<I"), self.number("<Q")
        if count > _MAX_ELEMENTS:
            raise ValueError("an array that is too long")
        if of in _SCALARS:
            self.take(count * struct.calcsize(_SCALARS[of]))
        elif of == _STRING:
            for _ in range(count):
                self.take(self.number("<Q"))
        else:
            raise ValueError("an array of arrays")
        return None
