"""A folder as transformers' ``save_pretrained`` writes it: what its small files say of the model; loads no weights."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeGuard

from tholos.runtimes.errors import BrokenModel, PickleRefused
from tholos.runtimes.generation import MAX_CONTEXT_TOKENS
from tholos.tasks.signature import TaskId

CONFIG_JSON: Final = "config.json"
TOKENIZER_CONFIG_JSON: Final = "tokenizer_config.json"
CHAT_TEMPLATE: Final = "chat_template.jinja"
INDEX_JSON: Final = "model.safetensors.index.json"
WEIGHTS: Final = "model.safetensors"

LOADERS: Final[Mapping[TaskId, str]] = {
    "text-generation": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
}
"""The library's class that loads a model of each task that is served."""

EXPORT: Final = "It can be kept, shared and pulled. To serve it here, export it as ONNX."
NEXT: Final = "Save model and tokenizer again with a recent transformers (`save_pretrained`), and push the folder."

LAYERS: Final = (
    *("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers"),
    *("num_encoder_layers", "num_decoder_layers"),
)
CONTEXT: Final = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
_ROBERTA = (
    "roberta",
    "camembert",
    "xlm-roberta",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "longformer",
    "mpnet",
    "esm",
)
"""Model types that count positions from the one after the padding's."""
_TOKENIZERS = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"))
_ATTENTION = ("attn_implementation", "_attn_implementation", "attn_implementation_internal")
_MAX_LABELS = 10_000
_MIN_CONTEXT = 2
_FOLDERS = ("", "additional_chat_templates")
_OPENED = (".json", ".jinja", ".txt", ".model", ".safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def is_opened(path: str) -> bool:
    """Whether the library may open a file by itself: settings, tokenizers, templates and weights, but no pickle."""
    folder, _, name = path.rpartition("/")
    return folder in _FOLDERS and name.endswith(_OPENED)


def weights_of(names: Collection[str], index: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The files of weights that the library would open, given the names in the folder and the parsed index, if any.

    Raises:
        BrokenModel: there are none, or the index names files that are not there.
        PickleRefused: there are none but pickles.

    """
    if WEIGHTS in names:
        return (WEIGHTS,)
    if INDEX_JSON in names:
        placed = (index or {}).get("weight_map")
        parts = sorted({str(part) for part in placed.values()}) if isinstance(placed, Mapping) else []
        absent = [part for part in parts if part not in names or not part.endswith(".safetensors")]
        if not parts or absent:
            what = f"names {absent[0][:100]}, which is not beside it" if absent else "names no files of weights"
            raise BrokenModel(f"{INDEX_JSON} {what}.", next=NEXT)
        return tuple(parts)
    if pickles := sorted(name for name in names if name.endswith(_PICKLES)):
        raise PickleRefused(
            f"{pickles[0]} holds the weights in a pickle, which can run any code when it is loaded: it was not opened.",
            next="Load the model where you trust it, save it with `save_pretrained`, and push model.safetensors.",
            file=pickles[0],
        )
    raise BrokenModel(f"The folder has no {WEIGHTS}, nor an index of its parts.", next=NEXT)


def why_not_served(task: str | None, config: Mapping[str, Any]) -> str | None:
    """One sentence where the library could load the model, but not with what is here, or not to answer as we do."""
    if task not in LOADERS:
        what = f"is made for {task}" if task else "does not say what it is made for"
    elif config.get("quantization_config"):
        what = "has quantized weights, which take further libraries"
    elif any("/" in str(config.get(key)) for key in _ATTENTION):
        what = "asks for code from elsewhere (attn_implementation)"
    elif _is_count(count := config.get("num_labels")) and count > _MAX_LABELS:
        what = f"tells {count:,} labels apart, more than {_MAX_LABELS:,}"
    elif task == "text-classification" and config.get("problem_type") == "multi_label_classification":
        what = "gives a text several labels at once"
    elif task == "text-classification" and (
        config.get("problem_type") == "regression" or len(labels_of(config) or "ab") == 1
    ):
        what = "answers a text with a number"
    else:
        return None
    served = " and ".join(sorted(LOADERS))
    return f"This transformers model {what}; the runtime serves {served} with weights as they were trained."


def check_tokenizer(names: Collection[str]) -> None:
    """Refuse a folder without a tokenizer that can be read here. Raises BrokenModel."""
    if not any(all(name in names for name in files) for files in _TOKENIZERS):
        raise BrokenModel("The folder has no tokenizer.json.", next=NEXT)


def check_layers(config: Mapping[str, Any], tensors: int) -> None:
    """Refuse a configuration of more layers than there are tensors: building them takes hours. Raises BrokenModel."""
    for part in (config, *(value for value in config.values() if isinstance(value, Mapping))):
        for key in LAYERS:
            if _is_count(count := part.get(key)) and count > tensors:
                raise BrokenModel(
                    f"{CONFIG_JSON} says {count:,} layers; the weights hold {tensors:,} tensors.", next=NEXT
                )


def context_of(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int:
    """Tokens that the model is served with: the least that configuration, tokenizer and this server allow.

    Raises BrokenModel: they leave room for no text.
    """
    told: int = next((config[key] for key in CONTEXT if _is_count(config.get(key))), MAX_CONTEXT_TOKENS)
    if config.get("model_type") in _ROBERTA:
        padding = config.get("pad_token_id")
        told -= (padding if _is_count(padding) else 1) + 1
    longest = tokenizer.get("model_max_length")
    context = min(told, longest if _is_count(longest) else told, MAX_CONTEXT_TOKENS)
    if context < _MIN_CONTEXT:
        raise BrokenModel(f"The folder's settings leave {context} tokens for a text.", next=NEXT)
    return context


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The classes in the order of the model's outputs; None where the configuration names none. Raises BrokenModel."""
    named = config.get("id2label")
    if named is None:
        return None
    try:
        placed = {int(place): str(label) for place, label in named.items()}
    except (AttributeError, TypeError, ValueError):
        placed = {}
    if not placed or sorted(placed) != list(range(len(placed))):
        raise BrokenModel(f"id2label in {CONFIG_JSON} does not number the labels from 0 on.", next=NEXT)
    return tuple(placed[place] for place in range(len(placed)))


def parse(name: str, data: bytes) -> dict[str, Any]:
    """One of the folder's JSON files. Raises BrokenModel."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BrokenModel(f"{name} is not JSON.", next=NEXT) from error
    if not isinstance(value, dict):
        raise BrokenModel(f"{name} is not a JSON object.", next=NEXT)
    return value


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and value >= 0
