from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tholos import runtimes
from tholos.runtimes import errors
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.runtimes.pickles import is_pickle
from tholos.runtimes.skops import load_pipeline, save_pipeline
from tholos.runtimes.trusted import TYPES
from tholos.tasks.signature import Field, Output, Signature

SIGNATURE = Signature(
    task="tabular-classification",
    inputs=(Field(name="x", dtype="number"),),
    output=Output(name="y", kind="class", labels=("low", "high")),
    example={"x": 0.0},
)
MODEL = ModelDescription(
    task="tabular-classification",
    signature=SIGNATURE,
    algorithm=AlgorithmUse(name="decision_tree", title="Decision tree"),
    artifacts=(Artifact(format="skops", file="model.skops"),),
    serve="skops",
)


class Trap:
    """A pickle of this writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def pipeline() -> Any:
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier

    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    return Pipeline([("prepare", "passthrough"), ("model", DecisionTreeClassifier())]).fit(frame, [0, 0, 1, 1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_pipeline(pipeline(), tmp_path / "model.skops")
    (tmp_path / "model.json").write_bytes(MODEL.to_bytes())
    return tmp_path


def test_a_model_is_loaded_by_its_description(folder):
    loaded = runtimes.load(folder)
    outputs = loaded.infer(loaded.signature.encode([{"x": 0.4}, {"x": 2.6}]))
    assert outputs["label_index"].tolist() == [0, 1]
    assert outputs["probabilities"].dtype == np.float64
    loaded.close()


def test_model_json_survives_the_file(folder):
    read = ModelDescription.read(folder)
    assert read == MODEL
    more = read.with_artifact(Artifact(format="onnx", file="model.onnx"), serve=True)
    assert ModelDescription.from_bytes(more.to_bytes()) == more
    assert more.artifact().file == "model.onnx"
    assert more.artifact("skops").file == "model.skops"


@pytest.mark.parametrize(
    "change",
    [
        {"serve": "onnx"},
        {"format": 2},
        {"task": "tabular-regression"},
        {"signature": {}},
        {"signature": None},
        {"artifacts": [{"format": "skops", "file": "../model.skops"}]},
        {"artifacts": [{"format": "skops", "file": "/etc/passwd"}]},
        {"artifacts": "model.skops"},
        {"algorithm": None},
    ],
)
def test_a_broken_description_is_refused(folder, change):
    described = {**json.loads(MODEL.to_bytes()), **change}
    (folder / "model.json").write_text(json.dumps(described))
    with pytest.raises(errors.BrokenModel) as caught:
        runtimes.load(folder)
    assert caught.value.next


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_a_description_that_is_no_json_is_refused(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(errors.BrokenModel):
        runtimes.load(folder)


def test_missing_files_are_named(folder):
    (folder / "model.skops").unlink()
    with pytest.raises(errors.ModelFileMissing, match=r"model\.skops"):
        runtimes.load(folder)
    (folder / "model.json").unlink()
    with pytest.raises(errors.ModelFileMissing, match=r"model\.json"):
        runtimes.load(folder)


def test_a_format_that_nothing_loads_is_refused(folder):
    with pytest.raises(errors.UnknownFormat, match="keras") as caught:
        runtimes.load(folder, format="keras")
    assert "skops" in caught.value.next


def archive(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("archive/data.pkl", data)
    return buffer.getvalue()


PACKED = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "torch": archive,
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("packed", PACKED)
def test_a_pickle_instead_of_a_model_is_refused_by_name_and_never_opened(folder, packed, protocol):
    trap = folder / "sprung"
    (folder / "model.skops").write_bytes(PACKED[packed](pickle.dumps(Trap(trap), protocol)))
    with pytest.raises(errors.PickleRefused, match=r"model\.skops is a pickle") as caught:
        runtimes.load(folder)
    assert "skops" in caught.value.next
    assert not trap.exists()


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.bin"])
def test_a_pickle_without_a_description_is_refused_by_name(tmp_path, name):
    trap = tmp_path / "sprung"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(errors.PickleRefused, match=name):
        runtimes.load(tmp_path)
    assert not trap.exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], np.arange(3), pipeline()], ids=["dict", "list", "array", "model"])
def test_pickles_are_told_by_their_content(tmp_path, value, protocol):
    (tmp_path / "file").write_bytes(pickle.dumps(value, protocol))
    assert is_pickle(tmp_path / "file")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"hello", b"---\nlicense: mit\n---\n", b"column,other\n1,2\n", b"(in)", b"city\nOslo\nparis\n"],
)
def test_other_files_are_not_taken_for_pickles(tmp_path, folder, content):
    (tmp_path / "file").write_bytes(content)
    assert not is_pickle(tmp_path / "file")
    assert not is_pickle(folder / "model.skops")


def rewritten(folder: Path, change: Any) -> None:
    """Pass the schema of the skops file through `change`."""
    source = folder / "model.skops"
    with zipfile.ZipFile(source) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    schema = json.loads(members["schema.json"])
    members["schema.json"] = json.dumps(change(schema) or schema).encode()
    with zipfile.ZipFile(source, "w") as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)


@pytest.mark.parametrize(
    ("node", "named"),
    [
        ({"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": "system"}, "os.system"),
        (
            {"__class__": "system", "__module__": "posix", "__loader__": "ObjectNode", "content": None},
            "posix.system",
        ),
        ({"__class__": "dict", "__module__": "builtins", "__loader__": "MethodNode"}, "builtins.dict"),
        (
            {"__class__": "PowerTransformer", "__module__": "sklearn.preprocessing._data"},
            "PowerTransformer",
        ),
        ({"__loader__": "OperatorFuncNode"}, "None"),
    ],
)
def test_types_that_are_not_on_the_list_are_refused_by_name(folder, node, named):
    def plant(schema: dict[str, Any]) -> None:
        schema["content"]["content"]["extra"] = node

    rewritten(folder, plant)
    with pytest.raises(errors.UntrustedTypes, match=named) as caught:
        runtimes.load(folder)
    assert caught.value.next


def test_a_pipeline_with_a_foreign_type_is_not_saved(tmp_path):
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(errors.UntrustedTypes, match="KNeighborsClassifier"):
        save_pipeline(model, tmp_path / "model.skops")


def test_every_trusted_type_exists():
    from skops.io._utils import gettype

    for name in TYPES:
        module, _, kind = name.rpartition(".")
        assert gettype(module, kind)


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_a_damaged_file_is_refused(folder, cut):
    data = (folder / "model.skops").read_bytes()
    (folder / "model.skops").write_bytes(data[:cut])
    with pytest.raises(errors.BrokenModel):
        load_pipeline(folder / "model.skops")


def test_a_schema_that_contradicts_itself_is_refused(folder):
    broken = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": 7}
    rewritten(folder, lambda schema: schema.update(content=broken))
    with pytest.raises(errors.BrokenModel):
        load_pipeline(folder / "model.skops")


def test_a_model_of_other_classes_than_its_signature_is_refused(folder):
    wider = json.loads(MODEL.to_bytes())
    wider["signature"]["output"]["labels"] = ["low", "high", "higher"]
    (folder / "model.json").write_text(json.dumps(wider))
    with pytest.raises(errors.BrokenModel, match="2 classes"):
        runtimes.load(folder)
