"""An ONNX file: what its graph takes and answers, and a graph of it that the runtime serves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.imports.answers import Answer, answer_of
from tholos.imports.errors import NotImportable
from tholos.imports.files import Files, broken
from tholos.imports.findings import Detected, Findings, Hints, named_inputs, named_labels, signature_of
from tholos.imports.graph import Tensor, inputs_of, wrap
from tholos.imports.recognition import ADAPTED_ONNX
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.runtimes.onnx import OnnxModel, OnnxRuntime, check_file, fits, open_session
from tholos.runtimes.pickles import is_pickle, refuse
from tholos.tasks.errors import BrokenSignature
from tholos.tasks.fields import Dtype, Field
from tholos.tasks.signature import Outputs, Signature, TaskId

if TYPE_CHECKING:
    import onnx

MAX_GRAPH_BYTES = 2_000_000_000
"""What protobuf can hold in one message, nearly."""
_PROBED_ROWS = 3
_MAX_METADATA = 50


@dataclass(frozen=True)
class _Read:
    """A graph that was opened, and what it answers on rows of no meaning."""

    path: Path
    model: onnx.ModelProto
    takes: list[Tensor]
    feed: dict[str, Any]
    outputs: dict[str, Any]


def read_onnx(files: Files, path: str, found: Findings, hints: Hints) -> Detected:
    """Describe the file at ``path``; never call it outside a job's child process.

    Raises:
        BrokenModel, ModelFileMissing, PickleRefused: see `tholos.runtimes.onnx`.
        NotImportable: it loads, but what it takes or answers cannot be served.

    """
    placed = _placed(files, path)
    model = _parsed(placed)
    _note(model, found)
    own = _own_signature(model)
    if own is not None and fits(open_session(placed), own):
        return _as_it_is(placed, path, own, found)
    takes = inputs_of(model)
    fields = _fields(takes, found, hints)
    opened = _probe(placed, model, takes, fields)
    answer = answer_of(opened.model, opened.outputs, found)
    task = _task(answer, fields, found)
    labels = None if answer.labels is None else named_labels(found, answer.labels, how=answer.how, note=answer.note)
    signature = signature_of(found, task, fields, labels, hints)
    made = placed.with_name(ADAPTED_ONNX)
    graph = wrap(opened.model, signature, takes=takes, answer=answer.tensor, scores=answer.scores)
    made.write_bytes(graph.SerializeToString(deterministic=True))
    _compare(opened, answer, signature, made)
    found.read(
        "adapted", f"{ADAPTED_ONNX}: the graph with the runtime's tensors around it", "answers as the original does"
    )
    return found.served(signature, "onnx", ADAPTED_ONNX, made)


def _placed(files: Files, path: str) -> Path:
    """The file, and the files of weights that it names, as copies: beside each other and nothing else."""
    if files.size(path) > MAX_GRAPH_BYTES:
        raise broken(path, f"it has {files.size(path):,} bytes; a graph has at most {MAX_GRAPH_BYTES:,}")
    placed = files.place(path, copy=True)
    if is_pickle(placed):
        raise refuse(placed)
    below = path.rpartition("/")[0]
    for location in _locations(placed):
        beside = f"{below}/{location}" if below else location
        if "/" not in location and beside in files and beside != path:
            files.place(beside, copy=True)
    check_file(placed)
    return placed


def _locations(placed: Path) -> Iterable[str]:
    import onnx

    try:
        model = onnx.load(placed, load_external_data=False)
    except Exception:
        return ()  # `check_file` says what is wrong with it
    return {
        item.value
        for tensor in model.graph.initializer
        if tensor.data_location == tensor.EXTERNAL
        for item in tensor.external_data
        if item.key == "location"
    }


def _parsed(placed: Path) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load(placed)
    except Exception as error:
        # External data that is cut off: the library's own errors are many.
        raise broken(placed.name, f"its weights cannot be read ({type(error).__name__})") from error
    if model.ByteSize() > MAX_GRAPH_BYTES:
        raise broken(placed.name, "with its weights it is too large for one file")
    return model


def _note(model: onnx.ModelProto, found: Findings) -> None:
    opsets = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    found.read("opset", ", ".join(f"{domain} {version}" for domain, version in sorted(opsets.items())), "opset_import")
    if model.producer_name:
        found.provenance["producer"] = f"{model.producer_name} {model.producer_version}".strip()[:200]
        found.library = {"skl2onnx": "sklearn", "pytorch": "pytorch", "tf2onnx": "keras"}.get(
            model.producer_name, "onnx"
        )
    for item in model.metadata_props[:_MAX_METADATA]:
        if item.key != "signature":
            found.provenance[f"onnx.{item.key[:100]}"] = item.value[:500]


def _own_signature(model: onnx.ModelProto) -> Signature | None:
    """The signature that `tholos compile` keeps in the graphs that it makes."""
    kept = next((item.value for item in model.metadata_props if item.key == "signature"), None)
    if kept is None:
        return None
    try:
        return Signature.from_json(json.loads(kept))
    except (BrokenSignature, ValueError, RecursionError):
        return None


def _as_it_is(placed: Path, path: str, signature: Signature, found: Findings) -> Detected:
    note = "the graph carries the signature that `tholos compile` wrote"
    corrected = found.corrections
    if corrected.task not in (None, signature.task):
        raise NotImportable(f"The graph is a {signature.task} model by its own signature.", next="Leave --task out.")
    found.set_task(signature.task, "read", note)
    fields = named_inputs(found, signature.inputs, how="read", note=note)
    labels = signature.output.labels
    if labels is not None:
        labels = named_labels(found, labels, how="read", note=note)
    output = replace(signature.output, labels=labels, name=corrected.output_name or signature.output.name)
    found.add("output", output.name, "given" if corrected.output_name else "read", note)
    example = signature.example
    if isinstance(example, dict):
        example = {new.name: example[old.name] for new, old in zip(fields, signature.inputs, strict=True)}
    kept = replace(signature, inputs=fields, output=output, example=example, reference={})
    name = path.rpartition("/")[2]
    return found.served(kept, "onnx", name, placed if "/" in path else None)


def _fields(takes: list[Tensor], found: Findings, hints: Hints) -> tuple[Field, ...]:
    """The inputs that people fill in: one per column."""
    if not takes:
        raise NotImportable("The graph takes no tensor as input.", next="Export the model with its inputs.")
    for tensor in takes:
        if tensor.shape and tensor.shape[0] not in (None, 0):
            raise NotImportable(
                f"The graph's input {tensor.name} takes exactly {tensor.shape[0]} rows at once.",
                next="Export it with a first axis that may vary (dynamic_axes, or dynamic_shapes).",
            )
    if len(takes) > 1:
        fields = [Field(name=tensor.name, dtype=_dtype(tensor)) for tensor in takes]
        _require(all(len(tensor.shape) == 1 or tensor.shape[1:] == (1,) for tensor in takes), takes)
        return _hinted(fields, found, hints, how="read", note="the names of the graph's inputs")
    tensor = takes[0]
    dtype = _dtype(tensor)
    width = tensor.shape[1] if len(tensor.shape) == 2 else 1
    _require(len(tensor.shape) in (1, 2), takes)
    if dtype == "string" and width == 1:
        return named_inputs(
            found, [Field(name="text", dtype="text")], how="guessed", note="one column of strings is taken for a text"
        )
    width = width or len(hints.fields) or len(found.corrections.input_names)
    if not width:
        raise NotImportable(
            f"The graph does not say how many columns its input {tensor.name} has.",
            next="Name them: --input-names a,b,c; or export the graph with a fixed second axis.",
        )
    fields = [Field(name=f"x{place}", dtype=dtype) for place in range(width)]
    return _hinted(fields, found, hints, how="guessed", note=f"the columns of {tensor.name} have no names")


def _hinted(fields: list[Field], found: Findings, hints: Hints, **how: Any) -> tuple[Field, ...]:
    if len(hints.fields) == len(fields) and all(
        (mine.dtype == "string") == (theirs.dtype == "string")
        for mine, theirs in zip(fields, hints.fields, strict=True)
    ):
        return named_inputs(found, hints.fields, how="read", note=hints.source)
    return named_inputs(found, fields, **how)


def _require(served: bool, takes: list[Tensor]) -> None:
    if not served:
        shapes = "; ".join(f"{item.name} {['rows', *item.shape[1:]]}" for item in takes[:5])
        raise NotImportable(
            f"The graph's inputs are of shapes that rows of columns do not fill: {shapes}.",
            next="Push it with a model.json that says how inputs become tensors (docs/deploy.md), or export another.",
        )


def _dtype(tensor: Tensor) -> Dtype:
    from onnx import TensorProto

    kinds: dict[int, Dtype] = {
        TensorProto.FLOAT: "number",
        TensorProto.DOUBLE: "number",
        TensorProto.FLOAT16: "number",
        TensorProto.INT64: "integer",
        TensorProto.INT32: "integer",
        TensorProto.BOOL: "boolean",
        TensorProto.STRING: "string",
    }
    if tensor.element not in kinds:
        raise NotImportable(
            f"The graph's input {tensor.name} is of type {TensorProto.DataType.Name(tensor.element)}.",
            next="Export it with floats, whole numbers, booleans or strings.",
        )
    return kinds[tensor.element]


def _probe(placed: Path, model: onnx.ModelProto, takes: list[Tensor], fields: tuple[Field, ...]) -> _Read:
    """Run it on a few rows of no meaning: what it answers has types and shapes that the file need not say."""
    from onnx import helper

    session = open_session(placed)
    rng = np.random.default_rng(0)
    feed: dict[str, Any] = {}
    for tensor in takes:
        shape = (_PROBED_ROWS,) if len(tensor.shape) == 1 else (_PROBED_ROWS, 1 if len(takes) > 1 else len(fields))
        if _dtype(tensor) == "string":
            feed[tensor.name] = np.full(shape, "a b", dtype=object)
        else:
            values = rng.integers(0, 3, size=shape) if _dtype(tensor) == "integer" else rng.uniform(0, 3, size=shape)
            feed[tensor.name] = values.astype(helper.tensor_dtype_to_np_dtype(tensor.element))
    names = [item.name for item in session.get_outputs()]
    try:
        outputs = dict(zip(names, session.run(names, feed), strict=True))
    except Exception as error:
        # ONNX Runtime's own exceptions share no base class.
        raise NotImportable(
            f"The graph does not run on rows of its own shape: {' '.join(str(error).split())[:200]}",
            next="Export it again, with a first axis that may vary.",
        ) from error
    return _Read(placed, model, takes, feed, outputs)


def _task(answer: Answer, fields: tuple[Field, ...], found: Findings) -> TaskId:
    text = fields[0].dtype == "text"
    wanted = found.corrections.task
    task: TaskId = "tabular-regression"
    if answer.labels is not None:
        task = "text-classification" if text else "tabular-classification"
    elif text:
        raise NotImportable("A regression of text is not served.", next="Say --task text-classification if it is one.")
    if wanted is not None:
        if wanted != task:
            raise NotImportable(
                f"The graph takes and answers what {task} does, so it cannot serve as {wanted}.",
                next="Leave --task out.",
            )
        found.set_task(task, "given", "said when it was imported")
    else:
        found.set_task(task, "read" if answer.sure and not text else "guessed", answer.why)
    return task


def _compare(opened: _Read, answer: Answer, signature: Signature, made: Path) -> None:
    """Load what was made as a replica will, and hold it against the original on the probed rows."""
    description = ModelDescription(
        task=signature.task,
        signature=signature,
        algorithm=AlgorithmUse(name="imported", title="Imported"),
        artifacts=(Artifact(format="onnx", file=made.name),),
        serve="onnx",
    )
    served: OnnxModel = OnnxRuntime().load(made.parent, description)
    outputs: Outputs = served.infer(_batch(opened, signature))
    expected = answer.expected(opened.outputs)
    actual = np.asarray(outputs["value" if signature.output.kind == "number" else "probabilities"])
    if actual.shape != expected.shape or not np.allclose(actual, expected, rtol=1e-5, atol=1e-6, equal_nan=True):
        raise NotImportable(
            "The graph with the runtime's tensors around it does not answer as the original does.",
            next="Export the model again, with inputs of one type.",
        )


def _batch(opened: _Read, signature: Signature) -> dict[str, Any]:
    columns = [value.reshape(_PROBED_ROWS, -1) for value in opened.feed.values()]
    whole = [column for block in columns for column in block.T]
    if signature.inputs[0].dtype == "text":
        return {"text": whole[0].astype(object)}
    batch: dict[str, Any] = {}
    if signature.numeric:
        batch["numeric"] = np.column_stack([whole[place].astype(np.float64) for place in signature.numeric])
    if signature.categorical:
        batch["categorical"] = np.column_stack([whole[place].astype(object) for place in signature.categorical])
    return batch
