"""The ONNX runtime: what it runs, what it refuses, and in whose words."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tholos.runtimes import load
from tholos.runtimes.errors import BrokenModel, ModelFileMissing, PickleRefused
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.runtimes.onnx import MAX_ROWS
from tholos.tasks.signature import Field, Output, Signature

NUMBERS = Signature(
    task="tabular-regression",
    inputs=(Field(name="a", dtype="number"), Field(name="b", dtype="number")),
    output=Output(name="y", kind="number"),
    example={"a": 1.0, "b": 2.0},
)
TEXTS = Signature(
    task="text-classification",
    inputs=(Field(name="t", dtype="text"),),
    output=Output(name="y", kind="class", labels=("short", "long")),
    example="hello",
)
WEIGHTS = np.array([[2.0], [3.0]])


def _value(name: str, kind: int, *shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray] | None = None,
    domains: tuple[str, ...] = ("", "com.microsoft"),
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    versions = {"": 21, "com.microsoft": 1}
    return helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid(domain, versions.get(domain, 1)) for domain in domains],
        ir_version=10,
    )


def linear(dtype: Any = np.float64, **changes: Any) -> onnx.ModelProto:
    """The graph of y = 2 a + 3 b."""
    kind = TensorProto.DOUBLE if dtype is np.float64 else TensorProto.FLOAT
    parts: dict[str, Any] = {
        "nodes": [
            helper.make_node("Gemm", ["numeric", "w"], ["y"]),
            helper.make_node("Squeeze", ["y", "axis"], ["value"]),
        ],
        "inputs": [_value("numeric", kind, "rows", 2)],
        "outputs": [_value("value", kind, "rows")],
        "constants": {"w": WEIGHTS.astype(dtype), "axis": np.array([1])},
    }
    return _model(**{**parts, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    place.mkdir()
    return place


@pytest.fixture
def loaded(folder: Path) -> Callable[..., Any]:
    """Writes a model's folder and loads it through the runtimes' one door."""

    def put(content: bytes | onnx.ModelProto | None, signature: Signature = NUMBERS) -> Any:
        description = ModelDescription(
            task=signature.task,
            signature=signature,
            algorithm=AlgorithmUse(name="own", title="Own"),
            artifacts=(Artifact(format="onnx", file="model.onnx"),),
            serve="onnx",
        )
        (folder / "model.json").write_bytes(description.to_bytes())
        if content is not None:
            data = content if isinstance(content, bytes) else content.SerializeToString()
            (folder / "model.onnx").write_bytes(data)
        return load(folder)

    return put


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_runs_a_batch_and_leaves_it_as_it_was(loaded: Callable, dtype: Any):
    model = loaded(linear(dtype))
    batch = {"numeric": np.array([[1.0, 2.0], [0.5, -1.0]])}
    outputs = model.infer(batch)
    assert outputs["value"].dtype == np.float64
    assert outputs["value"].tolist() == [8.0, -2.0]
    assert batch["numeric"].tolist() == [[1.0, 2.0], [0.5, -1.0]]
    model.close()


@pytest.mark.parametrize("rows", [1, MAX_ROWS, MAX_ROWS + 1, 3 * MAX_ROWS + 7])
def test_every_row_of_a_large_batch_is_answered_in_order(loaded: Callable, rows: int):
    numeric = np.random.default_rng(0).normal(size=(rows, 2))
    np.testing.assert_allclose(loaded(linear()).infer({"numeric": numeric})["value"], (numeric @ WEIGHTS)[:, 0])


def test_texts_of_any_length_pass_in_order(loaded: Callable):
    """Labels each text by whether it is "long": the graph compares strings."""
    nodes = [
        helper.make_node("Equal", ["text", "long"], ["is_long"]),
        helper.make_node("Cast", ["is_long"], ["label_index"], to=TensorProto.INT64),
        helper.make_node("Cast", ["is_long"], ["sure"], to=TensorProto.DOUBLE),
        helper.make_node("Unsqueeze", ["sure", "last"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
    ]
    outputs = [_value("label_index", TensorProto.INT64, "rows"), _value("probabilities", TensorProto.DOUBLE, "rows", 2)]
    constants = {"long": np.array(["x" * 3_000_000], dtype=object), "last": np.array([1]), "one": np.array(1.0)}
    model = loaded(_model(nodes, [_value("text", TensorProto.STRING, "rows")], outputs, constants), TEXTS)
    texts = np.array(["a", "x" * 3_000_000, "", "b" * 2_000_000, "x" * 3_000_000] * 2, dtype=object)
    got = model.infer({"text": texts})
    assert got["label_index"].tolist() == [0, 1, 0, 0, 1] * 2
    assert got["probabilities"].argmax(axis=1).tolist() == [0, 1, 0, 0, 1] * 2


def test_a_graph_that_is_not_there(loaded: Callable):
    with pytest.raises(ModelFileMissing, match=r"model\.onnx"):
        loaded(None)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 100, b"PK\x03\x04 no zip", b"{}"])
def test_what_is_not_onnx_is_refused(loaded: Callable, content: bytes):
    with pytest.raises(BrokenModel, match=r"model\.onnx") as raised:
        loaded(content)
    assert raised.value.next


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_named_and_never_opened(loaded: Callable, protocol: int):
    with pytest.raises(PickleRefused, match="pickle"):
        loaded(pickle.dumps({"weights": Bomb()}, protocol=protocol))


class Bomb:
    """Fails the test when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was opened",)


