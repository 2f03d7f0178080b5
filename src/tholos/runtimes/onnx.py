"""ONNX graphs, run by ONNX Runtime on one thread per model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.runtimes.errors import BrokenModel, ModelFileMissing
from tholos.runtimes.model import ModelDescription
from tholos.runtimes.pickles import is_pickle, refuse
from tholos.tasks.signature import Batch, Outputs, Signature

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from tholos.runtimes.base import Runtime

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""The operator sets that ONNX Runtime brings; anything else would need a library of somebody's machine code."""

MAX_ROWS = 256
"""Rows that pass the graph at once: intermediate results of a large batch would fill the memory for no more speed."""
MAX_CHARACTERS = 64_000
"""Rows times the longest text among them: a graph pads every text of a batch to that length."""

NEXT = "Compile the model again (`tholos compile`), or export it as ONNX with the inputs that its signature asks for."

_ELEMENTS: dict[str, tuple[str, ...]] = {
    "numeric": ("tensor(double)", "tensor(float)"),
    "categorical": ("tensor(string)",),
    "text": ("tensor(string)",),
    "image": ("tensor(float)",),
    "label_index": ("tensor(int64)",),
    "probabilities": ("tensor(double)", "tensor(float)"),
    "value": ("tensor(double)", "tensor(float)"),
}
"""The element types that each tensor may have in a graph; the first is what the compiler writes."""


class OnnxModel:
    """An ONNX graph in memory."""

    def __init__(self, session: onnxruntime.InferenceSession, signature: Signature) -> None:
        self.signature = signature
        self._session: onnxruntime.InferenceSession | None = session
        self._inputs = tuple(item.name for item in session.get_inputs())
        self._outputs = [item.name for item in session.get_outputs()]
        self._narrow = any(item.name == "numeric" and item.type == "tensor(float)" for item in session.get_inputs())

    def infer(self, batch: Batch) -> Outputs:
        """Run a batch; see `LoadedModel.infer`."""
        rows = len(batch[self._inputs[0]])
        if rows <= MAX_ROWS and ("text" not in batch or rows == 1):
            return self._run(batch)
        parts = [self._run({name: tensor[part] for name, tensor in batch.items()}) for part in _parts(batch, rows)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, batch: Batch) -> Outputs:
        assert self._session is not None, "the model is closed"
        feed = {name: batch[name] for name in self._inputs}
        if self._narrow:
            feed["numeric"] = feed["numeric"].astype(np.float32)
        outputs: Outputs = dict(zip(self._outputs, self._session.run(self._outputs, feed), strict=True))
        if "value" in outputs:
            outputs["value"] = outputs["value"].astype(np.float64, copy=False).reshape(-1)
        return outputs

    def close(self) -> None:
        """Let go of the session."""
        self._session = None


class OnnxRuntime:
    """Loads artifacts of format `onnx`."""

    format = "onnx"

    def load(self, folder: Path, model: ModelDescription) -> OnnxModel:
        """Load the graph; see `Runtime.load`.

        Raises:
            ModelFileMissing: the file, or a file of weights that it names, is not there.
            BrokenModel: it is no ONNX graph, names files outside its folder or operators that ONNX Runtime does not
                bring, or its inputs and outputs are not those of the signature.
            PickleRefused: it is a pickle by another name.

        """
        name = model.artifact(self.format).file
        path = folder / name
        if not path.is_file():
            raise ModelFileMissing(f"The model names {name}, which is not in its revision.", next=NEXT)
        if is_pickle(path):
            raise refuse(path)
        check_file(path)
        session = open_session(path)
        _check_fits(session, model.signature)
        return OnnxModel(session, model.signature)


