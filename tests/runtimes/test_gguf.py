"""llama.cpp behind the runtime's interface: what it answers, and what it refuses."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tholos.runtimes import load, memory
from tholos.runtimes.errors import BrokenModel, ModelFileMissing, PickleRefused, TextTooLong
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.tasks.signature import Field, Output, Signature, decode

sys.path.insert(0, str(Path(__file__).parents[1] / "imports"))

import foreign_models as foreign

SIGNATURE = Signature(
    task="text-generation",
    inputs=(Field(name="text", dtype="text"),),
    output=Output(name="generated_text", kind="text"),
    example="abc",
)


@pytest.fixture
def folder(tmp_path):
    def lay_out(data: bytes | None) -> Path:
        description = ModelDescription(
            task="text-generation",
            signature=SIGNATURE,
            algorithm=AlgorithmUse(name="imported", title="letters"),
            artifacts=(Artifact(format="gguf", file="m.gguf"),),
            serve="gguf",
        )
        (tmp_path / "model.json").write_bytes(description.to_bytes())
        if data is not None:
            (tmp_path / "m.gguf").write_bytes(data)
        return tmp_path

    return lay_out


def answers(model, texts):
    return decode(SIGNATURE, model.infer(SIGNATURE.encode(texts)))


def test_a_text_is_continued_until_the_model_ends_or_the_answer_is_long_enough(folder):
    model = load(folder(foreign.letters_gguf()))
    first, second = answers(model, ["abc", "7"])
    assert first == {"output": "defghijklmnopqrstuvwxyz", "finish_reason": "stop"}
    assert second["finish_reason"] == "length"
    assert second["output"] == ("8901234567" * 26)[:256]
    assert answers(model, ["abc", "7"]) == [first, second]
    model.close()


def test_the_files_own_template_makes_a_conversation_of_the_text(folder):
    model = load(folder(foreign.letters_gguf(template=foreign.ANSWER_BEGINS_AT)))
    assert answers(model, ["abc"]) == [{"output": "NOPQRSTUVWXYZ", "finish_reason": "stop"}]
    model.close()


def test_a_text_longer_than_the_context_is_refused_with_both_numbers(folder):
    model = load(folder(foreign.letters_gguf(context=64)))
    with pytest.raises(TextTooLong, match=r"The text has 1,00\d tokens; the model holds 64"):
        answers(model, ["a" * 1000])
    assert answers(model, ["y"]) == [{"output": "z", "finish_reason": "stop"}]
    model.close()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: foreign.letters_gguf(architecture="glork"), "unknown model architecture: 'glork'"),
        (lambda: foreign.letters_gguf()[:-4096], "cut off"),
        (lambda: b"GGUF", "ends within its header"),
        (lambda: foreign.letters_gguf(template="{{ broken"), "chat template does not work"),
        (lambda: foreign.letters_gguf(template="{{ raise_exception('no') }}"), "chat template does not work"),
        (lambda: foreign.gguf_bytes(metadata={"split.count": 2}), "several parts"),
    ],
)
def test_what_cannot_be_loaded_says_why(folder, data, why):
    with pytest.raises(BrokenModel, match=why) as refused:
        load(folder(data()))
    assert str(folder(None)) not in refused.value.message


def test_a_file_that_is_not_there_or_is_a_pickle_is_refused(folder):
    with pytest.raises(ModelFileMissing):
        load(folder(None))
    with pytest.raises(PickleRefused):
        load(folder(b"\x80\x04N."))


def test_the_librarys_own_server_can_be_reached_by_nobody(folder):
    model = load(folder(foreign.letters_gguf()))
    listening = subprocess.run(["cat", "/proc/net/unix"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in listening.splitlines() if line.endswith("http.sock")]
    assert not [name for name in names if Path(name).exists()]
    model.close()


def test_a_template_that_would_take_all_memory_fails_alone(folder, monkeypatch):
    monkeypatch.setattr(memory, "SPARE_BYTES", 200 << 20)
    template = (
        "{% if messages[0].content == 'bomb' %}{% for i in range(1000000000) %}x{% endfor %}{% endif %}"
        + foreign.ANSWER_BEGINS_AT
    )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    model = load(folder(foreign.letters_gguf(template=template)))
    with pytest.raises(BrokenModel, match="chat template fails on this text"):
        answers(model, ["bomb"])
    assert answers(model, ["abc"])[0]["output"] == "NOPQRSTUVWXYZ"
    model.close()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
