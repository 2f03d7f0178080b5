"""Models as other tools write them, small and real."""

from __future__ import annotations

import io
import json
import struct
import warnings
from functools import cache
from itertools import pairwise
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
    """A GGUF file as llama.cpp's converter lays it out, with the header of a small Llama and empty tensors."""
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
    described = [(f"blk.{place}.weight", (64, 32), 12, 0) for place in range(tensors)]
    return _gguf(entries, described, b"\0" * 4096)


LETTERS = "abcdefghijklmnopqrstuvwxyz"
ANSWER_BEGINS_AT = (
    "{% for message in messages %}{{ message.content }}{% endfor %}{% if add_generation_prompt %}M{% endif %}"
)
"""A chat template that has a model of letters go on from M, whatever it was told."""


def letters_gguf(*, context: int = 2048, template: str = "", architecture: str = "llama") -> bytes:
    """A Llama of one layer that goes on with the alphabet, ends after z, and goes round the digits without end.

    Each byte is a token whose vector is that of no other; what comes out is the vector of the byte that follows.
    """
    rng = np.random.default_rng(0)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    width, count = 64, len(tokens)
    known = rng.standard_normal((count, width)).astype("<f4")
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    following = {3 + ord(left): 3 + ord(right) for left, right in pairwise(LETTERS)}
    following |= {3 + ord(left): 3 + ord(right) for left, right in pairwise(LETTERS.upper())}
    following |= {3 + ord(left): 3 + ord(right) for left, right in pairwise("01234567890")}
    following |= {3 + ord("z"): 2, 3 + ord("Z"): 2}
    answers = np.zeros((count, width), dtype="<f4")
    for token in range(count):
        answers[following.get(token, token)] += known[token]
    weights = {
        "token_embd.weight": known,
        "output_norm.weight": np.ones(width, dtype="<f4"),
        "output.weight": answers,
        "blk.0.attn_norm.weight": np.ones(width, dtype="<f4"),
        "blk.0.ffn_norm.weight": np.ones(width, dtype="<f4"),
        **{f"blk.0.attn_{part}.weight": np.zeros((width, width), dtype="<f4") for part in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{part}.weight": np.zeros((width, width), dtype="<f4") for part in ("gate", "up", "down")},
    }
    sizes = {"embedding_length": width, "feed_forward_length": width, "block_count": 1, "context_length": context}
    entries: dict[str, Any] = {
        "general.architecture": architecture,
        "general.name": "Letters",
        "general.file_type": 0,
        **{f"{architecture}.{key}": value for key, value in sizes.items()},
        f"{architecture}.attention.head_count": 2,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{architecture}.vocab_size": count,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * count,
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        **({"tokenizer.chat_template": template} if template else {}),
    }
    data, described = b"", []
    for name, values in weights.items():
        described.append((name, values.shape[::-1], 0, len(data)))
        data += values.tobytes()
        data += b"\0" * (-len(data) % 32)
    return _gguf(entries, described, data)


def _gguf(entries: dict[str, Any], tensors: list[tuple[str, tuple[int, ...], int, int]], data: bytes) -> bytes:
    """``tensors``: name, extents, type, place in ``data``."""
    out = io.BytesIO()
    out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)))
    for key, value in entries.items():
        out.write(_gguf_text(key))
        if isinstance(value, list):
            kind = _GGUF_ITEMS[type(value[0])]
            out.write(struct.pack("<IIQ", 9, kind, len(value)) + b"".join(map(_gguf_value, value)))
        else:
            out.write(struct.pack("<I", _GGUF_TYPES[type(value)]) + _gguf_value(value))
    for name, extents, kind, offset in tensors:
        out.write(_gguf_text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, offset))
    out.write(b"\0" * (-out.tell() % 32) + data)
    return out.getvalue()


_GGUF_TYPES = {int: 4, float: 6, str: 8}
_GGUF_ITEMS = {int: 5, float: 6, str: 8}


def _gguf_value(value: Any) -> bytes:
    if isinstance(value, str):
        return _gguf_text(value)
    return struct.pack("<f" if isinstance(value, float) else "<I", value)


def _gguf_text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def safetensors_bytes(header: dict[str, Any], data: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * data
