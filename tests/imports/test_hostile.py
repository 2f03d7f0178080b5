"""Files that lie, break off or reach out: a clear word, nothing half-written, and the server lives."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable

import foreign_models as foreign
import foreign_transformers as transformers
import pytest
from onnx import TensorProto, helper

from tholos.imports.errors import NotImportable
from tholos.runtimes.errors import BrokenModel
from tholos.runtimes.gguf_header import read_header


def header(entries: int = 0, tensors: int = 0, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries) + rest


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def onnx_with_weights_at(location: str) -> bytes:
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    tensor = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[4, 1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model.SerializeToString()


MLMODEL = "flavors:\n  sklearn:\n    pickled_model: {path}\n    serialization_format: skops\n"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends within"),
        (b"PK\x03\x04", "does not begin"),
        (header(version=99), "version is 99"),
        (header(version=3 << 24), "big-endian"),
        (header(entries=1 << 60), "announces"),
        (header(tensors=1 << 60), "announces"),
        (header(entries=1), "ends within"),
        (header(entries=1, rest=struct.pack("<Q", 1 << 62)), "a text announces"),
        (header(entries=1, rest=text("k") + struct.pack("<I", 77)), "unknown type 77"),
        (header(entries=1, rest=text("k") + struct.pack("<IIQ", 9, 8, 1 << 40)), "array announces"),
        (header(entries=1, rest=text("k") + struct.pack("<IIQ", 9, 9, 1)), "items of the unknown type"),
        (header(entries=1, rest=text("k") + struct.pack("<IIQ", 9, 4, 4_000_000)), "more than it holds"),
        (header(tensors=1, rest=text("t") + struct.pack("<I", 1 << 31)), "dimensions"),
        (header(tensors=1, rest=text("t") + struct.pack("<IQQQQ", 4, *[1 << 40] * 4)), "more values"),
    ],
)
def test_a_gguf_header_that_lies_is_refused(data, why):
    with pytest.raises(BrokenModel, match=why):
        read_header(io.BytesIO(data), len(data))


@pytest.mark.parametrize("cut", [4, 20, 60, 200])
def test_a_gguf_file_that_is_cut_off_is_refused(cut):
    data = foreign.gguf_bytes()[:cut]
    with pytest.raises(BrokenModel, match="ends within"):
        read_header(io.BytesIO(data), len(data))


CASES: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "an ONNX file that is text": (lambda: {"m.onnx": b"hello"}, "not an ONNX file"),
    "an empty ONNX file": (lambda: {"m.onnx": b""}, "not an ONNX file"),
    "an ONNX file cut off": (lambda: {"m.onnx": foreign.network_onnx()[:60]}, "m.onnx"),
    "an ONNX file that is a pickle": (lambda: {"m.onnx": pickle.dumps({"a": 1})}, "is a pickle"),
    "weights outside of the folder": (
        lambda: {"m.onnx": onnx_with_weights_at("../../etc/passwd")},
        "not a file beside it",
    ),
    "weights at an absolute path": (lambda: {"m.onnx": onnx_with_weights_at("/etc/passwd")}, "not a file beside it"),
    "weights that are not there": (lambda: {"m.onnx": onnx_with_weights_at("w.bin")}, "not in its revision"),
    "weights that are cut off": (lambda: {"m.onnx": onnx_with_weights_at("w.bin"), "w.bin": b"\0"}, "m.onnx"),
    "a fixed number of rows": (lambda: {"m.onnx": foreign.network_onnx(rows=1)}, "takes exactly 1 rows"),
    "an input of three axes": (
        lambda: {"m.onnx": foreign.network_onnx(shape=["rows", 2, 4])},
        "shapes that rows of columns do not fill",
    ),
    "a skops file that is text": (lambda: {"m.skops": b"hello"}, "not a skops file"),
    "a skops file that is a pickle": (lambda: {"m.skops": pickle.dumps([1])}, "is a pickle"),
    "a skops file without a schema": (lambda: {"m.skops": zipped({"x": b""})}, "not a skops file"),
    "a pickle": (lambda: {"m.pkl": pickle.dumps([1])}, "is a pickle"),
    "an MLmodel that leads out": (
        lambda: {"MLmodel": MLMODEL.format(path="../../../etc/passwd").encode()},
        "not a file of the revision",
    ),
    "an MLmodel at an absolute path": (
        lambda: {"MLmodel": MLMODEL.format(path="/etc/passwd").encode()},
        "not a file of the revision",
    ),
    "an MLmodel full of aliases": (lambda: {"MLmodel": b"a: &a [1]\nb: *a\n"}, "anchors or aliases"),
    "an MLmodel that builds objects": (lambda: {"MLmodel": b"a: !!python/object:os.system {}\n"}, "YAML tags"),
    "an MLmodel that is binary": (lambda: {"MLmodel": b"\xff\xfe\x00"}, "MLmodel cannot be read"),
    "an MLmodel that is huge": (lambda: {"MLmodel": b"#" * (1 << 20)}, "at most"),
    "an MLmodel with a broken signature": (
        lambda: {
            "MLmodel": MLMODEL.format(path="model.skops").encode() + b"signature:\n  inputs: '[{'\n",
            "model.skops": foreign.skops_bytes(foreign.named()),
        },
        "are not JSON",
    ),
    "an MLmodel without flavors": (lambda: {"MLmodel": b"a: 1\n"}, "python_function"),
    "a config.json that is no object": (lambda: {"config.json": b"[1]"}, "not a JSON object"),
    "a config.json of brackets": (lambda: {"config.json": b"[" * 100_000}, "not JSON"),
    "a config.json of something else": (lambda: {"config.json": b"{}"}, "neither model_type nor architectures"),
    "a transformers folder without weights": (
        lambda: {"config.json": transformers.counting()["config.json"]},
        "no model.safetensors",
    ),
    "a transformers folder of pickles": (
        lambda: {"config.json": transformers.counting()["config.json"], "pytorch_model.bin": b"\x80\x04N."},
        "in a pickle",
    ),
    "a transformers folder of many layers": (
        lambda: (
            transformers.counting()
            | {"config.json": b'{"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1000}'}
        ),
        "says 1,000 layers",
    ),
    "a transformers folder in quantized form": (
        lambda: (
            transformers.counting()
            | {"config.json": b'{"architectures": ["LlamaForCausalLM"], "quantization_config": {"bits": 4}}'}
        ),
        "quantized weights",
    ),
    "a transformers folder without a tokenizer": (
        lambda: {path: data for path, data in transformers.counting().items() if path != "tokenizer.json"},
        "no tokenizer.json",
    ),
    "a GGUF file that is text": (lambda: {"m.gguf": b"hello"}, "does not begin"),
    "a GGUF file cut off in its weights": (lambda: {"m.gguf": foreign.letters_gguf()[:-4096]}, "cut off"),
    "a part of a GGUF model": (lambda: {"m.gguf": foreign.gguf_bytes(metadata={"split.count": 3})}, "several parts"),
    "an adapter in GGUF": (
        lambda: {"m.gguf": foreign.gguf_bytes(metadata={"general.type": "adapter"})},
        "of the type 'adapter'",
    ),
    "a GGUF file of a strange alignment": (
        lambda: {"m.gguf": foreign.gguf_bytes(metadata={"general.alignment": 33})},
        "not a power of two",
    ),
}


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("case", CASES)
def test_the_obstacle_is_named_and_nothing_is_written(described, imported, bench, case):
    make, why = CASES[case]
    told = described(make())
    assert told["state"] == "ready"
    assert not told["importable"]
    assert why in told["obstacle"]["message"]
    assert told["obstacle"]["next"]
    assert str(bench.folder) not in told["obstacle"]["message"]
    before = bench.files("ada/foreign")
    if told["obstacle"]["code"] != "runtime_missing":
        with pytest.raises(NotImportable):
            imported()
        assert bench.files("ada/foreign") == before


@pytest.mark.parametrize("form", ["cloudpickle", "pickle"])
def test_a_pickled_mlflow_model_is_refused_with_the_way_out(described, tmp_path, form):
    told = described(foreign.mlflow_folder(tmp_path / "mlflow", foreign.named(), form))
    assert told["obstacle"]["code"] == "pickle_refused"
    assert 'serialization_format="skops"' in told["obstacle"]["next"]


def test_untrusted_types_are_named(described):
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1])
    told = described({"m.skops": foreign.skops_bytes(model)})
    assert told["obstacle"]["code"] == "model_untrusted_types"
    assert "KNeighborsClassifier" in told["obstacle"]["message"]


def test_a_function_transformer_that_calls_something_is_refused(described):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=1000)).fit(foreign.IRIS, foreign.NAMES)
    model.steps[0][1].func = dict
    told = described({"m.skops": foreign.skops_bytes(model)})
    assert told["obstacle"]["code"] in ("model_broken", "model_untrusted_types")


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 128]}}, 128),
        ({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 40]}}, 128),
        ({"w": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 4]}}, 128),
        ({"w": 7}, 128),
    ],
)
def test_safetensors_that_lie_are_said_to_be_damaged(described, header, data):
    files = {**transformers.counting(), "model.safetensors": foreign.safetensors_bytes(header, data)}
    told = described(files)
    assert "model.safetensors cannot be read" in told["obstacle"]["message"]
    assert not told["importable"]


@pytest.mark.parametrize(
    ("corrections", "why"),
    [
        ({"label_names": ["a"]}, "1 label names were given"),
        ({"label_names": ["a", "b", "a"]}, "two labels read the same"),
        ({"input_names": ["a"]}, "1 input names were given"),
        ({"input_names": ["a", "a", "b", "c"]}, "two inputs have the same name"),
        ({"task": "tabular-regression"}, "answers 3 numbers a row"),
        ({"task": "image-classification"}, "cannot serve as image-classification"),
        ({"task": "text-generation"}, "cannot serve as text-generation"),
    ],
)
def test_corrections_that_do_not_fit_are_refused(described, imported, bench, corrections, why):
    described({"net.onnx": foreign.network_onnx()})
    with pytest.raises(NotImportable, match=why):
        imported(**corrections)
    assert "model.json" not in bench.files("ada/foreign")


@pytest.mark.parametrize(
    ("corrections", "why"),
    [
        ({"task": "text-classification"}, "cannot serve as text-classification"),
        ({"label_names": ["a", "b"]}, "no classes"),
        ({"input_names": ["a", "b"]}, "2 input names were given"),
    ],
)
@pytest.mark.parametrize("form", ["gguf", "transformers"])
def test_corrections_of_a_language_model_that_do_not_fit_are_refused(
    described, imported, bench, corrections, why, form
):
    described({"m.gguf": foreign.letters_gguf()} if form == "gguf" else transformers.counting())
    with pytest.raises(NotImportable, match=why):
        imported(**corrections)
    assert "model.json" not in bench.files("ada/foreign")


def test_a_description_that_its_job_did_not_survive_is_told_as_failed(bench, as_ada):
    from tholos.jobs import service as jobs
    from tholos.jobs.models import Job

    bench.push("ada/foreign", {"net.onnx": foreign.network_onnx()})
    bench.hear()
    assert as_ada.get("/api/v1/models/ada/foreign/description").json()["state"] == "pending"
    with bench.services.database.write() as write:
        job = write.query(Job).filter(Job.kind == "imports.describe").one()
        jobs.cancel(write, bench.owner, job.id)
    bench.hear()
    told = as_ada.get("/api/v1/models/ada/foreign/description").json()
    assert (told["state"], told["obstacle"]["code"]) == ("failed", "description_failed")
