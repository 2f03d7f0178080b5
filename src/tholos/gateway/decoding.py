"""From the bytes of a body to a batch, and from outputs to the bytes of an answer. Pure: no input or output."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson

from tholos.gateway.errors import BrokenJson, BrokenUtf8, NoInput, NonFiniteJson, TooDeep, UnknownKey, WrongContentType
from tholos.tasks.signature import Batch, Limits, Outputs, Signature, decode

MAX_DEPTH = 16
"""Levels of lists and objects in a body. The deepest honest input, a list of images as pixels, has five."""
MAX_BATCH_BYTES = 256 << 20
"""Bytes of tensors that one request may become: a small file may hold a large image."""
MAX_GENERATED_ROWS = 16
"""Rows that one request may have a text generated for: each takes seconds, and whoever asks next waits for all."""

_SCHEMA = "See the deployment's schema for the expected input and an example."
_IMAGE = "image/"


def decode_input(body: bytes, content_type: str) -> Any:
    """The input that a body carries: JSON values, or bytes for an image sent raw.

    Raises WrongContentType, BrokenUtf8, BrokenJson, NonFiniteJson, TooDeep, NoInput, UnknownKey.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith(_IMAGE):
        return body
    # Clients that say nothing, and curl --data, which says form, mean JSON.
    if kind not in ("", "application/json", "text/json", "application/x-www-form-urlencoded"):
        raise WrongContentType(
            f"A body of type {kind[:100]!r} is not understood.",
            next='Send JSON such as {"input": …} as application/json, or an image file as image/png or image/jpeg.',
        )
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from None
    if not isinstance(document, dict) or "input" not in document:
        raise NoInput('The body has no "input".', next=f'Send {{"input": …}}. {_SCHEMA}')
    if unknown := next((key for key in document if key != "input"), None):
        raise UnknownKey(
            f'The body has a key {unknown[:100]!r} beside "input".', next=f'Send {{"input": …}} alone. {_SCHEMA}'
        )
    _check_depth(document)
    return document["input"]


def encode_batch(signature: Signature, value: Any, max_rows: int) -> Batch:
    """The batch for an input, of at most ``max_rows`` rows and MAX_BATCH_BYTES bytes (MAX_GENERATED_ROWS of texts to be
    generated).

    Raises one of ``tholos.tasks.errors``, naming row and field.
    """
    row_bytes = 8 * len(signature.inputs)
    for field in signature.inputs:
        if field.dtype == "image":
            row_bytes += 4 * int(np.prod(field.shape))
    fits = max(1, MAX_BATCH_BYTES // row_bytes)
    if signature.output.kind == "text":
        fits = min(fits, MAX_GENERATED_ROWS)
    return signature.encode(value, Limits(max_rows=min(max_rows, fits)))


def encode_answer(
    signature: Signature, value: Any, outputs: Outputs, *, model: str, revision: str, deployment: str, request_id: str
) -> bytes:
    """The JSON of an answer: one output for one row, a list for a list. Raises OutputNotFinite."""
    rows = decode(signature, outputs)
    answer: dict[str, Any] = (
        rows[0] if signature.is_single(value) else {name: [row[name] for row in rows] for name in rows[0]}
    )
    answer |= {"model": model, "revision": revision, "deployment": deployment, "request_id": request_id}
    return orjson.dumps(answer)


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> BrokenJson | BrokenUtf8 | NonFiniteJson | TooDeep:
    try:
        body.decode()
    except UnicodeDecodeError as broken:
        return BrokenUtf8(
            f"The body is not UTF-8: byte {broken.start} cannot be read.",
            next="Encode the JSON as UTF-8.",
            byte=broken.start,
        )
    if not body.strip():
        return BrokenJson("The body is empty.", next='Send {"input": …}.')
    if "depth limit" in error.msg:
        return _too_deep()
    if (b"NaN" in body or b"Infinity" in body) and _reads_with_non_finite(body):
        return NonFiniteJson(
            "The body holds NaN or Infinity, which JSON does not have.",
            next="Send null where a value is unknown and that is allowed; otherwise a finite number.",
        )
    return BrokenJson(f"The body is not JSON: {error.msg}.", next='Send {"input": …}.')


def _reads_with_non_finite(body: bytes) -> bool:
    """Whether Python's own parser, which takes NaN and Infinity, can read the body: then nothing else is wrong."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> TooDeep:
    return TooDeep(f"The JSON is nested more than {MAX_DEPTH} levels deep.", next=_SCHEMA)
