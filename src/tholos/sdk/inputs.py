"""What ``predict`` takes, as the JSON of ``{"input": …}``."""

from __future__ import annotations

import base64
import io
import math
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tholos.sdk.errors import InvalidInput, MissingLibrary


def encode_input(value: Any) -> Any:
    """The JSON value for a prediction's input.

    A mapping is one row; a list of them, a pandas DataFrame or a two-dimensional array (columns in the signature's
    order) are many. A string is text; ``bytes``, a ``Path`` or a PIL image is an image, and so is an array of three
    dimensions [height, width, channels] (four: many images). NaN, NaT and None are missing values.
    Raises InvalidInput on an infinite number or a value that has no JSON form.
    """
    if _is_a(value, "pandas", "DataFrame"):
        return [_json(row) for row in value.to_dict("records")]
    if _is_a(value, "pandas", "Series"):
        return _json(value.to_dict())
    if _is_a(value, "numpy", "ndarray"):
        return _array(value)
    return _json(value)


def _array(value: Any) -> Any:
    if value.ndim == 4:
        return [_png(image) for image in value]
    if value.ndim == 3:
        return _png(value)
    return _json(value.tolist())


def _json(value: Any) -> Any:
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return _number(value)
        case Mapping():
            return {str(key): _json(item) for key, item in value.items()}
        case list() | tuple():
            return [encode_input(item) for item in value]
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Path():
            return base64.b64encode(_read(value)).decode()
        case date():  # and datetime, and pandas' Timestamp; of these only NaT differs from itself
            return value.isoformat() if value == value else None  # noqa: PLR0124
        case _:
            return _library_value(value)


def _library_value(value: Any) -> Any:
    if _is_a(value, "PIL.Image", "Image"):
        return _picture(value)
    if _is_a(value, "numpy", "generic"):
        return _json(value.item())
    if str(value) in ("<NA>", "NaT"):  # pandas' missing values have no public type
        return None
    raise InvalidInput(
        f"A value of type {type(value).__name__} cannot be an input.",
        next="Give rows (dicts, a DataFrame or an array), a string, or an image (bytes, a Path or a PIL image).",
    )


def _number(value: float) -> float | None:
    if math.isinf(value):
        raise InvalidInput("The input holds an infinite number.", next="Replace it, or use None for a missing value.")
    return None if math.isnan(value) else value


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"The file {str(path)!r} cannot be read: {error.strerror}.", next="Check the path."
        ) from error


def _png(pixels: Any) -> str:
    try:
        from PIL import Image
    except ImportError:
        raise MissingLibrary(
            "An array of pixels needs Pillow to become an image.", next="Run: pip install pillow"
        ) from None
    if pixels.dtype.name != "uint8":
        raise InvalidInput(
            f"An image as an array must be of uint8 (0 to 255), not {pixels.dtype.name}.",
            next="Convert it with .astype('uint8').",
        )
    return _picture(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))


def _picture(image: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether ``value`` is an instance of a library's class, without importing the library."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))
