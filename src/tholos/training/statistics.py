"""Reference statistics of the training data, kept in the signature for forms and for telling drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from tholos.tasks.signature import Label, label_key

DECILES = np.linspace(0.0, 1.0, 11)
MAX_LISTED = 64


def of_numbers(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Statistics of float64 [rows], NaN for missing: count, missing, mean, std, minimum, maximum, eleven deciles."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return {"count": 0, "missing": len(values)}
    return {
        "count": len(known),
        "missing": len(values) - len(known),
        "mean": float(known.mean()),
        "std": float(known.std()),
        "minimum": float(known.min()),
        "maximum": float(known.max()),
        "deciles": np.quantile(known, DECILES).tolist(),
    }


def of_labels(values: Iterable[Label]) -> dict[str, Any]:
    """Statistics of classes or categories: count, distinct, and the share of each of the most frequent."""
    counts = Counter(label_key(value) for value in values)
    total = counts.total()
    return {
        "count": total,
        "distinct": len(counts),
        "shares": {name: count / total for name, count in ranked(counts)[:MAX_LISTED]},
    }


def of_strings(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Statistics of strings with "" for missing."""
    known = [value for value in values.tolist() if value]
    return {**of_labels(known), "missing": len(values) - len(known)}


def of_texts(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Statistics of texts: count, missing, and their lengths in characters."""
    lengths = np.array([len(value) for value in values.tolist()], dtype=np.float64)
    return {
        "count": int((lengths > 0).sum()),
        "missing": int((lengths == 0).sum()),
        "characters": of_numbers(lengths),
    }


def of_images(images: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Statistics of images [rows, height, width, channels]: count, and the mean and deviation of each channel."""
    return {
        "count": len(images),
        "missing": 0,
        "mean": images.mean(axis=(0, 1, 2), dtype=np.float64).tolist(),
        "std": images.std(axis=(0, 1, 2), dtype=np.float64).tolist(),
    }


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent first; of equals the smaller string, so that the order never depends on that of the rows."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
