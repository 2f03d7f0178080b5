"""The preparing step of a pipeline: from the tensors of a batch to one float64 matrix of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tholos.optimization.errors import not_compilable
from tholos.optimization.graph import Graph, Value
from tholos.tasks.signature import Signature


@dataclass(frozen=True)
class Columns:
    """A matrix ``[rows, width]`` of float64 or of strings."""

    value: Value
    width: int
    kind: Literal["number", "string"] = "number"


def tabular_features(graph: Graph, signature: Signature, steps: Sequence[Any]) -> Value:
    """Declare the inputs ``numeric`` and ``categorical`` and apply the fitted *steps* to them.

    The first may be a ``ColumnTransformer``; the others take all columns alike.
    """
    source = _Source.declare(graph, signature)
    if steps and type(steps[0]).__name__ == "ColumnTransformer":
        columns, steps = _by_column(graph, steps[0], source), steps[1:]
    else:
        columns = source.select(graph, signature.names)
    for step in steps:
        columns = _apply(graph, step, columns)
    if columns.kind != "number":
        raise not_compilable("an estimator over strings")
    return columns.value


def _by_column(graph: Graph, transformer: Any, source: _Source) -> Columns:
    parts = []
    for name, step, chosen in transformer.transformers_:
        if isinstance(chosen, slice) or getattr(getattr(chosen, "dtype", None), "kind", "") == "b":
            raise not_compilable(f"the columns of the step {name!r}, which are neither names nor numbers")
        if step == "drop" or len(chosen) == 0:
            continue
        names = [chosen] if isinstance(chosen, str) else list(chosen)
        parts.append(_apply(graph, step, source.select(graph, names)))
    if not parts:
        raise not_compilable("a pipeline without any column")
    if any(part.kind != "number" for part in parts):
        raise not_compilable("a column of strings that no step encodes")
    return Columns(graph.concat([part.value for part in parts]), sum(part.width for part in parts))


def image_features(graph: Graph, signature: Signature, transformer: Any) -> Value:
    """Declare the input ``image`` (float32, 0..255) and flatten it row by row to float64 in 0..1."""
    if transformer != "passthrough":
        raise not_compilable("a preparation of images other than flattening")
    image = graph.input("image", "FLOAT", "rows", *signature.inputs[0].shape)
    flat = graph.op("Reshape", image, graph.constant([0, -1], np.int64))
    return graph.op("Div", graph.cast(flat, "DOUBLE"), graph.constant(255.0))


@dataclass(frozen=True)
class _Source:
    """The tabular inputs of the graph, by the columns' names."""

    tensors: dict[str, Columns]
    names: tuple[str, ...]
    place: dict[str, tuple[str, int]]
    """Column name -> the tensor that holds it and its position within."""

    @classmethod
    def declare(cls, graph: Graph, signature: Signature) -> _Source:
        tensors: dict[str, Columns] = {}
        place: dict[str, tuple[str, int]] = {}
        if signature.numeric:
            width = len(signature.numeric)
            tensors["numeric"] = Columns(graph.input("numeric", "DOUBLE", "rows", width), width)
            place.update({signature.inputs[p].name: ("numeric", j) for j, p in enumerate(signature.numeric)})
        if signature.categorical:
            width = len(signature.categorical)
            value = graph.input("categorical", "STRING", "rows", width)
            tensors["categorical"] = Columns(value, width, "string")
            place.update({signature.inputs[p].name: ("categorical", j) for j, p in enumerate(signature.categorical)})
        return cls(tensors, signature.names, place)

    def select(self, graph: Graph, chosen: Sequence[str | int]) -> Columns:
        """The columns that a step of the ``ColumnTransformer`` names, in its order."""
        places = [self.place[name if isinstance(name, str) else self.names[name]] for name in chosen]
        sources = {tensor for tensor, _ in places}
        if len(sources) != 1:
            raise not_compilable("a preparation step that mixes numbers and strings")
        tensor = self.tensors[sources.pop()]
        positions = [position for _, position in places]
        if positions == list(range(tensor.width)):
            return tensor
        return Columns(graph.take(tensor.value, positions), len(positions), tensor.kind)


