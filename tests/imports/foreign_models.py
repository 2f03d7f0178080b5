"""Models as other tools write them, small and real."""

from __future__ import annotations

import io
import json
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

IRIS, SPECIES = load_iris(return_X_y=True, as_frame=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
SUGAR, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
ISLANDS = pd.DataFrame({"length": [1.0, 2.0, 3.0, 4.0] * 5, "island": ["Dream", "Biscoe", "Dream", "Torgersen"] * 5})
SEXES = np.array(["f", "m", "f", "m"] * 5)


@cache
def named() -> Any:
    """Fitted on a data frame, with text labels."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(IRIS, NAMES)


@cache
def unnamed() -> Any:
    """Fitted on an array, with numbered classes, and no pipeline around it."""
    return RandomForestClassifier(n_estimators=5, random_state=0).fit(IRIS.to_numpy(), SPECIES.to_numpy())


@cache
def regression() -> Any:
    return make_pipeline(StandardScaler(), Ridge()).fit(SUGAR, PROGRESS)


@cache
def mixed() -> Any:
    prepare = ColumnTransformer(
        [("one", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["island"])], remainder="passthrough"
    )
    return Pipeline([("columns", prepare), ("fit", LogisticRegression())]).fit(ISLANDS, SEXES)


def skops_bytes(model: Any) -> bytes:
    import skops.io

    return skops.io.dumps(model)


@cache
def onnx_bytes(model: Any, *, zipmap: bool = True, columns: bool = False) -> bytes:
    from skl2onnx import to_onnx

    frame = SUGAR if model is regression() else IRIS
    sample = frame[:1].astype(np.float32) if columns else frame.to_numpy().astype(np.float32)[:1]
    options = {} if zipmap or model is regression() else {"zipmap": False}
    return to_onnx(model, sample, options=options).SerializeToString()


def network_onnx(
    *, last: str = "", outputs: int = 3, rows: int | str = "rows", metadata: dict[str, str] | None = None, shape=None
) -> bytes:
    """A linear layer as a deep-learning framework exports it: scores, no classes, columns without names."""
    from onnx import TensorProto, helper

    weights = np.linspace(-1, 1, 4 * outputs, dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["numeric", "w"], ["scores"])]
    if last:
        nodes.append(helper.make_node(last, ["scores"], ["probs"]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, shape or [rows, 4])],
        [helper.make_tensor_value_info("probs" if last else "scores", TensorProto.FLOAT, [rows, outputs])],
        [helper.make_tensor("w", TensorProto.FLOAT, [4, outputs], weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def mlflow_folder(folder: Path, model: Any, form: str = "skops", *, example: bool = True) -> Path:
    """Written by mlflow itself: ``form`` is a serialization of its sklearn flavor, or "onnx"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.models import infer_signature

        frame = {id(regression()): SUGAR, id(mixed()): ISLANDS}.get(id(model), IRIS)
        signature = infer_signature(frame, model.predict(frame))
        shown = {"input_example": frame[:2]} if example else {}
        if form == "onnx":
            import onnx

            graph = onnx.load_from_string(onnx_bytes(model))
            mlflow.onnx.save_model(graph, str(folder), signature=signature, pip_requirements=["onnx"])
        else:
            mlflow.sklearn.save_model(
                model,
                str(folder),
                signature=signature,
                serialization_format=form,
                pip_requirements=["scikit-learn"],
                **shown,
            )
    return folder


def gguf_bytes(*, metadata: dict[str, Any] | None = None, tensors: int = 2) -> bytes:
    """A GGUF file as llama.cpp's converter lays it out, with a header that tells of a small Llama."""
    entries: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.file_type": 15,
        "llama.context_length": 2048,
        "llama.block_count": 2,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": ["a", "b", "c"],
        "tokenizer.chat_template": "{{ messages }}",
        **(metadata or {}),
    }
    out = io.BytesIO()
    out.write(b"GGUF" + struct.pack("<IQQ", 3, tensors, len(entries)))
    for key, value in entries.items():
        out.write(_gguf_text(key))
        if isinstance(value, str):
            out.write(struct.pack("<I", 8) + _gguf_text(value))
        elif isinstance(value, list):
            out.write(struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_gguf_text, value)))
        else:
            out.write(struct.pack("<II", 4, value))
    for place in range(tensors):
        out.write(_gguf_text(f"blk.{place}.weight") + struct.pack("<IQQIQ", 2, 64, 32, 12, 0))
    out.write(b"\0" * 4096)
    return out.getvalue()


def _gguf_text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def transformers_files() -> dict[str, bytes]:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "max_position_embeddings": 128,
        "vocab_size": 32,
        "transformers_version": "5.1.0",
    }
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": safetensors_bytes({"w": {"dtype": "F32", "shape": [4, 8], "data_offsets": [0, 128]}}, 128),
    }


def safetensors_bytes(header: dict[str, Any], data: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * data
