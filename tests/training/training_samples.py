"""Real data that packages carry, as typed tables."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pyarrow as pa
from PIL import Image


@cache
def penguins() -> pa.Table:
    """344 rows: species, island, four measures in which two rows have gaps, sex with eleven gaps, year."""
    import palmerpenguins

    table = pa.Table.from_pandas(palmerpenguins.load_penguins(), preserve_index=False)
    return table.cast(
        pa.schema(
            [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in table.schema]
        )
    ).replace_schema_metadata()


@cache
def iris() -> pa.Table:
    """150 rows: four measures, integer target 0..2."""
    from sklearn.datasets import load_iris

    return pa.Table.from_pandas(load_iris(as_frame=True).frame, preserve_index=False).replace_schema_metadata()


@cache
def diabetes() -> pa.Table:
    """442 rows: ten measures, number target."""
    from sklearn.datasets import load_diabetes

    return pa.Table.from_pandas(load_diabetes(as_frame=True).frame, preserve_index=False).replace_schema_metadata()


@cache
def digits(rows: int = 300) -> pa.Table:
    """Grey 8x8 images as PNG files, integer label 0..9."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    files = [png(np.rint(image * 255 / 16).astype(np.uint8)) for image in bunch.images[:rows]]
    return pa.table({"image": pa.array(files, pa.binary()), "label": pa.array(bunch.target[:rows], pa.int64())})


@cache
def sentences() -> pa.Table:
    """Descriptions of scikit-learn's own data sets, line by line: which of three does a line come from?"""
    from sklearn.datasets import load_breast_cancer, load_iris, load_wine

    texts, labels = [], []
    for name, load in (("iris", load_iris), ("wine", load_wine), ("cancer", load_breast_cancer)):
        for line in load().DESCR.splitlines():
            if len(line.split()) > 3:
                texts.append(line.strip())
                labels.append(name)
    return pa.table({"text": texts, "label": labels})


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
