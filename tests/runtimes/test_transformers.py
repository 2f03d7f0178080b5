"""The transformers library behind the runtime's interface: what it answers, and what it refuses."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest

from tholos.runtimes import load, memory
from tholos.runtimes.errors import BrokenModel, ModelFileMissing, PickleRefused, TextTooLong
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.tasks.signature import Field, Output, Signature, decode

sys.path.insert(0, str(Path(__file__).parents[1] / "imports"))

import foreign_transformers as foreign

GENERATES = Signature(
    task="text-generation",
    inputs=(Field(name="text", dtype="text"),),
    output=Output(name="generated_text", kind="text"),
    example="one",
)


def classifies(*labels: str) -> Signature:
    output = Output(name="mood", kind="class", labels=labels)
    return Signature(task="text-classification", inputs=GENERATES.inputs, output=output, example="good")


@pytest.fixture
def folder(tmp_path):
    def lay_out(files: dict[str, bytes], signature: Signature = GENERATES, artifact: str = "config.json") -> Path:
        description = ModelDescription(
            task=signature.task,
            signature=signature,
            algorithm=AlgorithmUse(name="imported", title="words"),
            artifacts=(Artifact(format="transformers", file=artifact),),
            serve="transformers",
        )
        for name, data in {**files, "model.json": description.to_bytes()}.items():
            (tmp_path / name).write_bytes(data)
        return tmp_path

    return lay_out


def answers(model, texts):
    return decode(model.signature, model.infer(model.signature.encode(texts)))


def configured(files: dict[str, bytes], **changes) -> dict[str, bytes]:
    return {**files, "config.json": json.dumps({**json.loads(files["config.json"]), **changes}).encode()}


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if path != name}


@pytest.mark.parametrize("shards", [False, True], ids=["one file", "in parts"])
def test_a_text_is_continued_until_the_model_ends_or_the_answer_is_long_enough(folder, shards):
    files = foreign.counting(shards=shards)
    assert ("model.safetensors" in files) is not shards
    model = load(folder(files))
    first, second, nothing = answers(model, ["one", "say again", ""])
    assert first == {"output": "two three four five", "finish_reason": "stop"}
    assert second == {"output": " ".join(["again"] * 256), "finish_reason": "length"}
    assert nothing == {"output": "", "finish_reason": "stop"}
    assert answers(model, ["one"]) == [first]
    model.close()


def test_the_folders_own_settings_neither_sample_nor_search(folder):
    wild = {
        "eos_token_id": [2, 2],
        "do_sample": True,
        "temperature": 50.0,
        "num_beams": 4,
        "num_return_sequences": 3,
        "max_new_tokens": 1,
    }
    model = load(folder(foreign.counting(generation=wild)))
    assert answers(model, ["three"] * 3) == [{"output": "four five", "finish_reason": "stop"}] * 3
    model.close()


def test_the_folders_own_template_makes_a_conversation_of_the_text(folder):
    model = load(folder(foreign.counting(template=foreign.ECHO)))
    assert answers(model, ["one"]) == [{"output": "three four five", "finish_reason": "stop"}]
    model.close()


def test_texts_are_classified_as_the_library_does_it_by_itself(folder):
    import torch
    import transformers

    place = folder(foreign.judging(), classifies(*foreign.MOODS))
    texts = ["good", "bad plain two", "one two three four five good bad", "plain"] * 20
    model = load(place)
    given = answers(model, texts)
    model.close()
    native = transformers.AutoModelForSequenceClassification.from_pretrained(place)
    words = transformers.AutoTokenizer.from_pretrained(place)
    with torch.no_grad():
        for text, answer in zip(texts[:4], given, strict=False):
            expected = torch.softmax(native(**words([text], return_tensors="pt")).logits[0], dim=-1).tolist()
            assert list(answer["probabilities"].values()) == pytest.approx(expected, abs=1e-6)
            assert answer["output"] == foreign.MOODS[expected.index(max(expected))]
    assert [row["output"] for row in given] == [row["output"] for row in given[:4]] * 20
    assert len({row["output"] for row in given}) > 1


def test_a_text_without_a_token_is_classified_too(folder):
    model = load(folder(foreign.judging(), classifies(*foreign.MOODS)))
    nothing, something = answers(model, ["", "good"])
    assert answers(model, ["", "", "good"]) == [nothing, nothing, something]
    assert answers(model, [""])[0]["output"] == nothing["output"]
    model.close()


def test_a_text_longer_than_the_model_holds_is_refused_with_both_numbers(folder):
    model = load(folder(foreign.counting(context=64)))
    with pytest.raises(TextTooLong, match=r"The text has 64 tokens; the model holds 64, its answer included"):
        answers(model, ["one " * 64])
    assert answers(model, ["plain again " * 30])[0]["output"] == " ".join(["again"] * 4)
    model.close()
    model = load(folder(foreign.judging(), classifies(*foreign.MOODS)))
    with pytest.raises(TextTooLong, match=r"The text has 33 tokens; the model holds 32\."):
        answers(model, ["good", "good " * 33])
    assert answers(model, ["good " * 32])
    model.close()


def of_nan(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same folder with weights that are no numbers."""
    weights = files["model.safetensors"]
    header = 8 + int.from_bytes(weights[:8], "little")
    return {**files, "model.safetensors": weights[:header] + b"\xff" * (len(weights) - header)}


