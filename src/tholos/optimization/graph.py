"""A small builder of ONNX graphs in double precision.

Values are named strings, as in ONNX itself; the operators below add one node each and return the name of its output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tholos.optimization.errors import not_compilable

if TYPE_CHECKING:
    import onnx

OPSETS = {"": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
"""The operator sets that a compiled graph may use, pinned: a newer library must not change what a graph means."""
IR_VERSION = 10
"""The file format that belongs to these operator sets (ONNX 1.16)."""
MAX_BYTES = 2_000_000_000
"""What one ONNX file holds: protobuf ends at 2 GiB."""

ElementType: TypeAlias = Literal["DOUBLE", "FLOAT", "INT64", "STRING", "BOOL", "UINT8"]
Value: TypeAlias = str
"""The name of a tensor within the graph."""
Dimension: TypeAlias = int | str | None


class Graph:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._initializers: list[onnx.TensorProto] = []

    def input(self, name: str, element: ElementType, *shape: Dimension) -> Value:
        """Declare an input; a string or None in *shape* stands for any length."""
        self._inputs.append(_value_info(name, element, shape))
        return name

    def output(self, name: str, value: Value, element: ElementType, *shape: Dimension) -> None:
        """Declare that *value* is the graph's output *name*."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"Identity_{len(self._nodes)}"))
        self._outputs.append(_value_info(name, element, shape))

    def constant(self, value: Any, dtype: type[np.generic] | np.dtype[Any] = np.float64) -> Value:
        """Store a constant tensor (once, however often it is asked for) and return its name."""
        from onnx import numpy_helper

        array = np.asarray(value, dtype=dtype, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = name
            self._initializers.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def strings(self, values: list[str]) -> Value:
        """Store a constant vector of strings and return its name."""
        from onnx import numpy_helper

        name = f"strings_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.array(values, dtype=object), name))
        return name

    def op(self, operator: str, *inputs: Value, domain: str = "", **attributes: Any) -> Value:
        """Add a node with one output and return that output's name."""
        from onnx import helper

        output = f"{operator.lower()}_{len(self._nodes)}"
        node = helper.make_node(
            operator, list(inputs), [output], name=f"{operator}_{len(self._nodes)}", domain=domain, **attributes
        )
        self._nodes.append(node)
        return output

    def cast(self, value: Value, element: ElementType) -> Value:
        """Convert every element of *value*."""
        import onnx

        return self.op("Cast", value, to=getattr(onnx.TensorProto, element))

    def product(self, left: Value, right: Any, added: Any = None) -> Value:
        """Multiply `[rows, n]` by a constant matrix `[n, m]`, and add a constant `[m]`.

        By ``Gemm``, never ``MatMul``: ONNX Runtime fuses a ``MatMul`` with a division before it into a factor that it
        keeps in float32 (seen in 1.31: images divided by 255 were off by 1e-8).
        """
        constants = [self.constant(item) for item in (right, added) if item is not None]
        return self.op("Gemm", left, *constants)

    def take(self, value: Value, positions: Any, *, axis: int = 1) -> Value:
        """Select *positions* (integers) along *axis*."""
        return self.op("Gather", value, self.constant(positions, np.int64), axis=axis)

    def concat(self, values: list[Value], *, axis: int = 1) -> Value:
        """Join along *axis*; a single value is returned as it is."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def sorted(self, value: Value, length: Value) -> Value:
        """Sort each row of *value* in ascending order; *length* (int64 ``[1]``) is the rows' length."""
        from onnx import helper

        number = len(self._nodes)
        outputs = [f"sorted_{number}", f"positions_{number}"]
        self._nodes.append(helper.make_node("TopK", [value, length], outputs, name=f"TopK_{number}", axis=1, largest=0))
        return outputs[0]

    def flat(self, values: Value) -> Value:
        """Turn `[rows, 1]` into `[rows]`."""
        return self.op("Squeeze", values, self.constant([1], np.int64))

    def model(self, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """Close the graph: a checked model of the pinned operator sets that carries *metadata*.

        Raises:
            NotCompilable: the graph is larger than one file can be.

        """
        import onnx
        from onnx import helper

        size = sum(node.ByteSize() for node in self._nodes) + sum(each.ByteSize() for each in self._initializers)
        if size > MAX_BYTES:
            raise not_compilable(
                f"a way to keep a graph of {size:,} bytes in one file",
                next="Train a smaller model, for example with fewer trees or more rows per leaf.",
            )
        graph = helper.make_graph(self._nodes, "tholos", self._inputs, self._outputs, initializer=self._initializers)
        model = helper.make_model(
            graph,
            producer_name="tholos",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        return model


def _value_info(name: str, element: ElementType, shape: tuple[Dimension, ...]) -> onnx.ValueInfoProto:
    import onnx
    from onnx import helper

    return helper.make_tensor_value_info(name, getattr(onnx.TensorProto, element), list(shape))
