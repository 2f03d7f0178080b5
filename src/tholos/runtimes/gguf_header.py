"""The header of a GGUF file, read with bounds: what llama.cpp's format says of a model before its weights begin.

Own and small instead of the `gguf` package: that one maps the whole file, trusts the counts in it and brings more than
a reader. Nothing here reads past the header, keeps a vocabulary in memory, or believes a length that the file lacks.
Whatever passes has every tensor of a known type within the file, so that native code may map it.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from tholos.runtimes.errors import BrokenModel

MAX_ENTRIES: Final = 1 << 16
MAX_TENSORS: Final = 1 << 18
MAX_TEXT_BYTES: Final = 4 << 20
MAX_ITEMS: Final = 4 << 20
_MAX_DIMENSIONS = 8
_KEPT_TEXT = 65_536
_ALIGNMENT = 32
_MAX_ALIGNMENT = 1 << 20
_STRING, _ARRAY = 8, 9
_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

_TENSOR_TYPES: Final = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
"""By number: name, values in a block, bytes of a block. Of others only the beginning is known to lie in the file."""
_FILE_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header says. Long texts and arrays are left out of ``metadata``; ``lengths`` has how long arrays are."""

    version: int
    metadata: dict[str, Any]
    lengths: dict[str, int]
    parameters: int
    tensors: int
    types: dict[str, int]
    """Parameters by tensor type."""

    def count(self, name: str) -> int | None:
        """A whole number that the model's architecture has under this name; None where it says none."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        return value if type(value) is int else None

    @property
    def chat_template(self) -> bool:
        """Whether the file says how a conversation is written for the model."""
        return bool(self.metadata.get("tokenizer.chat_template"))

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def quantization(self) -> str | None:
        """As the file names it; None where it does not."""
        return _FILE_TYPES.get(self.metadata.get("general.file_type", -1))

    @property
    def main_type(self) -> str:
        """The tensor type of most parameters."""
        return max(self.types, key=lambda name: self.types[name], default="")


def read_header(file: BinaryIO, size: int) -> GgufHeader:
    """Read the header of a GGUF file of ``size`` bytes. Raises BrokenModel."""
    source = _Source(file, size)
    if source.take(4) != b"GGUF":
        raise _bad("it does not begin as a GGUF file")
    version = source.number("<I")
    if version not in (2, 3):
        raise _bad("it is of big-endian byte order" if version in (2 << 24, 3 << 24) else f"its version is {version}")
    tensors, entries = source.number("<Q"), source.number("<Q")
    if entries > MAX_ENTRIES or tensors > MAX_TENSORS:
        raise _bad(f"its header announces {entries:,} entries and {tensors:,} tensors")
    metadata: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for _ in range(entries):
        key = source.text()
        kind = source.number("<I")
        if kind == _ARRAY:
            lengths[key] = source.skip_array()
        elif kind == _STRING:
            text = source.text()
            metadata[key] = text[:_KEPT_TEXT]
        else:
            metadata[key] = source.scalar(kind)
    types: Counter[str] = Counter()
    end = 0
    for _ in range(tensors):
        tensor = source.tensor()
        types[tensor.type] += tensor.parameters
        end = max(end, tensor.end)
    if source.start_of_data(metadata.get("general.alignment")) + end > size:
        raise _bad("it is cut off: its header announces more tensors than the file holds")
    return GgufHeader(version, metadata, lengths, sum(types.values()), tensors, dict(types))


@dataclass(frozen=True, slots=True)
class _Tensor:
    type: str
    parameters: int
    end: int
    """In bytes from the beginning of the tensors' data."""


class _Source:
    """Reads forward; never further than the file is long."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._left = size

    def take(self, count: int) -> bytes:
        if count > self._left:
            raise _bad("it ends within its header, or announces more than it holds")
        data = self._file.read(count)
        if len(data) != count:
            raise _bad("it ends within its header")
        self._left -= count
        return data

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def scalar(self, kind: int) -> Any:
        form = _SCALARS.get(kind)
        if form is None:
            raise _bad(f"a value has the unknown type {kind}")
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        length = self.number("<Q")
        if length > MAX_TEXT_BYTES:
            raise _bad(f"a text announces {length:,} bytes")
        return self.take(length).decode(errors="replace").replace("\0", "")

    def skip_array(self) -> int:
        """Passes an array and returns how many items it has."""
        kind, count = self.number("<I"), self.number("<Q")
        if count > MAX_ITEMS:
            raise _bad(f"an array announces {count:,} items")
        if kind == _STRING:
            for _ in range(count):
                self.take(min(self.number("<Q"), MAX_TEXT_BYTES + 1))
        elif kind in _SCALARS:
            width = struct.calcsize(_SCALARS[kind])
            for start in range(0, count, 65_536):
                self.take(width * min(65_536, count - start))
        else:
            raise _bad(f"an array holds items of the unknown type {kind}")
        return count

    def tensor(self) -> _Tensor:
        """The next tensor, as the header describes it."""
        self.text()
        dimensions = self.number("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise _bad(f"a tensor announces {dimensions:,} dimensions")
        count = 1
        for _ in range(dimensions):
            count *= self.number("<Q")
        if count >= 1 << 63:
            raise _bad("a tensor announces more values than any file can hold")
        kind, offset = self.number("<I"), self.number("<Q")
        name, block, width = _TENSOR_TYPES.get(kind, (f"type {kind}", 1, 0))
        return _Tensor(name, count, offset + -(-count // block) * width)

    def start_of_data(self, alignment: Any) -> int:
        """Where the tensors' data begin, once the header has been read."""
        if alignment is None:
            alignment = _ALIGNMENT
        if type(alignment) is not int or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
            raise _bad("its alignment is not a power of two")
        read = self._size - self._left
        return read + -read % alignment


def _bad(why: str) -> BrokenModel:
    return BrokenModel(f"This is not a GGUF file that can be read: {why}.", next="Convert the model again.")
