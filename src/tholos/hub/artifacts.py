"""What the files of a model say about it: parameters, architecture, library, task.

Only headers are read, within bounds, and each content once per process. Whoever may push writes these files: whatever
they hold, reading them ends and raises nothing; what cannot be read is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, TypeVar

import orjson

from tholos.hub.gguf import read_gguf
from tholos.hub.trees import TreeEntry
from tholos.kit.blobs import BlobStore

T = TypeVar("T")
MAX_HEADER_BYTES: Final = 25_000_000
"""As Hugging Face's own readers have it."""
_MAX_HEADERS_BYTES: Final = 100_000_000
_MAX_JSON_BYTES: Final = 1 << 20
_MAX_SHARDS: Final = 256
_MAX_TYPES: Final = 32
_GGUF_TRIED: Final = 4
_KEPT: Final = 1024
_DTYPE: Final = re.compile(r"[A-Z0-9_]{1,16}")
_CONFIG_KEYS: Final = ("architectures", "model_type", "quantization_config", "auto_map", "tokenizer_config")
_MAX_CONFIG_CHARACTERS: Final = 4_000

# From the architecture's last word to the task and to the class that loads it.
_HEADS: Final[Mapping[str, tuple[str, str]]] = {
    "ForCausalLM": ("text-generation", "AutoModelForCausalLM"),
    "LMHeadModel": ("text-generation", "AutoModelForCausalLM"),
    "ForConditionalGeneration": ("text2text-generation", "AutoModelForSeq2SeqLM"),
    "ForMaskedLM": ("fill-mask", "AutoModelForMaskedLM"),
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForImageClassification": ("image-classification", "AutoModelForImageClassification"),
    "ForObjectDetection": ("object-detection", "AutoModelForObjectDetection"),
    "ForAudioClassification": ("audio-classification", "AutoModelForAudioClassification"),
    "ForVideoClassification": ("video-classification", "AutoModelForVideoClassification"),
    "ForCTC": ("automatic-speech-recognition", "AutoModelForCTC"),
    "ForSpeechSeq2Seq": ("automatic-speech-recognition", "AutoModelForSpeechSeq2Seq"),
    "Model": ("feature-extraction", "AutoModel"),
}
_FORMATS: Final[Mapping[str, str]] = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".onnx": "onnx",
    ".skops": "skops",
    ".keras": "keras",
    ".tflite": "tflite",
}
# The first of these files that is there tells the library; after them, the formats do.
_LIBRARY_FILES: Final = (
    ("model_index.json", "diffusers"),
    ("adapter_config.json", "peft"),
    ("modules.json", "sentence-transformers"),
)
_LIBRARY_FORMATS: Final = (("gguf", "gguf"), ("skops", "sklearn"), ("keras", "keras"), ("onnx", "onnx"))


def describe(blobs: BlobStore, files: Sequence[TreeEntry]) -> dict[str, Any]:
    """What a model's files tell, as plain JSON: an entry only where there is something to tell.

    ``config`` (the known part of config.json), ``safetensors`` and ``gguf`` (with ``total`` parameters),
    ``transformersInfo``, ``library_name``, ``pipeline_tag``, ``formats``.
    """
    top = {entry.path: entry for entry in files if entry.type == "file" and "/" not in entry.path}
    found: dict[str, Any] = {
        "config": _config(blobs, top.get("config.json")),
        "safetensors": _safetensors(blobs, [top[path] for path in sorted(top) if path.endswith(".safetensors")]),
        "gguf": _gguf(blobs, [top[path] for path in sorted(top) if path.endswith(".gguf")]),
        "formats": sorted(
            {_FORMATS[suffix] for entry in files if (suffix := PurePosixPath(entry.path).suffix) in _FORMATS}
        ),
    }
    found["library_name"] = _library(top, found)
    if found["library_name"] == "transformers":
        found |= _transformers(found["config"])
    elif found["library_name"] == "sentence-transformers":
        found["pipeline_tag"] = "sentence-similarity"
    elif found["gguf"]:
        found["pipeline_tag"] = "text-generation"
    return {name: value for name, value in found.items() if value}


def safetensors_headers(blobs: BlobStore, files: Iterable[TreeEntry]) -> dict[str, dict[str, Any]]:
    """The header of each safetensors file by its path, without those that cannot be read or are too long together."""
    headers: dict[str, dict[str, Any]] = {}
    room = _MAX_HEADERS_BYTES
    for entry in files:
        with blobs.open(entry.sha256 or "") as file:
            length = _header_length(file)
            room -= length
            data = file.read(length) if room >= 0 else b""
        header = _attempt(_json, data)
        if header is not None:
            headers[entry.path] = header
    return headers


