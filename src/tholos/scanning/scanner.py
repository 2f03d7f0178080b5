"""The scan of one content: told by its bytes and its name what it is, and looked at accordingly.

A function of the bytes and of a *lens*: what of the file's place matters. It reads; it never loads, imports or runs.
"""

from __future__ import annotations

import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from tholos.runtimes.pickles import SUFFIXES
from tholos.scanning.checks import archives, keras, onnx, pickles, skops, tables, tensors, texts
from tholos.scanning.findings import Report, Severity
from tholos.scanning.inspection import Bounds, CannotScan, Inspection, Source

VERSION: Final = "1"
"""Of the rules: raised with every change by which a content may get another verdict."""

_PICKLE_SUFFIXES: Final = SUFFIXES | {".bin", ".ckpt", ".pdparams", ".pdopt"}
_SUFFIXES: Final = frozenset(
    {
        *_PICKLE_SUFFIXES,
        *texts.DATA_SUFFIXES,
        *(".npy", ".npz", ".keras", ".h5", ".hdf5", ".gguf", ".safetensors", ".onnx", ".skops", ".parquet"),
        *(".ipynb", ".yaml", ".yml", ".jinja", ".md", ".svg", ".html", ".htm", ".zip", ".tar", ".gz", ".tgz", ".pb"),
        *(".py", ".sh", ".env", ".toml", ".ini", ".cfg"),
    }
)
_NAMES: Final = frozenset({"config.json", "tokenizer_config.json", "chat_template.json"})
_EXECUTABLES: Final = {
    b"\x7fELF": "a program for Linux",
    b"\xcf\xfa\xed\xfe": "a program for macOS",
    b"\xfe\xed\xfa\xcf": "a program for macOS",
    b"dex\n": "a program for Android",
}
_GRAPH_CODE: Final = (b"PyFunc", b"EagerPyFunc", b"WriteFile", b"ReadFile", b"PyFuncStateless")
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def lens_of(kind: str, path: str) -> str:
    """What of a file's place matters for its verdict: the kind of its repo, and its name or suffix if that is known."""
    name = PurePosixPath(path).name.lower()
    suffix = PurePosixPath(name).suffix
    return f"{kind}:{name if name in _NAMES else suffix if suffix in _SUFFIXES else ''}"


def scan(file: BinaryIO, size: int, lens: str, bounds: Bounds | None = None) -> Report:
    """Looks at a content. It returns a report whatever the bytes are; out of memory it raises MemoryError."""
    found = Inspection(bounds or Bounds())
    kind, _, name = lens.partition(":")
    source = Source(name, file, size, data=kind == "dataset")
    try:
        look(found, source)
    except CannotScan as problem:
        found.result.error = str(problem)
    except RecursionError:
        found.result.error = "It is nested too deeply."
    return found.result


def look(found: Inspection, source: Source) -> None:
    """Looks at a file or a member of an archive. Raises CannotScan."""
    head = source.head
    if not head:
        return
    texts.check_malware_test(found, source)
    _check_program(found, source, head)
    begins_zip = head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
    if not begins_zip and _is_pickle(source, head):
        pickles.check(found, source)
    if begins_zip or (source.depth == 0 and _ends_as_zip(source)):
        _look_at_zip(found, source)
    elif not (_by_first_bytes(found, source, head) or _by_name(found, source)) and texts.is_text(head):
        texts.check(found, source)


def _by_first_bytes(found: Inspection, source: Source, head: bytes) -> bool:
    """Looks at what its first bytes make known; returns whether they did."""
    for magic, check in _BY_MAGIC.items():
        if head.startswith(magic):
            check(found, source)
            return True
    if head[257:262] == b"ustar":
        source.file.seek(0)
        archives.check_tar(found, source, look, source.file)
    elif head.startswith(tuple(archives.COMPRESSED)) or _is_zlib(source, head):
        archives.check_compressed(found, source, look)
    elif closed := next((name for magic, name in archives.CLOSED.items() if head.startswith(magic)), None):
        message = f"This is a {closed} archive, into which the scan cannot look."
        found.find("archive.closed", Severity.NOTE, message, "Push its files instead.", source.where)
    else:
        return False
    return True


def _by_name(found: Inspection, source: Source) -> bool:
    """Looks at what only its name makes known; returns whether it did."""
    match source.suffix:
        case ".safetensors":
            tensors.check_safetensors(found, source)
        case ".onnx":
            onnx.check(found, source)
        case ".pb":
            _check_graph(found, source)
        case ".gguf":
            message = "The file is named as GGUF, and is none."
            found.find("gguf.malformed", Severity.SUSPICIOUS, message, "Fetch it again.", source.where)
        case _:
            return False
    return True


def _check_parquet(found: Inspection, source: Source) -> None:
    if source.data:
        tables.check_parquet(found, source)


_BY_MAGIC: Final = {
    tensors.NUMPY: tensors.check_numpy,
    tensors.GGUF: tensors.check_gguf,
    keras.HDF5: keras.check_hdf5,
    tables.PARQUET: _check_parquet,
}


def _is_pickle(source: Source, head: bytes) -> bool:
    if source.suffix in _PICKLE_SUFFIXES:
        return not head.startswith(tuple(archives.COMPRESSED))
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def _is_zlib(source: Source, head: bytes) -> bool:
    return head.startswith(_ZLIB) and source.suffix in _PICKLE_SUFFIXES | {".z"}


def _ends_as_zip(source: Source) -> bool:
    source.file.seek(0)
    return source.size > 22 and zipfile.is_zipfile(source.file)


def _look_at_zip(found: Inspection, source: Source) -> None:
    def look_inside(found: Inspection, inner: Source) -> None:
        if source.suffix == ".keras" and keras.is_config(inner.name):
            keras.check_config(found, inner.file.read(), inner.where)
        elif inner.name == skops.SCHEMA:
            skops.check_schema(found, inner.file.read(), inner.where)
        else:
            look(found, inner)

    archives.check_zip(found, source, look_inside)


def _check_program(found: Inspection, source: Source, head: bytes) -> None:
    what = next((words for magic, words in _EXECUTABLES.items() if head.startswith(magic)), None)
    if head.startswith(b"MZ") and len(head) > 64:
        at = int.from_bytes(head[60:64], "little")
        if head[at : at + 4] == b"PE\0\0":
            what = "a program for Windows"
    if what is not None:
        message = f"This is {what}: machine code, not a model or data."
        step = "Do not run it unless you know where it comes from; push its source instead."
        found.find("executable", Severity.SUSPICIOUS, message, step, source.where)


def _check_graph(found: Inspection, source: Source) -> None:
    source.file.seek(0)
    data = source.file.read(found.bounds.member_bytes)
    for name in _GRAPH_CODE:
        if bytes([len(name)]) + name in data:
            message = f"The TensorFlow graph has the operation {name.decode()}, which runs Python or reaches files."
            step = "Do not load it. Ask for the model as Keras v3 or ONNX."
            found.find("tensorflow.operation", Severity.UNSAFE, message, step, source.where)
