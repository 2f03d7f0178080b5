"""Models that the transformers library saved, run by it on PyTorch: a text is continued, answered or classified."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.runtimes.checkpoint import (
    CONFIG_JSON,
    EXPORT,
    INDEX_JSON,
    LOADERS,
    NEXT,
    TOKENIZER_CONFIG_JSON,
    check_layers,
    check_tokenizer,
    context_of,
    parse,
    weights_of,
    why_not_served,
)
from tholos.runtimes.errors import BrokenModel, ModelFileMissing
from tholos.runtimes.generation import MAX_BATCH_S, MAX_NEW_TOKENS, Finish, generated, half_of_the_cores, too_long
from tholos.runtimes.memory import MemoryLimit
from tholos.runtimes.model import ModelDescription
from tholos.runtimes.safetensors_header import read_header
from tholos.tasks.signature import Batch, Outputs, Signature

if TYPE_CHECKING:
    from tholos.runtimes.base import LoadedModel, Runtime

ROWS_AT_ONCE = 32
"""Texts that are classified in one pass, where the tokenizer can pad them to one length."""
_MAX_REASON = 300
_REASONS = {
    "ignore_mismatched_sizes": f"its weights have other shapes than {CONFIG_JSON} says",
    "trust_remote_code": "it brings code of its own, which is not run here",
}
"""What the library's sentences with these words mean."""


@dataclass(frozen=True)
class _Loaded:
    """What the library made of the folder."""

    model: Any
    tokenizer: Any
    context: int
    """Tokens that the model is served with."""
    limit: MemoryLimit

    def tokens(self, text: str) -> list[int]:
        """At least one token: of nothing a model makes nothing."""
        found: list[int] = self.tokenizer(text)["input_ids"]
        special = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "cls", "eos", "unk", "pad"))
        return found or [next((token for token in special if token is not None), 0)]


class _Model:
    """A model in memory, of which `infer` is still to be said; see `LoadedModel`."""

    def __init__(self, loaded: _Loaded, signature: Signature) -> None:
        self.signature = signature
        self._kept: _Loaded | None = loaded

    @property
    def _loaded(self) -> _Loaded:
        assert self._kept is not None, "the model is closed"
        return self._kept

    def close(self) -> None:
        """Let go of the weights."""
        if self._kept is not None:
            self._kept.limit.lift()
        self._kept = None


class TextGenerator(_Model):
    """A causal language model."""

    def __init__(self, loaded: _Loaded, signature: Signature) -> None:
        from transformers import GenerationConfig

        super().__init__(loaded, signature)
        saved, tokenizer = loaded.model.generation_config, loaded.tokenizer
        ends = saved.eos_token_id if saved.eos_token_id is not None else tokenizer.eos_token_id
        self._ends = frozenset(end for end in (ends if isinstance(ends, list) else [ends]) if type(end) is int)
        padding = next((token for token in (tokenizer.pad_token_id, *sorted(self._ends)) if token is not None), 0)
        # In place of the folder's own, which may sample or search: the likeliest token each time, so that the same
        # text has the same answer, at a cost that is known.
        loaded.model.generation_config = GenerationConfig(
            do_sample=False,
            num_beams=1,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=sorted(self._ends) or None,
            pad_token_id=padding,
        )

    def infer(self, batch: Batch) -> Outputs:
        """Continue, or answer, each text; see `LoadedModel.infer`. Raises TextTooLong, BrokenModel."""
        until = time.monotonic() + MAX_BATCH_S
        return generated(self._answer(text, until) for text in batch["text"])

    def _answer(self, text: str, until: float) -> tuple[str, Finish]:
        import torch

        model, tokenizer, context = self._loaded.model, self._loaded.tokenizer, self._loaded.context
        asked = self._tokens(text)
        if len(asked) >= context:
            raise too_long(len(asked), context)
        tokens = torch.tensor([asked], dtype=torch.long)
        with torch.inference_mode():
            out = model.generate(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=min(MAX_NEW_TOKENS, context - len(asked)),
                max_time=max(0.0, until - time.monotonic()),
            )
        said = out[0, len(asked) :].tolist()
        reason: Finish = "stop" if said and said[-1] in self._ends else "length"
        return str(tokenizer.decode(said, skip_special_tokens=True)), reason

    def _tokens(self, text: str) -> list[int]:
        tokenizer = self._loaded.tokenizer
        if tokenizer.chat_template is None:
            return self._loaded.tokens(text)
        said = [{"role": "user", "content": text}]
        try:
            # What a model thinks before it answers would use up the answer's tokens.
            told = tokenizer.apply_chat_template(said, add_generation_prompt=True, enable_thinking=False)
        except Exception as error:  # a template is a program, and may fail in any way
            raise BrokenModel("The model's own chat template fails on this text.", next=NEXT) from error
        return list(told["input_ids"])


