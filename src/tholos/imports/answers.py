"""What an ONNX graph answers: classes with probabilities, or a number; read from its nodes where they say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.imports.errors import NotImportable
from tholos.imports.findings import LABELS_NEXT, Findings
from tholos.imports.graph import Scores, Tensor
from tholos.imports.report import How
from tholos.tasks.signature import TaskId

if TYPE_CHECKING:
    import onnx

_CLASSES = ("classlabels_int64s", "classlabels_strings", "classlabels_ints")
_METADATA = ("classes", "class_names", "labels", "names", "id2label")
_PASSED = ("Identity", "Reshape", "Cast", "Squeeze", "Flatten")
"""Nodes that leave values as they are: behind them stands what made these."""
_MAX_STEPS = 100


@dataclass(frozen=True)
class Answer:
    """The output that counts."""

    tensor: Tensor
    scores: Scores
    labels: tuple[Any, ...] | None
    how: How
    note: str
    """Where the labels are from."""
    sure: bool
    """Whether the graph itself says that it classifies (or answers a number)."""
    why: str

    def expected(self, outputs: dict[str, Any]) -> np.ndarray[Any, Any]:
        """What the wrapped graph has to answer, given what the original did."""
        given = outputs.get(self.tensor.name)
        if given is None:  # behind a ZipMap
            maps = next(value for value in outputs.values() if _is_maps(value))
            assert self.labels is not None
            return np.array([[row[label] for label in self.labels] for row in maps], dtype=np.float64)
        values = np.asarray(given, dtype=np.float64)
        if self.scores == "numbers":
            return values.reshape(-1)
        if self.scores == "logits":
            powers = np.exp(values - values.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        if self.scores == "probabilities":
            return values
        positive = values.reshape(-1, 1)
        if self.scores == "positive logit":
            positive = 1.0 / (1.0 + np.exp(-positive))
        return np.hstack([1.0 - positive, positive])


def answer_of(model: onnx.ModelProto, outputs: dict[str, Any], found: Findings) -> Answer:
    """What the graph answers, by its nodes and by ``outputs``, what it answered on some rows. Raises NotImportable."""
    makers = {name: node for node in model.graph.node for name in node.output}
    wanted = found.corrections.task
    for name, value in outputs.items():
        if _is_maps(value):
            return _zipped(model, makers, name, value)
    floats = {
        name: value
        for name, value in outputs.items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim in (1, 2)
    }
    labelled = [
        name
        for name, value in outputs.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "iOUS" and value.size == len(value)
    ]
    if not floats:
        raise NotImportable(
            "The graph answers "
            + ("classes without probabilities." if labelled else "nothing that is a number or a class."),
            next="Export it with its probabilities, such as skl2onnx does by default.",
        )
    name, value = _chosen(floats, labelled)
    width = 1 if value.ndim == 1 else value.shape[1]
    tensor = Tensor(name, _element(value), (None, width))
    if labelled and width > 1:
        labels = _labels(model, width)
        return Answer(tensor, "probabilities", *labels, True, "a class and a score per class are its outputs")
    if labelled:
        return _positive(makers, model, tensor, sure=True)
    if width > 1:
        return _per_class(makers, model, tensor, wanted)
    maker = _maker(makers, name)
    if maker == "Sigmoid" and wanted != "tabular-regression":
        return _positive(makers, model, tensor, sure=False)
    if wanted in ("tabular-classification", "text-classification"):
        return _positive(makers, model, tensor, sure=False)
    sure = maker in ("TreeEnsembleRegressor", "LinearRegressor", "SVMRegressor")
    why = f"its last node is a {maker}" if sure else "it answers one number a row, which is taken for a regression"
    return Answer(tensor, "numbers", None, "read", "", sure, why)


def _zipped(model: onnx.ModelProto, makers: dict[str, Any], name: str, rows: Any) -> Answer:
    node = makers.get(name)
    for _ in range(_MAX_STEPS):
        if node is None or node.op_type == "ZipMap":
            break
        node = makers.get(node.input[0])
    if node is None:
        raise NotImportable("The graph's maps of probabilities are not made by a ZipMap.", next="Export without maps.")
    labels = tuple(_attribute(node, ("classlabels_int64s", "classlabels_strings")))
    if set(labels) != set(rows[0]):
        raise NotImportable("The graph's ZipMap contradicts itself.", next="Export the model again.")
    declared = next(value for value in model.graph.output if value.name == name)
    element = declared.type.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type
    tensor = Tensor(node.input[0], element, (None, len(labels)))
    return Answer(tensor, "probabilities", labels, "read", "the graph's ZipMap", True, "a ZipMap names its classes")


def _chosen(floats: dict[str, Any], labelled: list[str]) -> tuple[str, Any]:
    """The output with the scores: of several, one that is named so, else the first."""
    if len(floats) > 1 and not labelled:
        named = [name for name in floats if "prob" in name.lower()] or [
            name for name in floats if "logit" in name.lower() or "output" in name.lower()
        ]
        if len(named) != 1:
            raise NotImportable(
                f"The graph has {len(floats)} outputs of numbers: {', '.join(list(floats)[:10])}.",
                next="Export the model with one output.",
            )
        return named[0], floats[named[0]]
    return next(((name, value) for name, value in floats.items() if value.ndim == 2), next(iter(floats.items())))


def _per_class(makers: dict[str, Any], model: onnx.ModelProto, tensor: Tensor, wanted: TaskId | None) -> Answer:
    width = tensor.shape[1] or 0
    if wanted == "tabular-regression":
        raise NotImportable(
            f"The graph answers {width} numbers a row; a regression here answers one.", next="Export one target."
        )
    labels = _labels(model, width)
    maker = _maker(makers, tensor.name)
    if maker == "Softmax":
        return Answer(tensor, "probabilities", *labels, True, "its last node is a Softmax")
    if maker in ("TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier", "Normalizer"):
        return Answer(tensor, "probabilities", *labels, True, f"its last node is a {maker}")
    why = f"it answers {width} numbers a row: taken for scores of as many classes, made probabilities by softmax"
    return Answer(tensor, "logits", *labels, False, why)


def _positive(makers: dict[str, Any], model: onnx.ModelProto, tensor: Tensor, *, sure: bool) -> Answer:
    sigmoid = _maker(makers, tensor.name) == "Sigmoid"
    labels = _labels(model, 2)
    what = "a probability" if sigmoid else "a score, made a probability by a sigmoid"
    why = f"it answers one number a row: taken for the second class's {what}"
    return Answer(tensor, "positive" if sigmoid else "positive logit", *labels, sure, why)


def _labels(model: onnx.ModelProto, count: int) -> tuple[tuple[Any, ...], How, str]:
    """The classes' names, how they were found, and where."""
    for node in model.graph.node:
        named = tuple(_attribute(node, _CLASSES))
        if len(named) == count:
            return named, "read", f"the graph's {node.op_type}"
    for node in model.graph.node:
        # skl2onnx: the winner's place chooses from a constant that holds the classes.
        if node.op_type == "ArrayFeatureExtractor":
            named = tuple(_constant(model, node.input[0]))
            if len(named) == count and len(set(named)) == count:
                return named, "read", f"the graph's constant {node.input[0]}"
    for item in model.metadata_props:
        if item.key in _METADATA and (named := tuple(_listed(item.value))) and len(named) == count:
            return named, "read", f"the graph's metadata, {item.key}"
    return tuple(range(count)), "guessed", "the graph does not name its classes. " + LABELS_NEXT


def _listed(text: str) -> Iterator[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value, key=lambda key: (len(key), key))]
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str | int))


def _constant(model: onnx.ModelProto, name: str) -> Iterator[Any]:
    """The strings or whole numbers of an initializer."""
    from onnx import TensorProto, numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name == name and tensor.data_type in (TensorProto.STRING, TensorProto.INT64, TensorProto.INT32):
            for item in numpy_helper.to_array(tensor).ravel().tolist():
                yield item.decode(errors="replace") if isinstance(item, bytes) else item


def _attribute(node: Any, names: tuple[str, ...]) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.name in names:
            yield from (item.decode(errors="replace") for item in attribute.strings)
            yield from attribute.ints


def _maker(makers: dict[str, Any], name: str) -> str:
    node = makers.get(name)
    for _ in range(_MAX_STEPS):
        if node is None or node.op_type not in _PASSED:
            break
        node = makers.get(node.input[0])
    return "" if node is None else str(node.op_type)


def _is_maps(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(value[0])


def _element(value: np.ndarray[Any, Any]) -> int:
    return {"float64": 11, "float32": 1}.get(value.dtype.name, 10)
