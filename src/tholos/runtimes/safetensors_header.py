"""The header of a safetensors file: names, types and shapes of its tensors, without a byte of weights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from tholos.runtimes.errors import BrokenModel

MAX_HEADER_BYTES: Final = 100 << 20
"""The format's own limit."""


def read_header(name: str, file: BinaryIO, size: int) -> dict[str, Any]:
    """The tensors of a file of ``size`` bytes, by their names, each with dtype, shape and data_offsets.

    Raises BrokenModel: it is no safetensors file, or a tensor is not where the header says.
    """
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
        raise _broken(name, "it is not a safetensors file, or is cut off")
    try:
        header = json.loads(file.read(length))
        tensors = {key: tensor for key, tensor in header.items() if key != "__metadata__"}
        for tensor in tensors.values():
            _check(name, tensor, size - 8 - length)
    except (ValueError, RecursionError, AttributeError, TypeError, LookupError) as error:
        raise _broken(name, "its header is not that of a safetensors file") from error
    return tensors


def parameters(tensors: Mapping[str, Any]) -> Counter[str]:
    """Numbers by element type in what `read_header` returned."""
    found: Counter[str] = Counter()
    for tensor in tensors.values():
        found[str(tensor["dtype"])[:20]] += _count(tensor)
    return found


def _check(name: str, tensor: dict[str, Any], data_bytes: int) -> None:
    begin, end = tensor["data_offsets"]
    if not isinstance(tensor["dtype"], str):
        raise TypeError
    if not 0 <= begin <= end <= data_bytes or _count(tensor) > 8 * data_bytes:
        raise _broken(name, "a tensor lies outside the file: it is cut off or damaged")


def _count(tensor: dict[str, Any]) -> int:
    count = 1
    for extent in tensor["shape"]:
        if type(extent) is not int or extent < 0:
            raise TypeError
        count *= extent
    return count


def _broken(name: str, why: str) -> BrokenModel:
    return BrokenModel(f"{name} cannot be read: {why}.", next="Export it again and push it.", file=name)