class TextClassifier(_Model):
    """A model that gives a text one of its labels."""

    def __init__(self, loaded: _Loaded, signature: Signature) -> None:
        labels, outputs = len(signature.output.labels or ()), loaded.model.config.num_labels
        if labels != outputs:
            raise BrokenModel(
                f"The model tells {outputs} classes apart, its signature {labels}.", next="Import it again."
            )
        super().__init__(loaded, signature)
        padded = loaded.tokenizer.pad_token_id is not None and loaded.model.config.pad_token_id is not None
        self._at_once = ROWS_AT_ONCE if padded else 1

    def infer(self, batch: Batch) -> Outputs:
        """Classify each text; see `LoadedModel.infer`. Raises TextTooLong."""
        texts = [str(text) for text in batch["text"]]
        # Texts of like length together, so that little is computed for the padding.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        probabilities = np.empty((len(texts), len(self.signature.output.labels or ())), dtype=np.float64)
        for start in range(0, len(order), self._at_once):
            rows = order[start : start + self._at_once]
            probabilities[rows] = self._pass([texts[row] for row in rows])
        return {"label_index": probabilities.argmax(axis=1).astype(np.int64), "probabilities": probabilities}

    def _pass(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        import torch

        rows = [self._loaded.tokens(text) for text in texts]
        if (width := max(map(len, rows))) > self._loaded.context:
            raise too_long(width, self._loaded.context, answered=False)
        if len(rows) == 1:
            tokens = {"input_ids": torch.tensor(rows), "attention_mask": torch.ones((1, width), dtype=torch.long)}
        else:
            tokens = self._loaded.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        with torch.inference_mode():
            scores = self._loaded.model(**tokens).logits
            found: np.ndarray[Any, Any] = torch.softmax(scores.double(), dim=-1).numpy()
        return found


class TransformersRuntime:
    """Loads artifacts of format `transformers`: the configuration, and beside it tokenizer and weights."""

    format = "transformers"

    def load(self, folder: Path, model: ModelDescription) -> LoadedModel:
        """Load model and tokenizer; see `Runtime.load`. Code in the folder is not run, and no pickle opened.

        Raises:
            ModelFileMissing: the configuration is not there.
            BrokenModel: weights or tokenizer are missing, damaged or made for something else, or the library does not
                know the architecture.
            PickleRefused: there are no weights but in a pickle.

        """
        if (name := model.artifact(self.format).file) != CONFIG_JSON:
            raise BrokenModel(f"A transformers model goes by its {CONFIG_JSON}, not {name}.", next="Import it again.")
        names = {path.name for path in folder.iterdir() if path.is_file()}
        if CONFIG_JSON not in names:
            raise ModelFileMissing(f"The model names {CONFIG_JSON}, which is not in its revision.", next=NEXT)
        config, tokenizer, index = (
            parse(name, (folder / name).read_bytes()) if name in names else {}
            for name in (CONFIG_JSON, TOKENIZER_CONFIG_JSON, INDEX_JSON)
        )
        if (reason := why_not_served(model.task, config)) is not None:
            raise BrokenModel(reason, next=EXPORT)
        check_tokenizer(names)
        weights = [folder / name for name in weights_of(names, index)]
        check_layers(config, sum(map(_tensors, weights)))
        size = sum(path.stat().st_size for path in weights)
        loaded = _open(folder, LOADERS[model.task], size, context_of(config, tokenizer))
        try:
            made = TextGenerator if model.task == "text-generation" else TextClassifier
            return made(loaded, model.signature)
        except BaseException:
            loaded.limit.lift()
            raise


def _tensors(path: Path) -> int:
    with path.open("rb") as file:
        return len(read_header(path.name, file, path.stat().st_size))


def _open(folder: Path, loader: str, weights: int, context: int) -> _Loaded:
    """Raises BrokenModel."""
    import torch
    import transformers

    torch.set_num_threads(half_of_the_cores())
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    limit = MemoryLimit(weights)
    # Nothing is fetched, none of the folder's code run, no pickle opened.
    closed = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _refusing(folder):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **closed)
            model, told = getattr(transformers, loader).from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **closed
            )
        _check_complete(told["missing_keys"])
        loaded = _Loaded(model.eval(), tokenizer, context, limit)
        with _refusing(folder):
            _check_numbers(loaded)
    except BaseException:
        limit.lift()
        raise
    return loaded


def _check_complete(absent: Collection[str]) -> None:
    """Refuses weights that are not all there: the library would make them up. Raises BrokenModel."""
    if absent:
        raise BrokenModel(f"The weights lack {len(absent)} tensors; the first is {min(absent)}.", next=NEXT)


def _check_numbers(loaded: _Loaded) -> None:
    """Refuses weights from which nothing can be computed: answers would be empty, or all alike. Raises BrokenModel."""
    import torch

    with torch.inference_mode():
        scores = loaded.model(input_ids=torch.tensor([loaded.tokens("a")])).logits
    if scores.isnan().any():
        raise BrokenModel("The model computes nothing but NaN (not a number): its weights are damaged.", next=NEXT)


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Says in one sentence what the library says in many. Raises BrokenModel."""
    try:
        yield
    except BrokenModel:
        raise
    except KeyError as error:
        raise BrokenModel(f"transformers cannot load the model: its files lack {error}.", next=NEXT) from error
    except Exception as error:  # files from elsewhere may break the library in any way
        said = " ".join(str(error).replace(f"{folder}/", "").replace(str(folder), "the folder").split())
        reason = next(
            (ours for theirs, ours in _REASONS.items() if theirs in said), said.partition(". ")[0].rstrip(".")
        )
        reason = (reason or type(error).__name__)[:_MAX_REASON]
        raise BrokenModel(f"transformers cannot load the model: {reason}.", next=NEXT) from error


if TYPE_CHECKING:
    _: Runtime = TransformersRuntime()
