"""The header of a safetensors file: names, types and shapes of its tensors, without a byte of weights."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, BinaryIO, Final

from tholos.imports.files import broken

MAX_HEADER_BYTES: Final = 100 << 20
"""The format's own limit."""


def parameters(path: str, file: BinaryIO, size: int) -> Counter[str]:
    """Parameters by element type. Raises NotImportable."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
        raise broken(path, "it is not a safetensors file, or is cut off")
    try:
        header = json.loads(file.read(length))
        found: Counter[str] = Counter()
        for name, tensor in header.items():
            if name != "__metadata__":
                found[str(tensor["dtype"])[:20]] += _count(path, tensor, size - 8 - length)
    except (ValueError, RecursionError, AttributeError, TypeError, LookupError) as error:
        raise broken(path, "its header is not that of a safetensors file") from error
    return found


def _count(path: str, tensor: dict[str, Any], data_bytes: int) -> int:
    count = 1
    for extent in tensor["shape"]:
        if type(extent) is not int or extent < 0:
            raise TypeError
        count *= extent
    begin, end = tensor["data_offsets"]
    if not 0 <= begin <= end <= data_bytes or count > 8 * data_bytes:
        raise broken(path, "a tensor lies outside the file: it is cut off or damaged")
    return count
