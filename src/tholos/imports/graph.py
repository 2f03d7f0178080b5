"""An ONNX graph by whatever names it was exported with, wrapped into one that the runtime's tensors fit.

Around the graph, whose own values get a prefix, stand a few nodes: from `numeric`, `categorical` or `text` to what it
takes, and from what it answers to `label_index` and `probabilities`, or `value`. Its own nodes are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tholos.tasks.signature import Signature

if TYPE_CHECKING:
    import onnx

PREFIX = "model/"
_DEFAULT_OPSET = 17

Scores = Literal["probabilities", "logits", "positive", "positive logit", "numbers"]
"""What a float output holds: a probability or a score per class, either of the second of two classes, or an answer."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph."""

    name: str
    element: int
    """ONNX's number of the element type."""
    shape: tuple[int | None, ...]
    """None where the extent may vary."""


def tensors(values: Sequence[Any]) -> list[Tensor]:
    """Those inputs or outputs that are tensors."""
    return [
        Tensor(
            value.name,
            value.type.tensor_type.elem_type,
            tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim),
        )
        for value in values
        if value.type.HasField("tensor_type")
    ]


def inputs_of(model: onnx.ModelProto) -> list[Tensor]:
    """What must be fed: inputs that no initializer fills."""
    filled = {tensor.name for tensor in model.graph.initializer}
    return tensors([value for value in model.graph.input if value.name not in filled])


def wrap(
    model: onnx.ModelProto, signature: Signature, *, takes: Sequence[Tensor], answer: Tensor, scores: Scores
) -> onnx.ModelProto:
    """A copy with the runtime's inputs and outputs around it; ``answer`` is the value to read the scores from."""
    import onnx
    from onnx import compose

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy = compose.add_prefix(copy, PREFIX, inplace=True)
    if not any(item.domain == "" for item in copy.opset_import):
        copy.opset_import.append(onnx.helper.make_opsetid("", _DEFAULT_OPSET))
    around = _Around(copy)
    own = list(copy.graph.node)
    before = around.feed(signature, takes)
    after = around.answer(signature, answer, scores)
    del copy.graph.node[:]
    copy.graph.node.extend([*before, *own, *after])
    return copy


class _Around:
    """Makes the nodes before and behind a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import TensorProto, helper

        self._graph = model.graph
        self._make, self._type = helper, TensorProto
        self._nodes: list[Any] = []
        self._count = 0

    def feed(self, signature: Signature, takes: Sequence[Tensor]) -> list[Any]:
        filled = {tensor.name for tensor in self._graph.initializer}
        kept = [value for value in self._graph.input if value.name in filled]
        del self._graph.input[:]
        self._graph.input.extend(kept)
        if signature.numeric:
            self._declare(self._graph.input, "numeric", self._type.DOUBLE, len(signature.numeric))
        if signature.categorical:
            self._declare(self._graph.input, "categorical", self._type.STRING, len(signature.categorical))
        if signature.inputs[0].dtype == "text":
            self._declare(self._graph.input, "text", self._type.STRING)
            self._op("Reshape", ["text", self._numbers([-1, *([1] * (len(takes[0].shape) - 1))])], takes[0])
        elif (len(takes) == 1 and len(signature.inputs) > 1) or (len(takes[0].shape) == 2 and len(takes) == 1):
            source = "numeric" if signature.numeric else "categorical"
            self._to(source, takes[0])
        else:
            self._feed_columns(signature, takes)
        return self._taken()

    def _feed_columns(self, signature: Signature, takes: Sequence[Tensor]) -> None:
        places = {
            **{place: ("numeric", j) for j, place in enumerate(signature.numeric)},
            **{place: ("categorical", j) for j, place in enumerate(signature.categorical)},
        }
        for place, tensor in enumerate(takes):
            source, column = places[place]
            value = self._op("Gather", [source, self._numbers([column])], axis=1)
            if len(tensor.shape) == 1:
                value = self._op("Reshape", [value, self._numbers([-1])])
            self._to(value, tensor)

    def answer(self, signature: Signature, answer: Tensor, scores: Scores) -> list[Any]:
        del self._graph.output[:]
        value = PREFIX + answer.name
        if answer.element not in (self._type.FLOAT, self._type.DOUBLE):
            value = self._op("Cast", [value], to=self._type.FLOAT)
        element = self._type.DOUBLE if answer.element == self._type.DOUBLE else self._type.FLOAT
        labels = len(signature.output.labels or ())
        if scores == "numbers":
            self._name(self._op("Reshape", [value, self._numbers([-1])]), "value")
            self._declare(self._graph.output, "value", element)
            return self._taken()
        if scores in ("positive", "positive logit"):
            column = self._op("Reshape", [value, self._numbers([-1, 1])])
            positive = self._op("Sigmoid", [column]) if scores == "positive logit" else column
            negative = self._op("Sub", [self._constant([[1.0]], element), positive])
            value = self._op("Concat", [negative, positive], axis=1)
        elif scores == "logits":
            value = self._op("Softmax", [value], axis=1)
        self._name(value, "probabilities")
        self._name(self._op("ArgMax", ["probabilities"], axis=1, keepdims=0), "label_index")
        self._declare(self._graph.output, "label_index", self._type.INT64)
        self._declare(self._graph.output, "probabilities", element, labels)
        return self._taken()

    def _to(self, value: str, tensor: Tensor) -> None:
        kind = "Identity" if tensor.element == self._type.STRING else "Cast"
        options = {} if kind == "Identity" else {"to": tensor.element}
        self._op(kind, [value], tensor, **options)

    def _op(self, kind: str, inputs: list[str], into: Tensor | None = None, **options: Any) -> str:
        self._count += 1
        name = PREFIX + into.name if into else f"around/{self._count}"
        self._nodes.append(self._make.make_node(kind, inputs, [name], name=f"around/{kind}{self._count}", **options))
        return name

    def _name(self, value: str, name: str) -> None:
        self._nodes.append(self._make.make_node("Identity", [value], [name], name=f"around/{name}"))

    def _numbers(self, values: list[int]) -> str:
        return self._constant(values, self._type.INT64)

    def _constant(self, values: Any, element: int) -> str:
        self._count += 1
        name = f"around/{self._count}"
        array = np.asarray(values)
        self._graph.initializer.append(self._make.make_tensor(name, element, array.shape, array.ravel().tolist()))
        return name

    def _declare(self, where: Any, name: str, element: int, *rest: int) -> None:
        where.append(self._make.make_tensor_value_info(name, element, ["rows", *rest]))

    def _taken(self) -> list[Any]:
        taken, self._nodes = self._nodes, []
        return taken
