"""A folder of images by class: the folder that holds an image is its label, ``cat/0001.png`` is a cat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tholos.data.errors import CorruptImages, NotData
from tholos.data.formats.source import MIB, Limits, SourceFile
from tholos.data.formats.table import Note, TypedTable
from tholos.kit.errors import TholosError
from tholos.tasks.images import open_image

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1024
_BATCH_BYTES = 16 * MIB
_SHOWN = 20


def read_images(sources: Sequence[SourceFile], limits: Limits, *, skip_corrupt: bool = False) -> TypedTable:
    """One row per image, in path order: ``image`` (the file's bytes), ``label`` (its folder's name), ``path``.

    Every image is decoded once to see that it is whole.

    Raises:
        NotData: an image lies in no folder.
        CorruptImages: some images cannot be read and ``skip_corrupt`` is not set; all are named in the details.
    """
    import pyarrow as pa

    for source in sources:
        if len(PurePosixPath(source.path).parts) < 2:
            raise NotData(
                f"The image {source.path!r} lies in no class folder.",
                next="Put every image into a folder named by its class, for instance cat/0001.png.",
                path=source.path,
            )
    corrupt = {source.path: reason for source in sources if (reason := _fault(source, limits))}
    if corrupt and (not skip_corrupt or len(corrupt) == len(sources)):
        shown = ", ".join(f"{path!r} ({reason})" for path, reason in list(corrupt.items())[:_SHOWN])
        shown += ", …" if len(corrupt) > _SHOWN else ""
        raise CorruptImages(
            f"{len(corrupt)} of {len(sources)} images cannot be read: {shown}.",
            next="Replace or delete them, or put `tholos: {corrupt_images: skip}` into the card's header.",
            paths=list(corrupt)[:1000],
        )
    whole = [source for source in sources if source.path not in corrupt]
    schema = pa.schema([("image", pa.binary()), ("label", pa.string()), ("path", pa.string())])
    notes = tuple(
        Note("corrupt_image", f"The image {path!r} was left out: {reason}.", path=path)
        for path, reason in corrupt.items()
    )
    return TypedTable(schema, lambda: _batches(whole, schema), notes)


def _batches(sources: Sequence[SourceFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    rows: list[tuple[bytes, str, str]] = []
    size = 0
    for position, source in enumerate(sources):
        rows.append((source.file.read_bytes(), PurePosixPath(source.path).parts[-2], source.path))
        size += len(rows[-1][0])
        if len(rows) >= _BATCH_ROWS or size >= _BATCH_BYTES or position == len(sources) - 1:
            columns = zip(*rows, strict=True)
            yield pa.RecordBatch.from_arrays(
                [pa.array(list(values), kind) for values, kind in zip(columns, schema.types, strict=True)],
                schema=schema,
            )
            rows, size = [], 0


def _fault(source: SourceFile, limits: Limits) -> str | None:
    if source.size > limits.max_image_bytes:
        return f"larger than {limits.max_image_bytes:,} bytes"
    try:
        open_image(source.file.read_bytes(), max_pixels=limits.max_image_pixels).load()
    except TholosError as error:
        return error.message.rstrip(".")
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file makes them trip over.
        return str(error) or type(error).__name__
    return None
