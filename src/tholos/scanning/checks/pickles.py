"""Pickles: their opcodes are read and followed, one by one, without running any of them.

A small account of the stack and the memo is kept, so that what STACK_GLOBAL imports is known even where its name comes
from the memo. What follows on a place that cannot be understood (joblib writes arrays in the middle of a pickle) is
searched for the names of dangerous imports instead.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from tholos.scanning.checks.globals import dangerous_modules, safety_of
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import CannotScan, Inspection, Source, printable

_MAX_ARGUMENT: Final = 1 << 20
_MAX_STACK: Final = 5_000_000
_MAX_OPCODES: Final = 100_000_000
_PICKLES_IN_A_ROW: Final = 64
_CHUNK: Final = 4 << 20
_OVERLAP: Final = 600
_SEARCHED: Final = 256 << 20
_LOAD: Final = "Do not load it. Ask for safetensors, ONNX, skops or GGUF instead, which hold data only."
_BY_CODE: Final = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_STRINGS: Final = frozenset(
    {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
)
_LONG: Final = {  # opcode to the width of its length field: data that may be skipped unread
    "BINSTRING": 4,
    "BINBYTES": 4,
    "BINBYTES8": 8,
    "BYTEARRAY8": 8,
    "BINUNICODE": 4,
    "BINUNICODE8": 8,
    "LONG4": 4,
}
_RAW_GLOBAL = re.compile(rb"[ci]([A-Za-z_][\w.]{0,80})\n([A-Za-z_][\w.]{0,80})\n", re.ASCII)
_RAW_STRINGS = re.compile(
    # the length, which cuts what follows
    rb"(?:\x8c([\x02-\x50])|X([\x02-\x50])\0\0\0|U([\x02-\x50]))(?=[A-Za-z_][\w.])",
    re.ASCII,
)


class _Unknown:
    """A value that is not followed."""


_UNKNOWN: Final = _Unknown()
_MARK: Final = _Unknown()


class _Broken(Exception):
    """An unpickler would stop here with an error."""


def check(found: Inspection, source: Source) -> None:
    """Follows every pickle of a source. Nothing is found in what is no pickle. Raises CannotScan."""
    source.file.seek(0)
    reader = _Reader(source.file, source.size)
    for count in range(_PICKLES_IN_A_ROW):
        start = reader.position
        trial = Inspection(found.bounds)
        problem = ""
        ended = False
        try:
            ended = _follow(trial, source, reader)
        except _Broken as broken:
            problem = str(broken)
        if not problem and not ended:
            return
        credible = ended or _begins_one(source.file, start)
        _take_over(found, trial, credible=credible)
        if problem:
            if credible and count == 0:
                _note_break(found, source, reader.position, problem)
            if credible or count:
                _search(found, source, start)
            return
        source.file.seek(reader.position)
    _search(found, source, reader.position)


def _begins_one(file: BinaryIO, start: int) -> bool:
    file.seek(start)
    head = file.read(2)
    return len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def _take_over(found: Inspection, trial: Inspection, *, credible: bool) -> None:
    """Keeps what a trial found. In bytes that are hardly a pickle only an exact name counts: the rest is chance."""
    result = trial.result
    if credible:
        found.result.is_pickle = True
    for item in result.imports:
        if credible or (item.safety == "dangerous" and item.module != "?"):
            found.imported(item.module, item.name, item.safety)
    for one in result.findings:
        if credible or (one.severity is Severity.UNSAFE and found.result.is_pickle):
            found.find(one.kind, one.severity, one.message, one.next, one.where)


def _note_break(found: Inspection, source: Source, position: int, problem: str) -> None:
    if any(item.module.startswith("joblib") for item in found.result.imports):
        return  # it writes arrays in the middle of a pickle
    found.find(
        "pickle.broken",
        Severity.SUSPICIOUS,
        f"The pickle cannot be followed beyond a point ({problem}); what stands before it would still run.",
        _LOAD,
        source.at(f"offset {position}"),
    )


class _Reader:
    """Reads opcodes; arguments that are long are skipped, not read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.position = 0

    def read(self, count: int) -> bytes:
        data = self._file.read(count)
        self.position += len(data)
        return data

    def readline(self) -> bytes:
        line = self._file.readline(_MAX_ARGUMENT)
        self.position += len(line)
        if len(line) == _MAX_ARGUMENT:
            raise _Broken("a line without an end")
        return line

    def opcode(self) -> tuple[str, Any, pickletools.OpcodeInfo] | None:
        """The next opcode with its argument; None at the end of the file. Raises _Broken."""
        code = self.read(1)
        if not code:
            return None
        info = _BY_CODE.get(code[0])
        if info is None:
            raise _Broken(f"no opcode {code[0]:#04x}")
        if (width := _LONG.get(info.name)) is not None:
            length = int.from_bytes(self.read(width), "little")
            if length > self._size - self.position:
                raise _Broken("a length beyond the end of the file")
            if length > _MAX_ARGUMENT:
                self._skip(length)
                return info.name, _UNKNOWN, info
            data = self.read(length)
            text = data.decode("utf-8", "replace") if info.name in _STRINGS else _UNKNOWN
            return info.name, text, info
        if info.arg is None:
            return info.name, None, info
        try:
            return info.name, info.arg.reader(self), info  # type: ignore[arg-type]  # it reads lines and bytes only
        except (ValueError, IndexError, UnicodeError, OverflowError) as problem:
            raise _Broken(printable(str(problem), 80)) from None

    def _skip(self, length: int) -> None:
        while length:
            data = self._file.read(min(length, _CHUNK))
            if not data:
                raise _Broken("the file ends too early")
            length -= len(data)
            self.position += len(data)


