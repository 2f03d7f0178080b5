"""Models as the transformers library saves them, small and real."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = (
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "good",
    "bad",
    "plain",
    "again",
)
FOLLOWS = {
    "zero": "one",
    "one": "two",
    "two": "three",
    "three": "four",
    "four": "five",
    "five": "</s>",
    "again": "again",
}
MOODS = ("bad", "neutral", "good")
ECHO = "{% for message in messages %}{{ message.content }}{% endfor %}{% if add_generation_prompt %} two{% endif %}"
"""A chat template that has a model of words go on from "two", whatever it was told."""

_made: dict[Any, dict[str, bytes]] = {}


def counting(
    *, context: int = 512, template: str = "", shards: bool = False, generation: dict[str, Any] | None = None
) -> dict[str, bytes]:
    """A Llama of one layer that counts on to five, ends there, and says "again" without end."""

    def make(folder: Path) -> None:
        import torch
        import transformers

        config = transformers.LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=context,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            tie_word_embeddings=False,
        )
        model = transformers.LlamaForCausalLM(config)
        for key, value in (generation or {}).items():
            setattr(model.generation_config, key, value)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "norm" not in name:
                    weights.zero_()
            for place in range(len(WORDS)):
                model.model.embed_tokens.weight[place, place] = 1.0
                follower = FOLLOWS.get(WORDS[place], "</s>")
                model.lm_head.weight[WORDS.index(follower), place] = 1.0
        model.save_pretrained(folder, max_shard_size="2KB" if shards else "1GB")
        tokenizer = _tokenizer(context)
        if template:
            tokenizer.chat_template = template
        tokenizer.save_pretrained(folder)

    return _files(("counting", context, template, shards, repr(generation)), make)


def judging(*, labels: tuple[str, ...] = MOODS, **more: Any) -> dict[str, bytes]:
    """A BERT of one layer whose weights are random, but always the same."""

    def make(folder: Path) -> None:
        import torch
        import transformers

        config = transformers.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=32,
            pad_token_id=0,
            id2label=dict(enumerate(labels)),
            label2id={label: place for place, label in enumerate(labels)},
            initializer_range=1.0,
            **more,
        )
        torch.manual_seed(0)
        transformers.BertForSequenceClassification(config).save_pretrained(folder)
        _tokenizer(32).save_pretrained(folder)

    return _files(("judging", labels, repr(more)), make)


def _tokenizer(context: int) -> Any:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    bare = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bare,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=context,
    )


def _files(key: Any, make: Callable[[Path], None]) -> dict[str, bytes]:
    if key not in _made:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            _made[key] = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return dict(_made[key])
