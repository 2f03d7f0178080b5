"""Keras models: layers that carry code, and configurations that name anything but Keras."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from tholos.scanning.checks.globals import safety_of
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, Source, printable

HDF5: Final = b"\x89HDF\r\n\x1a\n"
_CONFIGS: Final = frozenset({"config.json"})
_MAX_CONFIG: Final = 64 << 20
_CHUNK: Final = 4 << 20
_NEXT: Final = "Do not load it. Ask for a model without Lambda layers and custom objects, or for ONNX."
_LAMBDA = re.compile(rb'"class_name"\s*:\s*"Lambda"')
_MODULE = re.compile(rb'"module"\s*:\s*"([\w.]{1,100})"')
_CODE = re.compile(rb'"class_name"\s*:\s*"__lambda__"|"function_type"\s*:\s*"lambda"')


def is_config(name: str) -> bool:
    """Whether a member of a .keras archive describes the model."""
    return name in _CONFIGS


def check_config(found: Inspection, data: bytes, where: str) -> None:
    """The config.json of a Keras v3 archive."""
    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        message = "The model's configuration is no JSON that can be read."
        found.find("keras.malformed", Severity.SUSPICIOUS, message, "Save the model again.", where)
        return
    for node in _objects(config):
        if not {"class_name", "config", "module", "registered_name"} & node.keys():
            continue
        name = str(node.get("class_name", ""))
        module = node.get("module")
        if name in ("Lambda", "__lambda__"):
            _lambda(found, where)
        elif isinstance(module, str) and module and not _is_keras(module):
            _foreign(found, module, name, where)


def check_hdf5(found: Inspection, source: Source) -> None:
    """An HDF5 file: the model's configuration stands in it as plain JSON."""
    for chunk in _chunks(source.file):
        if _LAMBDA.search(chunk) or _CODE.search(chunk):
            _lambda(found, source.where)
        for match in _MODULE.finditer(chunk):
            module = match[1].decode()
            if not _is_keras(module):
                _foreign(found, module, "", source.where)


def _is_keras(module: str) -> bool:
    first = module.partition(".")[0]
    return module == "builtins" or first in ("keras", "keras_hub", "keras_nlp", "keras_cv", "tf_keras")


def _lambda(found: Inspection, where: str) -> None:
    message = "The model has a Lambda layer: Python code that runs when the model is loaded or used."
    found.find("keras.lambda", Severity.UNSAFE, message, _NEXT, where)


def _foreign(found: Inspection, module: str, name: str, where: str) -> None:
    shown = printable(f"{module}.{name}".rstrip("."), 100)
    if safety_of(module, name or "*") == "dangerous":
        message = f"The model's configuration has {shown} called when it is loaded."
        found.find("keras.module", Severity.UNSAFE, message, _NEXT, where)
    else:
        message = f"The model needs {shown}, which is not part of Keras and runs when it is loaded."
        found.find("keras.module", Severity.SUSPICIOUS, message, _NEXT, where)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    tail = b""
    while data := file.read(_CHUNK):
        yield tail + data
        tail = data[-256:]
