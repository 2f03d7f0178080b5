"""Small real models for the tests of serving and gateway: an ONNX graph and a skops pipeline with one signature."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.kit.services import Services
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.tasks.signature import Field, Output, Signature

ROW = {"length": 40.5, "mass": 3750, "island": "Dream"}
ISLANDS = ("Biscoe", "Dream", "Torgersen")


def signature(labels: tuple[str, ...]) -> Signature:
    return Signature(
        task="tabular-classification",
        inputs=(
            Field(name="length", dtype="number", minimum=30.0, maximum=60.0, missing=True),
            Field(name="mass", dtype="integer", minimum=2700, maximum=6300, missing=True),
            Field(name="island", dtype="string", categories=ISLANDS),
        ),
        output=Output(name="species", kind="class", labels=labels),
        example=ROW,
    )


@cache
def onnx_files(*labels: str) -> dict[str, bytes]:
    """Files of a revision whose model is ONNX; ``labels`` tell one such model from another in its answers."""
    chosen = labels or ("Adelie", "Gentoo")
    return {"model.json": description(chosen, "onnx"), "model.onnx": _graph(len(chosen))}


@cache
def skops_files(*labels: str) -> dict[str, bytes]:
    """Files of a revision whose model is a scikit-learn pipeline in a skops file."""
    chosen = labels or ("Adelie", "Gentoo")
    return {"model.json": description(chosen, "skops"), "model.skops": _pipeline(signature(chosen))}


def image_files() -> dict[str, bytes]:
    """Files of a revision that classifies 4x4 grey images as dark or bright."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "middle"], ["level"]),
        helper.make_node("Unsqueeze", ["level", "last"], ["column"]),
        helper.make_node("Mul", ["column", "scale"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label_index"], axis=1, keepdims=0),
    ]
    constants = [
        helper.make_tensor("middle", TensorProto.FLOAT, [], [128.0]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        helper.make_tensor("scale", TensorProto.FLOAT, [1, 2], [-0.1, 0.1]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["rows", 4, 4, 1])]
    model = ModelDescription(
        task="image-classification",
        signature=Signature(
            task="image-classification",
            inputs=(Field(name="image", dtype="image", shape=(4, 4, 1)),),
            output=Output(name="light", kind="class", labels=("dark", "bright")),
            example=png_base64(0),
        ),
        algorithm=AlgorithmUse(name="mean", title="Mean"),
        artifacts=(Artifact(format="onnx", file="model.onnx"),),
        serve="onnx",
    )
    graph = _serialised(nodes, inputs, constants, TensorProto.FLOAT, 2)
    return {"model.json": model.to_bytes(), "model.onnx": graph}


def png(level: int) -> bytes:
    """A 4x4 grey image of one brightness, 0..255."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (4, 4), level).save(buffer, "PNG")
    return buffer.getvalue()


def png_base64(level: int) -> str:
    import base64

    return base64.b64encode(png(level)).decode()


def description(labels: tuple[str, ...], artifact_format: str, file: str | None = None) -> bytes:
    return ModelDescription(
        task="tabular-classification",
        signature=signature(labels),
        algorithm=AlgorithmUse(name="logistic_regression", title="Logistic regression"),
        artifacts=(Artifact(format=artifact_format, file=file or f"model.{artifact_format}"),),
        serve=artifact_format,
    ).to_bytes()


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def _graph(labels: int) -> bytes:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("IsNaN", ["numeric"], ["gaps"]),
        helper.make_node("Where", ["gaps", "zero", "numeric"], ["filled"]),
        helper.make_node(
            "LabelEncoder",
            ["categorical"],
            ["codes"],
            domain="ai.onnx.ml",
            keys_strings=list(ISLANDS),
            values_floats=[1.0, 2.0, 3.0],
            default_float=0.0,
        ),
        helper.make_node("Cast", ["codes"], ["islands"], to=TensorProto.DOUBLE),
        helper.make_node("Concat", ["filled", "islands"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label_index"], axis=1, keepdims=0),
    ]
    weights = np.zeros((3, labels))
    weights[0, 0] = 0.05
    weights[1, -1] = 0.0005
    weights[2, 0] = -0.1
    constants = [
        helper.make_tensor("zero", TensorProto.DOUBLE, [], [0.0]),
        helper.make_tensor("weights", TensorProto.DOUBLE, [3, labels], weights.reshape(-1)),
    ]
    inputs = [
        helper.make_tensor_value_info("numeric", TensorProto.DOUBLE, ["rows", 2]),
        helper.make_tensor_value_info("categorical", TensorProto.STRING, ["rows", 1]),
    ]
    return _serialised(nodes, inputs, constants, TensorProto.DOUBLE, labels)


def _serialised(nodes: list, inputs: list, constants: list, element: int, labels: int) -> bytes:
    from onnx import TensorProto, checker, helper

    outputs = [
        helper.make_tensor_value_info("label_index", TensorProto.INT64, ["rows"]),
        helper.make_tensor_value_info("probabilities", element, ["rows", labels]),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "sample", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    checker.check_model(model)
    return model.SerializeToString()


def _pipeline(of: Signature) -> bytes:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    from tholos.runtimes.frames import frame_of
    from tholos.runtimes.skops import save_pipeline

    dice = np.random.default_rng(0)
    batch = {
        "numeric": dice.normal([45.0, 4200.0], [5.0, 500.0], (60, 2)),
        "categorical": dice.choice(np.array(ISLANDS, dtype=object), (60, 1)),
    }
    target = np.arange(60) % len(of.output.labels or ())
    pipeline = Pipeline(
        [
            (
                "prepare",
                ColumnTransformer(
                    [
                        ("numeric", SimpleImputer(strategy="median"), ["length", "mass"]),
                        ("categorical", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["island"]),
                    ]
                ),
            ),
            ("model", LogisticRegression(max_iter=5000)),
        ]
    ).fit(frame_of(of, batch), target)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        save_pipeline(pipeline, path)
        return path.read_bytes()


def publish(services: Services, actor: Actor, files: dict[str, bytes], name: str = "ada/penguins") -> str:
    """Commits files to a model repo, made if absent; returns the commit's id."""
    repo = hub.ensure_repo(services.database, services.blobs, actor, hub.RepoKind.MODEL, name)
    operations = [hub.AddBytes(path, data) for path, data in files.items()]
    return hub.commit(services.database, services.blobs, actor, repo, operations, "Add a model").commit_id
