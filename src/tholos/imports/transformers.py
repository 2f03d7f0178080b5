"""A folder of the transformers library: config.json, tokenizer, weights; described without loading any of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tholos.imports.files import Files, broken
from tholos.imports.findings import Detected, Findings, unserved
from tholos.imports.safetensors import parameters
from tholos.kit.errors import TholosError

_TASKS = (
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForMaskedLM", "fill-mask"),
    ("ForImageClassification", "image-classification"),
    ("ForObjectDetection", "object-detection"),
    ("ForAudioClassification", "audio-classification"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForCTC", "automatic-speech-recognition"),
    ("ForImageTextToText", "image-text-to-text"),
    ("ForConditionalGeneration", "text-generation"),
    ("Model", "feature-extraction"),
)
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
)
_PLAIN = (
    ("hidden size", ("hidden_size", "n_embd", "d_model")),
    ("layers", ("num_hidden_layers", "n_layer", "num_layers")),
    ("context length", ("max_position_embeddings", "n_positions", "max_seq_len")),
    ("vocabulary", ("vocab_size",)),
)
_MAX_SHOWN = 200


def read_transformers(files: Files, path: str, found: Findings) -> Detected:
    """Describe the folder whose configuration is at ``path``. Raises NotImportable."""
    config = files.json(path)
    architectures = config.get("architectures")
    names = [str(name)[:_MAX_SHOWN] for name in architectures[:8]] if isinstance(architectures, list) else []
    kind = config.get("model_type")
    if not names and not isinstance(kind, str):
        raise broken(path, "it names neither model_type nor architectures, so it is not one of transformers")
    found.read("architecture", ", ".join(names) or str(kind)[:_MAX_SHOWN], path)
    if isinstance(kind, str):
        found.read("model type", kind[:_MAX_SHOWN], path)
    if isinstance(config.get("transformers_version"), str):
        found.provenance["transformers_version"] = config["transformers_version"][:40]
    _task(files, names, found)
    for name, keys in _PLAIN:
        value = next((config[key] for key in keys if type(config.get(key)) is int), None)
        if value is not None:
            found.read(name, value, path)
    labels = config.get("id2label")
    if isinstance(labels, dict) and labels:
        found.read("labels", [str(label)[:_MAX_SHOWN] for label in list(labels.values())[:_MAX_SHOWN]], path)
    tokenizer = next((name for name in _TOKENIZERS if name in files), None)
    found.read("tokenizer", tokenizer or "none", "a file of that name" if tokenizer else "no file of a known name")
    _weights(files, config, found)
    return found.blocked(unserved(f"This {found.library} model ({found.facts[0].value})"))


def _task(files: Files, architectures: list[str], found: Findings) -> None:
    if found.corrections.task:
        found.set_task(found.corrections.task, "given", "said when it was imported")
    elif "modules.json" in files or "config_sentence_transformers.json" in files:
        found.library = "sentence-transformers"
        found.set_task("feature-extraction", "read", "modules.json is that of sentence-transformers")
    else:
        for name in architectures:
            task = next((task for ending, task in _TASKS if name.endswith(ending)), None)
            if task is not None:
                found.set_task(task, "guessed", f"from the architecture's name, {name}")
                return


def _weights(files: Files, config: dict[str, Any], found: Findings) -> None:
    stored = sorted(name for name in files.entries if "/" not in name and name.endswith(".safetensors"))
    if stored:
        counted: Counter[str] = Counter()
        for name in stored:
            try:
                with files.open(name) as file:
                    counted.update(parameters(name, file, files.size(name)))
            except TholosError as error:
                found.read("damaged", error.message, name)
                return
        found.read("parameters", sum(counted.values()), ", ".join(stored[:3]))
        found.read("types", ", ".join(f"{kind} {count:,}" for kind, count in counted.most_common(6)), "tensor headers")
        return
    pickles = sorted(name for name in files.entries if name.endswith((".bin", ".pt", ".pth")) and "/" not in name)
    note = "weights in a pickle, which is never opened here: save with safe_serialization" if pickles else "no weights"
    found.read("weights", ", ".join(pickles[:3]) or "none", note)
    dtype = config.get("dtype") or config.get("torch_dtype")
    if isinstance(dtype, str):
        found.read("types", dtype[:40], "config.json")