COUNTING, JUDGING = foreign.counting, foreign.judging
CODE = {"evil.py": b"open('/tmp/tholos-was-here', 'w')\n"}
MAPPED = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
REFUSED = {
    "too few layers in the weights": (lambda: configured(COUNTING(), num_hidden_layers=2), "lack 9 tensors"),
    "layers without end": (lambda: configured(COUNTING(), num_hidden_layers=10**9), "says 1,000,000,000 layers"),
    "layers without end by another name": (
        lambda: configured(COUNTING(), model_type="bart", decoder_layers=10**6),
        "says 1,000,000 layers",
    ),
    "no room for a text": (lambda: configured(COUNTING(), max_position_embeddings=0), "leave 0 tokens"),
    "attention from elsewhere": (
        lambda: configured(COUNTING(), attn_implementation="evil/kernel"),
        "asks for code from elsewhere",
    ),
    "other shapes": (lambda: configured(COUNTING(), hidden_size=1 << 20), "other shapes than config.json says"),
    "more words than memory": (lambda: configured(COUNTING(), vocab_size=1 << 40), "other shapes than config.json"),
    "weights that are no numbers": (lambda: of_nan(COUNTING()), "nothing but NaN"),
    "another head": (JUDGING, "weights lack"),
    "an unknown architecture": (lambda: configured(COUNTING(), model_type="glork"), "model type `glork`"),
    "code of its own": (
        lambda: {**configured(COUNTING(), model_type="glork", auto_map=MAPPED), **CODE},
        "code of its own, which is not run",
    ),
    "a tokenizer's own code": (
        lambda: {
            **COUNTING(),
            **CODE,
            "tokenizer_config.json": b'{"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.W", null]}}',
        },
        "code of its own, which is not run",
    ),
    "quantized weights": (lambda: configured(COUNTING(), quantization_config={"quant_method": "gptq"}), "quantized"),
    "a part that is gone": (
        lambda: without(COUNTING(shards=True), "model-00002-of-00010.safetensors"),
        "names model-00002-of-00010.safetensors, which is not beside it",
    ),
    "a part that lies elsewhere": (
        lambda: {
            **without(COUNTING(), "model.safetensors"),
            "model.safetensors.index.json": b'{"weight_map": {"w": "../../secret.safetensors"}}',
        },
        "names ../../secret.safetensors, which is not beside it",
    ),
    "cut off": (lambda: {**COUNTING(), "model.safetensors": COUNTING()["model.safetensors"][:-9]}, "outside the file"),
    "no weights": (lambda: without(COUNTING(), "model.safetensors"), "no model.safetensors"),
    "no tokenizer": (lambda: without(COUNTING(), "tokenizer.json"), "no tokenizer.json"),
    "a tokenizer of nothing": (lambda: {**COUNTING(), "tokenizer.json": b"{}"}, "its files lack 'added_tokens'"),
    "a configuration of brackets": (lambda: {**COUNTING(), "config.json": b"[" * 100_000}, "config.json is not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_loaded_says_why(folder, case):
    make, why = REFUSED[case]
    place = folder(make())
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(BrokenModel, match=why) as refused:
        load(place)
    assert str(place) not in refused.value.message
    assert not Path("/tmp/tholos-was-here").exists()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize(
    ("labels", "changes", "why"),
    [
        (("a", "b"), {}, "tells 3 classes apart, its signature 2"),
        (foreign.MOODS, {"problem_type": "multi_label_classification"}, "several labels at once"),
        (foreign.MOODS, {"problem_type": "regression"}, "answers a text with a number"),
        (foreign.MOODS, {"id2label": {"7": "a"}}, "does not number the labels"),
    ],
)
def test_a_classifier_that_would_be_misread_is_refused(folder, labels, changes, why):
    with pytest.raises(BrokenModel, match=why):
        load(folder(configured(JUDGING(), **changes), classifies(*labels)))


def test_weights_in_a_pickle_are_never_opened(folder):
    files = {**without(COUNTING(), "model.safetensors"), "pytorch_model.bin": b"\x80\x04N."}
    with pytest.raises(PickleRefused, match=r"pytorch_model.bin holds the weights in a pickle"):
        load(folder(files))


def test_a_pickle_beside_the_weights_is_not_touched(folder):
    model = load(folder({**COUNTING(), "pytorch_model.bin": b"\x80\x04N."}))
    assert answers(model, ["five"]) == [{"output": "", "finish_reason": "stop"}]
    model.close()


def test_a_folder_without_its_configuration_is_refused(folder):
    with pytest.raises(ModelFileMissing):
        load(folder(without(COUNTING(), "config.json")))
    with pytest.raises(BrokenModel, match=r"goes by its config.json, not model.safetensors"):
        load(folder(COUNTING(), artifact="model.safetensors"))


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{{ broken", "{{ messages[0].content + 1 }}"])
def test_a_template_that_fails_says_so(folder, template):
    model = load(folder(foreign.counting(template=template)))
    with pytest.raises(BrokenModel, match="chat template fails on this text"):
        answers(model, ["one"])
    model.close()


def test_a_template_that_would_take_all_memory_fails_alone(folder, monkeypatch):
    monkeypatch.setattr(memory, "SPARE_BYTES", 200 << 20)
    bomb = "{% if messages[0].content == 'bomb' %}{% set ns = namespace(x='x' * 1000) %}{% for i in range(40) %}"
    bomb += "{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}{% endif %}"
    model = load(folder(foreign.counting(template=bomb + foreign.ECHO)))
    with pytest.raises(BrokenModel, match="chat template fails on this text"):
        answers(model, ["bomb"])
    assert answers(model, ["one"])[0]["output"] == "three four five"
    model.close()