def safetensors_index(blobs: BlobStore, entry: TreeEntry) -> tuple[list[str], dict[str, Any]]:
    """The shards that a `model.safetensors.index.json` names, and its metadata; nothing where it is broken.

    Shards lie beside their index: other paths are left out, and so is what is over 256.
    """
    with blobs.open(entry.sha256 or "") as file:
        index = _attempt(_json, file.read(MAX_HEADER_BYTES)) or {}
    weights, metadata = index.get("weight_map"), index.get("metadata")
    named = weights.values() if isinstance(weights, dict) else ()
    shards = dict.fromkeys(name for name in named if isinstance(name, str) and "/" not in name)
    folder = entry.path.rpartition("/")[0]
    paths = [f"{folder}/{name}" if folder else name for name in shards]
    return paths[:_MAX_SHARDS], metadata if isinstance(metadata, dict) else {}


def parameters_of(header: Mapping[str, Any]) -> Counter[str]:
    """How many numbers of each type a safetensors header names; what it says wrongly counts for nothing."""
    counts: Counter[str] = Counter()
    for name, tensor in header.items():
        if name == "__metadata__" or not isinstance(tensor, dict):
            continue
        shape, kind = tensor.get("shape"), tensor.get("dtype")
        if (
            isinstance(kind, str)
            and _DTYPE.fullmatch(kind)
            and isinstance(shape, list)
            and len(shape) <= 16
            and all(type(size) is int and 0 <= size < 1 << 40 for size in shape)
        ):
            counts[kind] += min(math.prod(shape), 1 << 50)
    return counts


def _safetensors(blobs: BlobStore, files: Sequence[TreeEntry]) -> dict[str, Any] | None:
    counts: Counter[str] = Counter()
    for entry in files[:_MAX_SHARDS]:
        known = _parameters_in(blobs, entry.sha256 or "")  # type: ignore[arg-type]  # stores are told apart by identity
        counts.update(dict(known))
    counts = Counter(dict(counts.most_common(_MAX_TYPES)))
    return {"parameters": dict(counts), "total": sum(counts.values())} if counts else None


@lru_cache(maxsize=_KEPT)
def _parameters_in(blobs: BlobStore, sha256: str) -> tuple[tuple[str, int], ...]:
    with blobs.open(sha256) as file:
        header = _attempt(_json, file.read(_header_length(file)))
    return tuple(parameters_of(header).items()) if header else ()


def _header_length(file: BinaryIO) -> int:
    """Bytes of JSON that follow in a safetensors file; 0 where it is none."""
    length = int.from_bytes(file.read(8), "little")
    return length if length <= MAX_HEADER_BYTES else 0


def _gguf(blobs: BlobStore, files: Sequence[TreeEntry]) -> dict[str, Any] | None:
    """Of the first file that can be read: the others are mostly the same model in another precision."""
    found = (_gguf_of(blobs, entry.sha256 or "") for entry in files[:_GGUF_TRIED])  # type: ignore[arg-type]  # as above
    return next((dict(known) for known in found if known), None)


@lru_cache(maxsize=_KEPT)
def _gguf_of(blobs: BlobStore, sha256: str) -> tuple[tuple[str, Any], ...]:
    with blobs.open(sha256) as file:
        return tuple((_attempt(read_gguf, file) or {}).items())


def _config(blobs: BlobStore, entry: TreeEntry | None) -> dict[str, Any] | None:
    if entry is None or (entry.size or 0) > _MAX_JSON_BYTES:
        return None
    with blobs.open(entry.sha256 or "") as file:
        config = _attempt(_json, file.read(_MAX_JSON_BYTES)) or {}
    kept: dict[str, Any] = {key: config[key] for key in _CONFIG_KEYS if key in config}
    text = json.dumps(kept)
    return kept if kept and len(text) <= _MAX_CONFIG_CHARACTERS and "\\u0000" not in text else None


def _json(data: bytes) -> dict[str, Any]:
    value = orjson.loads(data)  # bounds the depth by itself, and takes neither NaN nor lone surrogates
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of the kind that every reader of these bytes raises
    return value


def _attempt(reading: Callable[[T], dict[str, Any]], what: T) -> dict[str, Any] | None:
    """What was read, or None where the bytes are not what their name says."""
    try:
        return reading(what)
    except ValueError:
        return None


def _library(top: Mapping[str, TreeEntry], found: Mapping[str, Any]) -> str | None:
    for path, library in _LIBRARY_FILES:
        if path in top:
            return library
    config = found["config"] or {}
    if isinstance(config.get("model_type"), str) or isinstance(config.get("architectures"), list):
        return "transformers"
    return next((library for name, library in _LIBRARY_FORMATS if name in found["formats"]), None)


def _transformers(config: Mapping[str, Any] | None) -> dict[str, Any]:
    architectures = (config or {}).get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else None
    if not isinstance(first, str):
        return {"transformersInfo": {"auto_model": "AutoModel"}}
    for ending, (task, loader) in _HEADS.items():
        if first.endswith(ending):
            return {"pipeline_tag": task, "transformersInfo": {"auto_model": loader, "pipeline_tag": task}}
    return {"transformersInfo": {"auto_model": "AutoModel"}}
