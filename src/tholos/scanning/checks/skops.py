"""skops files: which types and functions they would have rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tholos.runtimes.trusted import LOADERS, TYPES
from tholos.scanning.checks.globals import safety_of
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, printable

SCHEMA: Final = "schema.json"
_NEXT: Final = "Push a pipeline of the types that `tholos algorithms` trains, or the model as ONNX."


def check_schema(found: Inspection, data: bytes, where: str) -> None:
    """The schema of a skops file, which is all that says what is built from it."""
    try:
        schema = json.loads(data)
    except (ValueError, RecursionError):
        found.find("skops.malformed", Severity.SUSPICIOUS, "The skops schema is no JSON.", "Save it again.", where)
        return
    if not isinstance(schema, dict) or "__loader__" not in schema:
        return
    for node in _objects(schema):
        module, name = str(node.get("__module__", "")), str(node.get("__class__", ""))
        loader = str(node.get("__loader__", ""))
        shown = printable(f"{module}.{name}", 100)
        if f"{module}.{name}" in TYPES and loader in LOADERS:
            continue
        if safety_of(module, name) == "dangerous":
            message = f"The file has {shown} called when it is loaded."
            found.find("skops.type", Severity.UNSAFE, message, _NEXT, where)
        else:
            message = f"The file holds {shown} ({printable(loader, 40)}), which Tholos does not load."
            found.find("skops.type", Severity.SUSPICIOUS, message, _NEXT, where)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "__class__" in item or "__loader__" in item:
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
