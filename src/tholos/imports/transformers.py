"""A folder of the transformers library: config.json, tokenizer, weights; described without loading any of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tholos.imports.errors import NotImportable
from tholos.imports.files import Files, broken
from tholos.imports.findings import (
    Detected,
    Findings,
    Hints,
    generation_signature,
    named_inputs,
    named_labels,
    signature_of,
)
from tholos.imports.report import Obstacle
from tholos.runtimes.checkpoint import (
    CHAT_TEMPLATE,
    CONFIG_JSON,
    CONTEXT,
    EXPORT,
    INDEX_JSON,
    LAYERS,
    TOKENIZER_CONFIG_JSON,
    check_layers,
    check_tokenizer,
    context_of,
    labels_of,
    weights_of,
    why_not_served,
)
from tholos.runtimes.generation import MAX_NEW_TOKENS
from tholos.runtimes.safetensors_header import parameters, read_header
from tholos.tasks.signature import Field, Signature

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
    ("ForConditionalGeneration", "text2text-generation"),
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
    ("layers", LAYERS),
    ("context length", CONTEXT),
    ("vocabulary", ("vocab_size",)),
)
_MAX_SHOWN = 200
_UNNAMED = ("LABEL_0", "LABEL_1")


def read_transformers(files: Files, path: str, found: Findings) -> Detected:
    """Describe the folder whose configuration is at ``path``. Raises NotImportable, BrokenModel, PickleRefused."""
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
    tokenizer = next((name for name in _TOKENIZERS if name in files), None)
    found.read("tokenizer", tokenizer or "none", "a file of that name" if tokenizer else "no file of a known name")
    if path != CONFIG_JSON:
        return found.blocked(_within(path))
    tensors = _weights(files, found)
    if (reason := why_not_served(found.task, config)) is not None:
        return found.blocked(Obstacle(code="runtime_missing", message=reason, next=EXPORT))
    check_tokenizer(files.entries)
    check_layers(config, tensors)
    return found.served(_signature(files, config, found), "transformers", path, None)


def _within(path: str) -> Obstacle:
    folder = path.rpartition("/")[0]
    return Obstacle(
        code="runtime_missing",
        message=f"The transformers model lies in the folder {folder}, and is served from the root of a repo only.",
        next=f"Push what is in {folder} as a repo of its own: `tholos import {folder} NAMESPACE/NAME`.",
    )


def _signature(files: Files, config: dict[str, Any], found: Findings) -> Signature:
    """Raises NotImportable, BrokenModel."""
    about = files.json(TOKENIZER_CONFIG_JSON) if TOKENIZER_CONFIG_JSON in files else {}
    context = context_of(config, about)
    if found.task == "text-generation":
        found.read("chat template", CHAT_TEMPLATE in files or "chat_template" in about, TOKENIZER_CONFIG_JSON)
        note = f"tokens of text and answer, of which the answer has at most {MAX_NEW_TOKENS}"
        found.read("served context", context, note)
        return generation_signature(found, context)
    found.read("served context", context, "tokens of a text")
    field = Field(name="text", dtype="text", description=f"At most {context:,} tokens.")
    fields = named_inputs(found, [field], how="read", note="what models that classify text take")
    named = labels_of(config)
    if named is None:
        labels = named_labels(found, _UNNAMED, how="guessed", note="what transformers takes where none are named")
    else:
        labels = named_labels(found, named, how="read", note="id2label")
    return signature_of(found, "text-classification", fields, labels, Hints())


def _task(files: Files, architectures: list[str], found: Findings) -> None:
    if "modules.json" in files or "config_sentence_transformers.json" in files:
        found.library = "sentence-transformers"
        found.set_task("feature-extraction", "read", "modules.json is that of sentence-transformers")
    else:
        for name in architectures:
            task = next((task for ending, task in _TASKS if name.endswith(ending)), None)
            if task is not None:
                found.set_task(task, "guessed", f"from the architecture's name, {name}")
                break
    said = found.corrections.task
    if said and found.task not in (said, None):
        raise NotImportable(
            f"This model is made for {found.task} and cannot serve as {said}.", next="Leave --task out."
        )
    if said:
        found.set_task(said, "given", "said when it was imported")


def _weights(files: Files, found: Findings) -> int:
    """Notes what the weights are; the number of their tensors. Raises BrokenModel, PickleRefused."""
    stored = weights_of(files.entries, files.json(INDEX_JSON) if INDEX_JSON in files else None)
    tensors, counted = 0, Counter[str]()
    for name in stored:
        with files.open(name) as file:
            header = read_header(name, file, files.size(name))
        tensors += len(header)
        counted.update(parameters(header))
    found.read("parameters", sum(counted.values()), ", ".join(stored[:3]))
    found.read("types", ", ".join(f"{kind} {count:,}" for kind, count in counted.most_common(6)), "tensor headers")
    return tensors
