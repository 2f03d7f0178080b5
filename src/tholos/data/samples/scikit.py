"""The sets that scikit-learn carries: tables as CSV, the handwritten digits as images by class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tholos.data.samples.sample import Export, Sample

_DIGITS = """\
Handwritten digits of 43 people (the test part of the UCI Optical Recognition of Handwritten Digits set): 1,797 grey
images of 8 x 8 pixels in ten folders, one per digit. scikit-learn holds ink from 0 to 16; here it is scaled to 0 to 255
and rounded, white on black.
"""


def _table(loader: str, title: str, task: str, path: Path) -> Export:
    from sklearn import datasets

    bunch: Any = getattr(datasets, loader)(as_frame=True)
    frame = bunch.frame
    if task == "tabular-classification":
        frame["target"] = [str(bunch.target_names[code]) for code in bunch.target]
    frame.to_csv(path / f"{loader.removeprefix('load_')}.csv", index=False)
    return Export(
        title,
        _plain(bunch.DESCR),
        metadata={"task_categories": [task], "tholos": {"target": "target"}},
    )


def _digit_images(path: Path) -> Export:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    for number, (image, digit) in enumerate(zip(pixels, bunch.target, strict=True)):
        folder = path / str(digit)
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:04d}.png")
    return Export(
        "Handwritten digits",
        f"{_DIGITS}\n{_plain(bunch.DESCR)}",
        metadata={"task_categories": ["image-classification"], "tholos": {"target": "label"}},
    )


def _plain(description: str) -> str:
    """A reStructuredText description as a block that Markdown leaves alone."""
    lines = [line for line in description.strip().splitlines() if not line.startswith(".. _")]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _sample(
    source: str, title: str, rows: int, columns: int, export: Callable[[Path], Export], default_name: str
) -> Sample:
    return Sample(source, "scikit-learn", "sklearn", title, export, rows, columns, default_name)


def _tabular(name: str, title: str, rows: int, columns: int, task: str = "tabular-classification") -> Sample:
    export = partial(_table, f"load_{name}", title, task)
    return _sample(f"sklearn:{name}", title, rows, columns, export, name.replace("_", "-"))


SCIKIT_LEARN = (
    _sample("digits", "Handwritten digits as images by class", 1797, 3, _digit_images, "digits"),
    _tabular("breast_cancer", "Breast cancer, Wisconsin (diagnostic)", 569, 31),
    _tabular("diabetes", "Diabetes progression after a year", 442, 11, "tabular-regression"),
    _tabular("iris", "Iris plants", 150, 5),
    _tabular("wine", "Wine recognition", 178, 14),
)