def _apply(graph: Graph, step: Any, columns: Columns) -> Columns:
    name = "passthrough" if step == "passthrough" else type(step).__name__
    if name == "Pipeline":
        for _, part in step.steps:
            columns = _apply(graph, part, columns)
        return columns
    converter = _TRANSFORMERS.get(name)
    if converter is None:
        raise not_compilable(f"the transformer {name}")
    if columns.kind != ("string" if name == "OneHotEncoder" else "number"):
        raise not_compilable(f"the transformer {name} on columns of {columns.kind}s")
    return converter(graph, step, columns)


def _function(graph: Graph, step: Any, columns: Columns) -> Columns:
    if step.func is not None:
        raise not_compilable("a FunctionTransformer that calls a function")
    return _passthrough(graph, step, columns)


def _min_max_scaler(graph: Graph, step: Any, columns: Columns) -> Columns:
    if step.clip:
        raise not_compilable("a MinMaxScaler that clips")
    value = graph.op("Mul", columns.value, graph.constant(step.scale_[np.newaxis]))
    return Columns(graph.op("Add", value, graph.constant(step.min_[np.newaxis])), columns.width)


def _passthrough(_graph: Graph, _step: Any, columns: Columns) -> Columns:
    return columns


def _imputer(graph: Graph, step: Any, columns: Columns) -> Columns:
    if step.add_indicator or not _is_nan(step.missing_values):
        raise not_compilable("an imputer with indicator columns or a marker other than NaN")
    fill = np.asarray(step.statistics_, dtype=np.float64)
    value = columns.value
    known = ~np.isnan(fill)
    if not known.all():
        # scikit-learn leaves out columns in which training saw no value at all.
        value = graph.take(value, np.flatnonzero(known))
        fill = fill[known]
    missing = graph.op("IsNaN", value)
    return Columns(graph.op("Where", missing, graph.constant(fill[np.newaxis]), value), len(fill))


def _standard_scaler(graph: Graph, step: Any, columns: Columns) -> Columns:
    value = columns.value
    if step.with_mean:
        value = graph.op("Sub", value, graph.constant(step.mean_[np.newaxis]))
    if step.with_std:
        value = graph.op("Div", value, graph.constant(step.scale_[np.newaxis]))
    return Columns(value, columns.width)


def _one_hot(graph: Graph, step: Any, columns: Columns) -> Columns:
    """Number the strings of all columns at once, then compare each output with the number that it stands for."""
    if (step.handle_unknown, step.drop, step.min_frequency, step.max_categories) != ("ignore", None, None, None):
        raise not_compilable("a one-hot encoder with settings other than handle_unknown='ignore'")
    categories = [[_as_string(item) for item in column] for column in step.categories_]
    vocabulary = {
        text: number for number, text in enumerate(sorted({item for column in categories for item in column}))
    }
    column_of = [j for j, column in enumerate(categories) for _ in column]
    wanted = [vocabulary[item] for column in categories for item in column]
    numbers = graph.op(
        "LabelEncoder",
        columns.value,
        domain="ai.onnx.ml",
        keys_strings=list(vocabulary),
        values_int64s=list(vocabulary.values()),
        default_int64=-1,
    )
    spread = graph.take(numbers, column_of)
    equal = graph.op("Equal", spread, graph.constant([wanted], np.int64))
    return Columns(graph.cast(equal, "DOUBLE"), len(wanted))


def _as_string(item: Any) -> str:
    if isinstance(item, str):
        return item
    raise not_compilable(f"the category {item!r}, which is not a string")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - only NaN differs from itself


_TRANSFORMERS: dict[str, Callable[[Graph, Any, Columns], Columns]] = {
    "passthrough": _passthrough,
    "FunctionTransformer": _function,
    "MinMaxScaler": _min_max_scaler,
    "SimpleImputer": _imputer,
    "StandardScaler": _standard_scaler,
    "OneHotEncoder": _one_hot,
}