def test_a_truncated_graph_is_refused(loaded: Callable):
    whole = linear().SerializeToString()
    for length in (10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(BrokenModel):
            loaded(whole[:length])


def _external(location: str) -> onnx.ModelProto:
    model = linear()
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    return model


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname", "a/../../outside.bin", "", "link.bin"])
def test_weights_outside_the_folder_are_refused(loaded: Callable, folder: Path, location: str):
    (folder.parent / "outside.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "link.bin").symlink_to(folder.parent / "outside.bin")
    with pytest.raises(BrokenModel, match="not a file beside it"):
        loaded(_external(location))


def test_weights_outside_are_refused_wherever_they_are_named(loaded: Callable):
    tensor = _external("../outside.bin").graph.initializer[0]
    hidden = helper.make_graph(
        [helper.make_node("Constant", [], ["hidden"], value=tensor)],
        "branch",
        [],
        [_value("hidden", TensorProto.DOUBLE, 2, 1)],
    )
    model = linear()
    model.graph.node.append(helper.make_node("If", ["yes"], ["unused"], then_branch=hidden, else_branch=hidden))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    with pytest.raises(BrokenModel, match="not a file beside it"):
        loaded(model)


def test_weights_beside_the_graph_are_read(loaded: Callable, folder: Path):
    (folder / "weights.bin").write_bytes(WEIGHTS.tobytes())
    assert loaded(_external("weights.bin")).infer({"numeric": np.ones((1, 2))})["value"].tolist() == [5.0]


def test_weights_that_are_not_there_are_named(loaded: Callable):
    with pytest.raises(ModelFileMissing, match=r"weights\.bin"):
        loaded(_external("weights.bin"))


def test_foreign_operators_are_named(loaded: Callable):
    foreign = [helper.make_node("Mine", ["numeric"], ["value"], domain="my.operators")]
    with pytest.raises(BrokenModel, match=r"my\.operators"):
        loaded(linear(nodes=foreign, domains=("", "my.operators")))
    undeclared = [helper.make_node("Gemini", ["numeric", "w"], ["value"])]
    with pytest.raises(BrokenModel, match="Gemini"):
        loaded(linear(nodes=undeclared))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "inputs": [_value("numeric", TensorProto.DOUBLE, "rows", 3)],
                "constants": {"w": np.ones((3, 1)), "axis": np.array([1])},
            },
            "numeric has the shape",
        ),
        ({"inputs": [_value("numeric", TensorProto.DOUBLE, 1, 2)]}, "numeric has the shape"),
        ({"outputs": [_value("y", TensorProto.DOUBLE, "rows", 1)]}, "outputs are y; the signature asks for value"),
        (
            {
                "inputs": [_value("x", TensorProto.DOUBLE, "rows", 2)],
                "nodes": [
                    helper.make_node("Gemm", ["x", "w"], ["y"]),
                    helper.make_node("Squeeze", ["y", "axis"], ["value"]),
                ],
            },
            "inputs are x; the signature asks for numeric",
        ),
        (
            {
                "inputs": [_value("numeric", TensorProto.INT64, "rows", 2)],
                "nodes": [
                    helper.make_node("Cast", ["numeric"], ["x"], to=TensorProto.DOUBLE),
                    helper.make_node("Gemm", ["x", "w"], ["y"]),
                    helper.make_node("Squeeze", ["y", "axis"], ["value"]),
                ],
            },
            r"numeric is a tensor\(int64\)",
        ),
    ],
    ids=["width", "fixed rows", "output", "input", "type"],
)
def test_a_graph_that_does_not_fit_the_signature_is_refused(loaded: Callable, changes: dict[str, Any], said: str):
    with pytest.raises(BrokenModel, match=said):
        loaded(linear(**changes))
