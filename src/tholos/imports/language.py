"""A GGUF file described: which language model it holds, how it is quantized, what it needs."""

from __future__ import annotations

from typing import Any

from tholos.imports.errors import NotImportable
from tholos.imports.files import Files
from tholos.imports.findings import Detected, Findings, generation_signature, unserved
from tholos.runtimes.generation import MAX_NEW_TOKENS
from tholos.runtimes.gguf import check_whole, context_of
from tholos.runtimes.gguf_header import GgufHeader, read_header

_EMBEDDERS = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "gemma-embedding", "t5encoder")
_MAX_SHOWN = 200


def read_gguf(files: Files, path: str, found: Findings) -> Detected:
    """Describe the file at ``path`` by its header. Raises NotImportable, BrokenModel."""
    with files.open(path) as file:
        header = read_header(file, files.size(path))
    architecture = header.architecture[:_MAX_SHOWN]
    found.read("architecture", architecture or "not named", "general.architecture")
    _task(header, architecture, found)
    found.read("parameters", header.parameters, f"the shapes of {header.tensors:,} tensors")
    if header.quantization:
        found.read("quantization", header.quantization, "general.file_type")
    else:
        found.guess("quantization", header.main_type, "the type of most of its parameters")
    for name, key in (("context length", "context_length"), ("layers", "block_count"), ("width", "embedding_length")):
        if (value := header.count(key)) is not None:
            found.read(name, value, f"{architecture}.{key}")
    found.read("tokenizer", _text(header.metadata.get("tokenizer.ggml.model")) or "none", "tokenizer.ggml.model")
    if vocabulary := header.lengths.get("tokenizer.ggml.tokens"):
        found.read("vocabulary", vocabulary, "tokenizer.ggml.tokens")
    found.read("chat template", header.chat_template, "tokenizer.chat_template")
    for key in ("general.name", "general.license", "general.quantized_by", "general.source.url"):
        if text := _text(header.metadata.get(key)):
            found.provenance[key.removeprefix("general.")] = text
    check_whole(header)
    if found.task == "feature-extraction":
        return found.blocked(unserved(f"This GGUF model of embeddings ({architecture or 'architecture not named'})"))
    if found.task != "text-generation":
        raise NotImportable(f"A GGUF model cannot serve as {found.task}.", next="Leave --task out.")
    context = context_of(header)
    found.read(
        "served context", context, f"tokens of text and answer, of which the answer has at most {MAX_NEW_TOKENS}"
    )
    return found.served(generation_signature(found, context), "gguf", path, None)


def _task(header: GgufHeader, architecture: str, found: Findings) -> None:
    if found.corrections.task:
        found.set_task(found.corrections.task, "given", "said when it was imported")
    elif f"{architecture}.pooling_type" in header.metadata:
        found.set_task("feature-extraction", "read", f"{architecture}.pooling_type")
    elif architecture in _EMBEDDERS:
        found.set_task("feature-extraction", "guessed", f"{architecture} models make embeddings")
    else:
        found.set_task("text-generation", "guessed", "most GGUF models generate text")


def _text(value: Any) -> str:
    return value[:_MAX_SHOWN] if isinstance(value, str) else ""
