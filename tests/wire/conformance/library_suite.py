"""What unmodified transformers and datasets are asked to do; prints one line of JSON per check, as suite.py does.

library_suite.py <endpoint> <token>
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

ENDPOINT, TOKEN = sys.argv[1:3]
SCRATCH = Path(tempfile.mkdtemp(prefix="hf-libraries-"))
os.environ.update(
    HF_ENDPOINT=ENDPOINT,
    HF_TOKEN=TOKEN,
    HF_HOME=str(SCRATCH / "home"),
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    DISABLE_SAFETENSORS_CONVERSION="1",
)

import datasets  # noqa: E402 - they read the environment
import torch  # noqa: E402
import transformers  # noqa: E402
from huggingface_hub import HfApi, HfFileSystem  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

ME = HfApi().whoami()["name"]
WORDS = ["<s>", "</s>", "<unk>", "the", "standard", "weights", "and", "measures", "of", "agora", "are", "kept"]


def push_a_model_and_load_it_back() -> None:
    """The same weights and the same tokens come back, with tokenizer and generation settings."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=0,
        eos_token_id=1,
        max_position_embeddings=64,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    bare = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    name = f"{ME}/tiny-llama"
    model.push_to_hub(name, private=True)
    tokenizer.push_to_hub(name)

    again = transformers.AutoModelForCausalLM.from_pretrained(name).eval()
    words = transformers.AutoTokenizer.from_pretrained(name)
    assert again.config.model_type == "llama"
    for (key, sent), (other, got) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert key == other
        assert torch.equal(sent, got), key
    asked = words("the standard weights and", return_tensors="pt")
    assert asked["input_ids"].tolist() == [[WORDS.index(word) for word in ("the", "standard", "weights", "and")]]
    told = [
        one.generate(asked["input_ids"], max_new_tokens=12, do_sample=False, pad_token_id=1).tolist()
        for one in (model, again)
    ]
    assert told[0] == told[1]
    assert len(told[0][0]) > asked["input_ids"].shape[1]
    again.push_to_hub(name, revision="second", commit_message="On a branch")
    assert transformers.AutoConfig.from_pretrained(name, revision="second").hidden_size == 32
    del model, again


def pipeline_from_the_hub() -> None:
    """A pipeline made of nothing but the repo's name."""
    answer = transformers.pipeline("text-generation", model=f"{ME}/tiny-llama")("the agora", max_new_tokens=3)
    assert answer[0]["generated_text"].startswith("the agora")


def push_a_data_set_load_and_stream_it() -> None:
    """Splits and features come back, whole and as a stream."""
    rows = {"text": [f"row {number}" for number in range(1000)], "label": [number % 3 for number in range(1000)]}
    classes = datasets.ClassLabel(names=["a", "b", "c"])
    features = datasets.Features({"text": datasets.Value("string"), "label": classes})
    sent = datasets.DatasetDict(
        train=datasets.Dataset.from_dict(rows, features=features),
        test=datasets.Dataset.from_dict({key: values[:50] for key, values in rows.items()}, features=features),
    )
    name = f"{ME}/thousand-rows"
    sent.push_to_hub(name, private=True)
    got = datasets.load_dataset(name)
    assert {split: part.num_rows for split, part in got.items()} == {"train": 1000, "test": 50}
    assert got["train"].features == features
    assert got["train"][:] == rows
    stream = datasets.load_dataset(name, split="train", streaming=True)
    assert [row["text"] for row in stream.skip(500).take(3)] == ["row 500", "row 501", "row 502"]
    assert sum(1 for _ in stream) == 1000
    sent["test"].push_to_hub(name, split="extra")
    assert set(datasets.get_dataset_split_names(name)) == {"train", "test", "extra"}


def load_plain_files() -> None:
    """Files uploaded as they are: CSV by the repo's name, and any file by its hf:// address."""
    api = HfApi()
    name = f"{ME}/plain-files"
    api.create_repo(name, repo_type="dataset")
    lines = ["island,grams", *(f"island {number},{3000 + number}" for number in range(20))]
    content = "\n".join(lines).encode()
    api.upload_file(path_or_fileobj=content, path_in_repo="penguins.csv", repo_id=name, repo_type="dataset")
    table = datasets.load_dataset(name, split="train")
    assert table.column_names == ["island", "grams"]
    assert table[19] == {"island": "island 19", "grams": 3019}
    files = HfFileSystem()
    assert [Path(found).name for found in files.glob(f"datasets/{name}/*.csv")] == ["penguins.csv"]
    with files.open(f"datasets/{name}/penguins.csv") as file:
        file.seek(7)
        assert file.read(5) == b"grams"
    by_address = datasets.load_dataset("csv", data_files=f"hf://datasets/{name}/penguins.csv", split="train")
    assert by_address.num_rows == 20


CHECKS = (push_a_model_and_load_it_back, pipeline_from_the_hub, push_a_data_set_load_and_stream_it, load_plain_files)


def main() -> None:
    for check in CHECKS:
        result = {"check": check.__name__, "ok": True, "error": ""}
        try:
            check()
        except Exception:
            result |= {"ok": False, "error": traceback.format_exc()[-3000:]}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


main()
