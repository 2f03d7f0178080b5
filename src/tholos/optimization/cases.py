"""Rows on which a compiled model is held against its original: real ones, and those on which the two might part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tholos.optimization.errors import not_compilable
from tholos.optimization.steps import parts_of
from tholos.optimization.trees import Tree, trees_of
from tholos.runtimes.frames import frame_of
from tholos.tasks.signature import Batch, Signature

REAL_ROWS = 2000
WALKS = 150
"""Real rows from which the search for thresholds sets out."""

EXTREMES = (0.0, -0.0, 5e-324, -1e-38, 1e-38, -1e6, 1e6, 1e15, -1e15, 1e30, -1e30)

ODD_TEXTS = (
    "",
    " ",
    "a",
    "\x00",
    "\n\t\r\n",
    "\u0130STANBUL Istanbul \u0131stanbul",
    "ΟΔΥΣΣΕΥΣ Σίσυφος σς",
    "ẞTRASSE Straße ﬀ Ǆ ǅ",
    "cafe\u0301 café naïve",
    "中文 分词 这部电影很好看",
    "日本語 한국어 ไทย हिन्दी العربية עברית",
    "🙂🙂 a🙂b 👩‍👩‍👧",
    "½ ² ٣ Ⅷ 1_000",
    "x" * 100_000,
    "word " * 20_000,
)


@dataclass(frozen=True)
class Group:
    """Rows that probe one thing."""

    name: str
    description: str
    batch: Batch
    singly: bool = False
    """Whether the compiled model is asked row by row instead of all at once."""


def groups(pipeline: Any, signature: Signature, data: Batch, *, seed: int = 0) -> list[Group]:
    """Make the groups of rows for a fitted *pipeline* from *data*, the batch that it learned from.

    The same arguments give the same rows.
    """
    rng = np.random.default_rng(seed)
    gaps = list(range(len(signature.inputs)))
    if "numeric" in data and not _is_ours(parts_of(pipeline)[0]):
        # A model from elsewhere need not take missing values; deployed, it is asked only what its signature allows.
        gaps = [place for place, item in enumerate(signature.inputs) if item.missing]
        data = _whole(data, [j for j, place in enumerate(signature.numeric) if place not in gaps])
    real = _sample(data, REAL_ROWS, rng)
    made = [
        Group("data", "rows of the training data", real),
        Group("single", "rows of the training data, one at a time", _first(real, 32), singly=True),
    ]
    if "text" in data:
        made.append(Group("texts", "empty, foreign and very long texts, and real ones in capitals", _texts(real)))
    elif "image" in data:
        made.append(Group("images", "blank, white and noisy images", _images(real, rng)))
    else:
        made.extend(_tabular(signature, real, rng, gaps))
    thresholds = _thresholds(pipeline, signature, real, rng)
    if thresholds is not None:
        description = "numbers on the trees' thresholds and within rounding of them, in float32 and float64"
        made.append(Group("thresholds", description, thresholds))
    return made


def _tabular(signature: Signature, real: Batch, rng: np.random.Generator, gaps: Sequence[int]) -> Iterator[Group]:
    few = _first(real, 8)
    if len(gaps) == len(signature.inputs):
        yield Group("missing", "every column missing in turn, and all at once", _joined(_missing(few)))
    if "categorical" in real:
        yield Group("unseen", "strings that training did not see", _joined(_unseen(signature, few)))
    if "numeric" in real:
        yield Group("extremes", "numbers from the smallest to 1e30 in every column", _joined(_extremes(few)))
        yield Group("random", "random numbers within and around the data's range", _random(real, rng))


def _whole(data: Batch, columns: Sequence[int]) -> Batch:
    """The rows in which none of these numbers is missing. Raises NotCompilable where there is none."""
    kept = np.flatnonzero(~np.isnan(data["numeric"][:, list(columns)]).any(axis=1))
    if len(kept) == 0:
        raise not_compilable("data in which every row lacks a number", next="Name data with whole rows.")
    return _take(data, kept)


def _missing(few: Batch) -> Iterator[Batch]:
    blank: dict[str, Any] = {"numeric": np.nan, "categorical": ""}
    for name, tensor in few.items():
        for column in range(tensor.shape[1]):
            yield _with(few, name, column, blank[name])
    yield {name: np.full_like(tensor, blank[name]) for name, tensor in few.items()}


def _unseen(signature: Signature, few: Batch) -> Iterator[Batch]:
    for column, position in enumerate(signature.categorical):
        known = (signature.inputs[position].categories or ("category",))[0]
        for text in ("\u2603 unseen", " ", known.upper() + " ", known + "\x00", known[:-1], "é" * 1000):
            yield _with(few, "categorical", column, text)


def _extremes(few: Batch) -> Iterator[Batch]:
    for value in EXTREMES:
        for column in range(few["numeric"].shape[1]):
            yield _with(few, "numeric", column, value)
        yield {**few, "numeric": np.full_like(few["numeric"], value)}


def _random(real: Batch, rng: np.random.Generator, rows: int = 256) -> Batch:
    chosen = _take(real, rng.integers(len(real["numeric"]), size=rows))
    numbers = np.where(np.isfinite(real["numeric"]), real["numeric"], 0.0)
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    margin = (high - low) + 1.0
    return {**chosen, "numeric": rng.uniform(low - margin, high + margin, size=(rows, numbers.shape[1]))}


def _texts(real: Batch) -> Batch:
    some = real["text"][:50]
    capitals = [text.upper() for text in some]
    joined = ["\u00a0".join(some[:10])]
    return {"text": np.array([*ODD_TEXTS, *capitals, *joined], dtype=object)}


def _images(real: Batch, rng: np.random.Generator) -> Batch:
    shape = real["image"].shape[1:]
    flat = [np.full(shape, value) for value in (0.0, 255.0, 127.5, 1e-30)]
    noise = [rng.uniform(0, 255, size=shape) for _ in range(32)]
    inverted = 255.0 - real["image"][:32]
    return {"image": np.concatenate([np.stack([*flat, *noise]), inverted]).astype(np.float32)}


def _thresholds(pipeline: Any, signature: Signature, real: Batch, rng: np.random.Generator) -> Batch | None:
    """Real rows, each with one number moved onto or next to a threshold that the row is compared with on its way."""
    steps, estimator = parts_of(pipeline)
    trees = trees_of(estimator)
    trees = [tree for tree in trees if not tree.is_leaf.all()]
    tensor = "image" if "image" in real else "numeric"
    if not trees or tensor not in real:
        return None
    inverse = _Inverse.of(steps, signature)
    rows = _sample(real, WALKS, rng)
    frame = frame_of(signature, rows)
    features = frame if tensor == "image" else _prepared(steps, frame)
    moved, taken = [], []
    for row in range(len(features)):
        tree = trees[int(rng.integers(len(trees)))]
        node = int(rng.choice(_path(tree, features[row])))
        column = inverse.column(int(tree.feature[node]))
        if column is None:
            continue
        values = inverse.values(column, _around(float(tree.threshold[node])))
        block = np.repeat(rows[tensor][row : row + 1], len(values), axis=0)
        block.reshape(len(values), -1)[:, column.position] = values
        moved.append(block)
        taken.extend([row] * len(values))
    if not moved:
        return None
    return {**_take(rows, np.array(taken)), tensor: np.concatenate(moved)}


def _prepared(steps: Sequence[Any], frame: Any) -> NDArray[Any]:
    """The matrix of features that the estimator sees."""
    if not any(hasattr(step, "feature_names_in_") for step in steps[:1]):
        frame = frame.to_numpy()
    for step in steps:
        frame = step.transform(frame)
    return np.asarray(frame)


def _path(tree: Tree, features: NDArray[Any]) -> list[int]:
    """The inner nodes that a row passes (to within rounding, which is all that choosing one needs)."""
    passed, node = [], 0
    while not tree.is_leaf[node]:
        passed.append(node)
        value = features[tree.feature[node]]
        left = tree.missing_left[node] if np.isnan(value) else value <= tree.threshold[node]
        node = int(tree.left[node] if left else tree.right[node])
    return passed


def _around(threshold: float) -> NDArray[np.float64]:
    """The threshold, its neighbours in float64 and float32, and the numbers halfway between the latter."""
    nearest = np.float32(threshold)
    below, above = np.nextafter(nearest, np.float32(-np.inf)), np.nextafter(nearest, np.float32(np.inf))
    singles = np.array([below, nearest, above], dtype=np.float64)
    halfway = (singles[:-1] + singles[1:]) / 2
    points = np.array([threshold, *singles, *halfway])
    return np.unique(np.concatenate([np.nextafter(points, -np.inf), points, np.nextafter(points, np.inf)]))


@dataclass(frozen=True)
class _Column:
    """A number of the input: its position in the tensor, and feature = (input - mean) / scale."""

    position: int
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class _Inverse:
    """The way back from a feature to the input that it was made from."""

    columns: Mapping[int, _Column]
    dtype: type[np.floating[Any]] = np.float64

    @classmethod
    def of(cls, preparing: Sequence[Any], signature: Signature) -> _Inverse:
        if signature.task == "image-classification":
            pixels = int(np.prod(signature.inputs[0].shape))
            return cls({pixel: _Column(pixel, 0.0, 255.0) for pixel in range(pixels)}, np.float32)
        if not _is_ours(preparing):
            return cls.of_chain(preparing, signature)
        prepare = preparing[0]
        if "numeric" not in prepare.named_transformers_:
            return cls({})
        steps = prepare.named_transformers_["numeric"].named_steps
        kept = np.flatnonzero(~np.isnan(np.asarray(steps["impute"].statistics_, dtype=np.float64)))
        scaler = steps.get("scale")
        start = prepare.output_indices_["numeric"].start
        columns = {}
        for place, position in enumerate(kept):
            mean, scale = (0.0, 1.0) if scaler is None else (scaler.mean_[place], scaler.scale_[place])
            columns[start + place] = _Column(int(position), float(mean), float(scale))
        return cls(columns)

    @classmethod
    def of_chain(cls, preparing: Sequence[Any], signature: Signature) -> _Inverse:
        """Of steps that take all columns alike; through other preparations no way back is known."""
        width = len(signature.inputs)
        means, scales = np.zeros(width), np.ones(width)
        for step in preparing:
            if type(step).__name__ != "StandardScaler" or signature.categorical:
                return cls({})
            mean = step.mean_ if step.with_mean else np.zeros(width)
            scale = step.scale_ if step.with_std else np.ones(width)
            means, scales = means + mean * scales, scales * scale
        return cls({place: _Column(place, float(means[place]), float(scales[place])) for place in range(width)})

    def column(self, feature: int) -> _Column | None:
        """The input behind a feature; None for one that stands for a category."""
        return self.columns.get(feature)

    def values(self, column: _Column, features: NDArray[np.float64]) -> NDArray[Any]:
        """The inputs that lead to these features, with their neighbours, since the way there rounds."""
        inputs = (features * column.scale + column.mean).astype(self.dtype)
        away = self.dtype(np.inf)
        values = np.unique(np.concatenate([np.nextafter(inputs, -away), inputs, np.nextafter(inputs, away)]))
        return np.clip(values, 0.0, 255.0) if self.dtype is np.float32 else values


def _is_ours(steps: Sequence[Any]) -> bool:
    """Whether the preparation is one that training here builds: its parts have known names."""
    if len(steps) != 1 or type(steps[0]).__name__ != "ColumnTransformer":
        return False
    named = steps[0].named_transformers_
    return "numeric" not in named or "impute" in getattr(named["numeric"], "named_steps", {})


def _with(batch: Batch, name: str, column: int, value: Any) -> Batch:
    changed = batch[name].copy()
    changed[:, column] = value
    return {**batch, name: changed}


def _joined(batches: Iterator[Batch]) -> Batch:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sample(batch: Batch, most: int, rng: np.random.Generator) -> Batch:
    rows = len(next(iter(batch.values())))
    return batch if rows <= most else _take(batch, np.sort(rng.choice(rows, size=most, replace=False)))


def _first(batch: Batch, rows: int) -> Batch:
    return {name: tensor[:rows] for name, tensor in batch.items()}


def _take(batch: Batch, rows: NDArray[Any]) -> Batch:
    return {name: tensor[rows] for name, tensor in batch.items()}
