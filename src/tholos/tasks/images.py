"""One way to turn an image file into a tensor, shared by training and serving so that they cannot differ."""

from __future__ import annotations

import base64
import binascii
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.tasks.errors import BrokenImage, InputTooLarge

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""The file formats that are read, by Pillow's names: raster formats that start no other program."""

NEXT = f"Send a readable image file ({', '.join(FORMATS)})."


def open_image(data: bytes, *, max_pixels: int) -> Image.Image:
    """Read an image file's header, refusing what is no image and what would unpack to more than `max_pixels`.

    Raises:
        BrokenImage: the bytes are not an image in one of `FORMATS`.
        InputTooLarge: width times height exceeds `max_pixels` (a decompression bomb, or a very large photograph).

    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputTooLarge(
            f"The image would unpack to more than {max_pixels} pixels.", next="Send a smaller image."
        ) from error
    except Exception as error:
        # Pillow's parsers raise whatever a damaged file makes them trip over; every one means the same to the caller.
        raise BrokenImage("The bytes are not an image in a known format.", next=NEXT) from error
    width, height = image.size
    if width * height > max_pixels:
        raise InputTooLarge(
            f"The image has {width}x{height} pixels; at most {max_pixels} in all are allowed.",
            next="Send a smaller image.",
        )
    return image


def decode_image(data: bytes, shape: tuple[int, ...], *, max_pixels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Decode an image file to float32 [height, width, channels] in 0..255.

    The image is turned upright (EXIF), laid on white where it is transparent, converted to grey (one channel) or RGB
    (three), and resized with bilinear interpolation to `shape` = (height, width, channels) unless it has that size.

    Raises:
        BrokenImage: the bytes are not an image, or the image is damaged.
        InputTooLarge: more than `max_pixels`.

    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    opened = open_image(data, max_pixels=max_pixels)
    try:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("I;16", "I;16B", "I;16L", "I"):
            # Pillow clips deep grey at 255 when it converts; the upper byte is the picture.
            image = Image.fromarray((np.asarray(image, dtype=np.float64) / 257.0).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            overlay = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", overlay.size, "white"), overlay)
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image, dtype=np.float32).reshape(height, width, channels)
    except Exception as error:
        # As above: a file that is cut short fails anywhere within its decoder.
        raise BrokenImage("The image is damaged or cut short.", next=NEXT) from error


def encode_png(pixels: np.ndarray[Any, Any]) -> str:
    """An image [height, width, channels] in 0..255 as a PNG file in base64 (for example rows)."""
    from PIL import Image

    rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    image = Image.fromarray(rounded[:, :, 0] if rounded.shape[2] == 1 else rounded)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes of a base64 string; a `data:image/…;base64,` prefix, as browsers produce, is allowed.

    Raises:
        BrokenImage: the string is not base64.

    """
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BrokenImage(
            "The string is not base64.", next="Send the image file's bytes encoded as base64, or as the raw body."
        ) from error
