"""From the canonical batch to what a scikit-learn pipeline takes: one function, for training and serving alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from tholos.tasks.signature import Batch, Signature


def frame_of(signature: Signature, batch: Batch) -> Any:
    """The batch as a pipeline takes it.

    - tabular: a data frame, columns in the signature's order (float64, and object of str);
    - text: object of str [rows], in which `İ` and `Σ` are already `i` and `σ`;
    - images: float64 [rows, height * width * channels] in 0..1, row-major.
    """
    if "image" in batch:
        images = batch["image"]
        return images.reshape(len(images), -1).astype(np.float64) / 255.0
    if "text" in batch:
        # Python lowers İ to two characters and Σ by its place in the word; no other runtime does. Folding the two first
        # makes lower case a matter of single characters everywhere.
        return np.array([text.replace("İ", "i").replace("Σ", "σ") for text in batch["text"]], dtype=object)
    import pandas as pd

    columns: dict[str, Any] = {}
    for j, position in enumerate(signature.numeric):
        columns[signature.inputs[position].name] = batch["numeric"][:, j]
    for j, position in enumerate(signature.categorical):
        # Plain objects: pandas would otherwise guess a string type, which scikit-learn stores differently.
        columns[signature.inputs[position].name] = pd.Series(batch["categorical"][:, j], dtype=object)
    return pd.DataFrame(columns, columns=list(signature.names))