def _follow(found: Inspection, source: Source, reader: _Reader) -> bool:
    """Follows one pickle to its STOP; returns False at the end of the file. Raises _Broken, CannotScan."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    first = reader.position
    for _ in range(_MAX_OPCODES):
        at = reader.position
        step = reader.opcode()
        if step is None:
            if at == first:
                return False
            raise _Broken("it ends without a STOP")
        name, argument, info = step
        if name == "STOP":
            return True
        try:
            _step(found, source, at, name, argument, info, stack, memo)
        except IndexError:
            raise _Broken(f"{name} finds the stack empty") from None
        if len(stack) > _MAX_STACK or len(memo) > _MAX_STACK:
            raise CannotScan("The pickle holds more objects than a scan follows.")
    raise CannotScan("The pickle has more steps than a scan follows.")


def _step(
    found: Inspection,
    source: Source,
    at: int,
    name: str,
    argument: Any,
    info: pickletools.OpcodeInfo,
    stack: list[Any],
    memo: dict[Any, Any],
) -> None:
    if name in _STRINGS:
        stack.append(argument)
    elif name == "MARK":
        stack.append(_MARK)
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET", "DUP"):
        stack.append(stack[-1] if name == "DUP" else memo.get(argument, _UNKNOWN))
    elif name == "STACK_GLOBAL":
        attribute, module = stack.pop(), stack.pop()
        _imports(found, source, at, module, attribute)
        stack.append(_UNKNOWN)
    elif name in ("GLOBAL", "INST"):
        module, _, attribute = argument.partition(" ")
        if name == "INST":
            _pop_mark(stack)
        _imports(found, source, at, module, attribute)
        stack.append(_UNKNOWN)
    else:
        if name in ("EXT1", "EXT2", "EXT4"):
            message = "The pickle names something through Python's extension registry, known to its maker's program."
            found.find("pickle.extension", Severity.SUSPICIOUS, message, _LOAD, source.at(f"offset {at}"))
        _apply(info, stack)


def _apply(info: pickletools.OpcodeInfo, stack: list[Any]) -> None:
    before = info.stack_before
    if pickletools.markobject in before or pickletools.stackslice in before:
        _pop_mark(stack)
        below = before.index(pickletools.markobject) if pickletools.markobject in before else 0
        for _ in range(below):
            stack.pop()
    else:
        for _ in before:
            stack.pop()
    stack.extend(_UNKNOWN for _ in info.stack_after)


def _pop_mark(stack: list[Any]) -> None:
    while stack.pop() is not _MARK:
        pass


def _imports(found: Inspection, source: Source, at: int, module: Any, name: Any) -> None:
    where = source.at(f"offset {at}")
    if not isinstance(module, str) or not isinstance(name, str):
        if found.imported("?", "?", "dangerous"):
            found.find(
                "pickle.import",
                Severity.UNSAFE,
                "The pickle imports something whose name it makes up while it is loaded.",
                _LOAD,
                where,
            )
        return
    safety = safety_of(module, name)
    if not found.imported(module, name, safety) or safety == "innocuous":
        return
    shown = f"{printable(module, 80)}.{printable(name, 80)}"
    if safety == "dangerous":
        message = f"Loading this pickle imports {shown}, with which it can run code or reach files and the network."
        found.find("pickle.import", Severity.UNSAFE, message, _LOAD, where)
    else:
        message = f"Loading this pickle imports {shown}, which is not known to be harmless."
        step = "Load it only if you trust its author, and never in a server; safetensors or ONNX need no trust."
        found.find("pickle.import", Severity.SUSPICIOUS, message, step, where)


def _search(found: Inspection, source: Source, start: int) -> None:
    """Looks through the rest of a file for the names of dangerous imports."""
    if source.size - start > _SEARCHED:
        found.read_only(_SEARCHED / (source.size - start))
    for base, chunk in _chunks(source.file, start):
        for match in _RAW_GLOBAL.finditer(chunk):
            module, name = match[1].decode(), match[2].decode()
            if safety_of(module, name) == "dangerous":
                _imports(found, source, base + match.start(), module, name)
        _search_strings(found, source, base, chunk)


def _search_strings(found: Inspection, source: Source, base: int, chunk: bytes) -> None:
    modules = dangerous_modules()
    previous: tuple[int, str] | None = None
    for match in _RAW_STRINGS.finditer(chunk):
        length = next(group for group in match.groups() if group)[0]
        raw = chunk[match.end() : match.end() + length]
        if not raw.replace(b".", b"").replace(b"_", b"").isalnum() or not raw.isascii():
            continue
        text = raw.decode()
        if previous is not None and match.start() - previous[0] <= 8 and safety_of(previous[1], text) == "dangerous":
            _imports(found, source, base + match.start(), previous[1], text)
        elif text in modules and len(text) > 4:
            found.find(
                "pickle.hidden_name",
                Severity.SUSPICIOUS,
                f"Behind the part of the pickle that can be followed stands the name of the module {text}.",
                _LOAD,
                source.at(f"offset {base + match.start()}"),
            )
        previous = (match.end() + length, text)


def _chunks(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    file.seek(start)
    base, tail = start, b""
    while base - start < _SEARCHED and (data := file.read(_CHUNK)):
        chunk = tail + data
        yield base, chunk
        tail = chunk[-_OVERLAP:]
        base += len(chunk) - len(tail)
