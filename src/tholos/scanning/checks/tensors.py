"""Files of tensors: safetensors, GGUF and NumPy. Their headers say what follows; here is seen whether that can be."""

from __future__ import annotations

import ast
import json
import struct
from itertools import pairwise
from math import prod
from typing import Any, BinaryIO, Final

from tholos.scanning.checks import pickles
from tholos.scanning.checks.templates import check_template
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, Source, printable

NUMPY: Final = b"\x93NUMPY"
GGUF: Final = b"GGUF"
_AGAIN: Final = "Fetch or export the file again; a loader that trusts this header may read foreign memory."
_MAX_HEADER: Final = 100_000_000
_BITS: Final = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


class _Malformed(Exception):
    """The header contradicts the file or itself."""


# -- safetensors


def check_safetensors(found: Inspection, source: Source) -> None:
    """A safetensors file: its header describes exactly the bytes that follow."""
    try:
        _safetensors(source)
    except (_Malformed, RecursionError) as problem:
        message = f"The safetensors header is malformed: {printable(str(problem), 200)}."
        found.find("safetensors.malformed", Severity.SUSPICIOUS, message, _AGAIN, source.where)


def _safetensors(source: Source) -> None:
    source.file.seek(0)
    length = int.from_bytes(_exactly(source.file, 8), "little")
    if length > min(_MAX_HEADER, source.size - 8):
        raise _Malformed("it claims to be longer than the file, or than 100 MB")
    raw = _exactly(source.file, length)
    try:
        header = json.loads(raw, object_pairs_hook=_no_twins)
    except ValueError as problem:
        raise _Malformed(f"it is no JSON ({problem})") from None
    if not isinstance(header, dict) or not raw.startswith(b"{"):
        raise _Malformed("it is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _Malformed("its metadata are not texts")
    spans = sorted(_span(name, entry) for name, entry in header.items())
    if spans and spans[0][0] != 0:
        raise _Malformed("there is a gap before the first tensor")
    for (_, end), (start, _) in pairwise(spans):
        if start != end:
            raise _Malformed("tensors overlap, or leave a gap between them")
    if (spans[-1][1] if spans else 0) != source.size - 8 - length:
        raise _Malformed("the tensors do not fill the file")


def _span(name: str, entry: Any) -> tuple[int, int]:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise _Malformed(f"the tensor {name[:80]!r} is not described")
    if dtype not in _BITS or not all(type(side) is int and 0 <= side < 1 << 48 for side in shape):
        raise _Malformed(f"the tensor {name[:80]!r} has no known type or shape")
    if not 0 <= start <= end or (prod(shape) * _BITS[dtype] + 7) // 8 != end - start:
        raise _Malformed(f"the tensor {name[:80]!r} has another size than its shape")
    return start, end


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Malformed("it names something twice")
    return found


# -- GGUF

_SCALARS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_MAX_ENTRIES: Final = 1 << 20
_MAX_TENSORS: Final = 1 << 20
_MAX_STRINGS: Final = 1 << 24


def check_gguf(found: Inspection, source: Source) -> None:
    """A GGUF file: counts and lengths that fit the file, and chat templates that only format text."""
    try:
        _Gguf(found, source).read()
    except (_Malformed, struct.error) as problem:
        message = f"The GGUF header is malformed: {printable(str(problem), 200)}."
        found.find("gguf.malformed", Severity.UNSAFE, message, _AGAIN, source.where)


class _Gguf:
    def __init__(self, found: Inspection, source: Source) -> None:
        self._found, self._source, self._file = found, source, source.file
        self._order = "<"

    def read(self) -> None:
        self._file.seek(4)
        version = self._number("I")
        if version > 0xFFFF:
            self._order = ">"
            self._file.seek(4)
            version = self._number("I")
        if version not in (2, 3):
            raise _Malformed(f"version {version} is not known")
        tensors, entries = self._number("Q"), self._number("Q")
        if tensors > _MAX_TENSORS or entries > _MAX_ENTRIES:
            raise _Malformed(f"it counts {tensors} tensors and {entries} entries")
        for _ in range(entries):
            self._entry()
        for _ in range(tensors):
            self._tensor()

    def _entry(self) -> None:
        key = self._string(1 << 16).decode("utf-8", "replace")
        kind = self._number("I")
        if kind == _STRING and key.startswith("tokenizer.chat_template"):
            template = self._string(1 << 24).decode("utf-8", "replace")
            check_template(self._found, template, self._source.at(printable(key, 60)))
        else:
            self._skip(kind, depth=0)

    def _tensor(self) -> None:
        name = self._string(1 << 16).decode("utf-8", "replace")
        dimensions = self._number("I")
        if dimensions > 8:
            raise _Malformed(f"the tensor {name[:80]!r} has {dimensions} dimensions")
        size = prod(self._number("Q") for _ in range(dimensions))
        kind, offset = self._number("I"), self._number("Q")
        if size >= 1 << 62 or kind > 1000 or offset > self._source.size:
            raise _Malformed(f"the tensor {name[:80]!r} lies beyond the file, or is larger than any memory")

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _SCALARS:
            self._pass_over(_SCALARS[kind])
        elif kind == _STRING:
            self._pass_over(self._number("Q"))
        elif kind == _ARRAY and depth < 4:
            inner, count = self._number("I"), self._number("Q")
            if inner in _SCALARS:
                self._pass_over(_SCALARS[inner] * count)
                return
            if count > _MAX_STRINGS:
                raise _Malformed(f"a list has {count} items")
            for _ in range(count):
                self._skip(inner, depth + 1)
        else:
            raise _Malformed(f"a value has the unknown type {kind}")

    def _pass_over(self, count: int) -> None:
        if count > self._source.size - self._file.tell():
            raise _Malformed("a length leads beyond the end of the file")
        self._file.seek(count, 1)

    def _string(self, most: int) -> bytes:
        length = self._number("Q")
        if length > min(most, self._source.size - self._file.tell()):
            raise _Malformed("a length leads beyond the end of the file")
        return _exactly(self._file, length)

    def _number(self, kind: str) -> int:
        return int(struct.unpack(self._order + kind, _exactly(self._file, struct.calcsize(kind)))[0])


# -- NumPy


def check_numpy(found: Inspection, source: Source) -> None:
    """A .npy file: its header is a plain description, and objects in it are a pickle. Raises CannotScan."""
    source.file.seek(0)
    try:
        kind = _numpy_type(source)
    except _Malformed as problem:
        message = f"The NumPy header is malformed: {printable(str(problem), 200)}."
        found.find("numpy.malformed", Severity.SUSPICIOUS, message, _AGAIN, source.where)
        return
    if "O" in kind:
        message = "The array holds Python objects, which NumPy keeps as a pickle."
        step = "Save plain numbers or texts instead (allow_pickle=False)."
        found.find("numpy.objects", Severity.NOTE, message, step, source.where)
        start = source.file.tell()
        rest = Tail(source.file, start)
        inner = Source("", rest, source.size - start, source.at("objects"), source.depth)  # type: ignore[arg-type]
        pickles.check(found, inner)


def _numpy_type(source: Source) -> str:
    """What the header says of the elements; the file then stands behind it."""
    magic = _exactly(source.file, 8)
    length = int.from_bytes(_exactly(source.file, 2 if magic[6] == 1 else 4), "little")
    if magic[6] not in (1, 2, 3) or length > min(1 << 20, source.size):
        raise _Malformed("its length or version is not one that NumPy writes")
    header = _exactly(source.file, length).decode("latin-1")
    try:
        described = ast.literal_eval(header)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise _Malformed("it is no plain description") from None
    if not isinstance(described, dict) or set(described) != {"descr", "fortran_order", "shape"}:
        raise _Malformed("it is no plain description")
    return str(described["descr"])


class Tail:
    """A file from some place on, as a file of its own."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start

    def seek(self, offset: int) -> int:
        """Goes to ``offset`` bytes after its beginning."""
        return self._file.seek(self._start + offset) - self._start

    def read(self, count: int = -1) -> bytes:
        """As a file's."""
        return self._file.read(count)

    def readline(self, limit: int = -1) -> bytes:
        """As a file's."""
        return self._file.readline(limit)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _Malformed("the file ends too early")
    return data