def _parts(batch: Batch, rows: int) -> Iterator[slice]:
    """Consecutive rows that may pass the graph together."""
    texts = batch.get("text")
    start = longest = 0
    for row in range(rows):
        length = 1 if texts is None else len(texts[row])
        longest = max(longest, length)
        if row > start and (row - start >= MAX_ROWS or longest * (row - start + 1) > MAX_CHARACTERS):
            yield slice(start, row)
            start, longest = row, length
    yield slice(start, rows)


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on the graph, on one thread. Raises BrokenModel."""
    # Its official builds report to their maker unless told otherwise before they are imported; this platform does not.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread: replicas run beside each other, and a single row is over before a second thread has woken.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Batches vary in size: a plan of memory for each size seen, and an arena as large as the largest, would only grow.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    # Its remarks on graphs are for their authors; what prevents loading comes as an exception.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's own exceptions share no base class; every one means that the graph does not load.
        raise BrokenModel(f"ONNX Runtime cannot load {path.name}: {_short(error, path)}", next=NEXT) from error


def _short(error: Exception, path: Path) -> str:
    text = " ".join(str(error).replace(str(path), path.name).split())  # where it lies is nobody's business
    return text if len(text) <= 300 else text[:300] + " …"


def check_file(path: Path) -> None:
    """Read the graph without its weights' files and refuse what reaches beyond it.

    Raises BrokenModel, ModelFileMissing.
    """
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        # The parser's exceptions are those of the protobuf library, which is not ours to name.
        raise BrokenModel(f"{path.name} is not an ONNX file.", next=NEXT) from error
    if not model.graph.node:
        raise BrokenModel(f"{path.name} is not an ONNX file, or its graph is empty.", next=NEXT)
    foreign = sorted({item.domain for item in model.opset_import} - DOMAINS)
    if foreign:
        raise BrokenModel(
            f"{path.name} uses operators of {', '.join(foreign)}, which ONNX Runtime does not bring.",
            next="Export the model with standard ONNX operators.",
            domains=foreign,
        )
    folder = path.parent.resolve()
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL:
            _check_external(tensor, folder, path.name)


def _check_external(tensor: onnx.TensorProto, folder: Path, file: str) -> None:
    location = next((item.value for item in tensor.external_data if item.key == "location"), "")
    place = (folder / location).resolve()
    if not location or not place.is_relative_to(folder) or Path(location).is_absolute():
        raise BrokenModel(
            f"{file} keeps weights in {location!r}, which is not a file beside it.",
            next="Export the model into one file, or with its weights in the same folder.",
            location=location,
        )
    if not place.is_file():
        raise ModelFileMissing(f"{file} keeps weights in {location!r}, which is not in its revision.", next=NEXT)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: of its graphs, however deeply nested, and of its functions."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs.extend(item for item in (attribute.g, *attribute.graphs) if item.node or item.initializer)


def _check_fits(session: onnxruntime.InferenceSession, signature: Signature) -> None:
    """Compare the graph's inputs and outputs with what the signature asks for."""
    labels = signature.output.labels
    outputs: dict[str, tuple[int, ...]] = (
        {"value": ()} if labels is None else {"label_index": (), "probabilities": (len(labels),)}
    )
    _compare("input", session.get_inputs(), _input_shapes(signature))
    _compare("output", session.get_outputs(), outputs)


def fits(session: onnxruntime.InferenceSession, signature: Signature) -> bool:
    """Whether the graph's inputs and outputs are those that the signature asks for, by name, type and shape."""
    try:
        _check_fits(session, signature)
    except BrokenModel:
        return False
    return True


def _input_shapes(signature: Signature) -> dict[str, tuple[int, ...]]:
    """The tensors of a batch, each with its shape behind the rows."""
    shapes: dict[str, tuple[int, ...]] = {}
    if signature.numeric:
        shapes["numeric"] = (len(signature.numeric),)
    if signature.categorical:
        shapes["categorical"] = (len(signature.categorical),)
    for item in signature.inputs:
        if item.dtype in ("text", "image"):
            shapes[item.dtype] = item.shape
    return shapes


def _compare(side: str, found: list[Any], wanted: dict[str, tuple[int, ...]]) -> None:
    names = {item.name for item in found}
    if names != set(wanted):
        raise BrokenModel(
            f"The graph's {side}s are {_listed(names)}; the signature asks for {_listed(wanted)}.", next=NEXT
        )
    for item in found:
        if item.type not in _ELEMENTS[item.name]:
            raise BrokenModel(
                f"The graph's {side} {item.name} is a {item.type}; it has to be {' or '.join(_ELEMENTS[item.name])}.",
                next=NEXT,
            )
        rest = item.shape[1:]
        fits = len(item.shape) == 1 + len(wanted[item.name]) and all(
            not isinstance(there, int) or there == here for there, here in zip(rest, wanted[item.name], strict=True)
        )
        if not fits or isinstance(item.shape[0], int):
            raise BrokenModel(
                f"The graph's {side} {item.name} has the shape {item.shape}; "
                f"the signature asks for {['rows', *wanted[item.name]]}.",
                next=NEXT,
            )


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


if TYPE_CHECKING:
    _: Runtime = OnnxRuntime()
