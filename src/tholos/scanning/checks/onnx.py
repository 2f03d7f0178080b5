"""ONNX graphs: which other files and which foreign operators they name. Only the outline is read, not the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from tholos.runtimes.onnx import DOMAINS
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import CannotScan, Inspection, Source, printable

_KNOWN: Final = DOMAINS | {"ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft.nchwc"}
_MAX_TEXT: Final = 4096
_MAX_DEPTH: Final = 40
_MAX_FIELDS: Final = 20_000_000

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _ENTRY, _TRAINING, _OPSET = range(10)
_BELOW: Final[dict[int, dict[int, int]]] = {
    _MODEL: {7: _GRAPH, 8: _OPSET, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _TENSOR: {13: _ENTRY},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 9: _OPSET, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
    _ENTRY: {},
    _OPSET: {},
}
"""Field numbers of onnx.proto that lead further in, by the message that they stand in."""
_TEXTS: Final[dict[int, tuple[int, ...]]] = {_NODE: (4, 7), _FUNCTION: (10,), _ENTRY: (1, 2)}
"""Field numbers whose text is wanted: domain (and operator) of a node, domain of a function, key and value."""


class _Broken(Exception):
    """Not the bytes of this message."""


def check(found: Inspection, source: Source) -> None:
    """Walks through a graph. Raises CannotScan."""
    walk = _Walk(source.file)
    try:
        walk.message(_MODEL, 0, source.size, 0)
    except _Broken as problem:
        message = f"The ONNX file is malformed: {problem}."
        found.find("onnx.malformed", Severity.SUSPICIOUS, message, "Export the graph again.", source.where)
    for location in sorted(walk.locations):
        _check_location(found, source, location)
    for domain in sorted(walk.domains - walk.own_domains - _KNOWN):
        found.find(
            "onnx.custom_operators",
            Severity.SUSPICIOUS,
            f"The graph uses operators of {printable(domain, 80)!r}, which need a library of somebody's machine code.",
            "Export it with standard operators only, or see where that library comes from.",
            source.where,
        )


def _check_location(found: Inspection, source: Source, location: str) -> None:
    path = PurePosixPath(location)
    leaves = path.is_absolute() or ".." in path.parts or "\\" in location or ":" in location or not path.parts
    if leaves or any(ord(c) < 32 for c in location):
        found.find(
            "onnx.path_traversal",
            Severity.UNSAFE,
            f"The graph reads its weights from {printable(location, 100)!r}, outside of its own folder.",
            "Do not load it. Export it again with its weights beside it.",
            source.where,
        )
    elif len(found.result.loads) < 1000:
        found.result.loads.append(location)


class _Walk:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._fields = 0
        self.locations: set[str] = set()
        self.domains: set[str] = set()
        self.own_domains: set[str] = set()

    def message(self, kind: int, start: int, end: int, depth: int) -> None:
        """Reads one message that fills these bytes."""
        if depth > _MAX_DEPTH:
            raise _Broken("graphs within graphs without an end")
        texts: dict[int, str] = {}
        for number, at, length in self._parts(start, end):
            if number in _TEXTS.get(kind, ()):
                self._file.seek(at)
                texts[number] = self._file.read(min(length, _MAX_TEXT)).decode("utf-8", "replace")
            elif (inner := _BELOW[kind].get(number)) is not None:
                self.message(inner, at, at + length, depth + 1)
        if kind == _NODE and texts.get(7):
            self.domains.add(texts[7])
        elif kind == _FUNCTION and texts.get(10):
            self.own_domains.add(texts[10])
        elif kind == _ENTRY and texts.get(1) == "location":
            self.locations.add(texts.get(2, ""))

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(field number, offset, length) of every length-delimited field."""
        at = start
        while at < end:
            self._fields += 1
            if self._fields > _MAX_FIELDS:
                raise CannotScan("The graph has more parts than a scan follows.")
            key, at = self._varint(at, end)
            match key & 7:
                case 0:
                    _, at = self._varint(at, end)
                case 1:
                    at += 8
                case 5:
                    at += 4
                case 2:
                    length, at = self._varint(at, end)
                    if length > end - at:
                        raise _Broken("a length leads beyond the end")
                    yield key >> 3, at, length
                    at += length
                case other:
                    raise _Broken(f"a field of the unknown kind {other}")
        if at > end:
            raise _Broken("a field leads beyond the end")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        self._file.seek(at)
        value = 0
        for position, byte in enumerate(self._file.read(min(10, end - at))):
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                return value, at + position + 1
        raise _Broken("a number without an end")
