from __future__ import annotations

import pyarrow as pa
from training_samples import digits, sentences

from tholos.hub.cards import EMPTY_CARD, read_card
from tholos.training.card import BEGIN, END, model_card
from tholos.training.model_folder import write_model
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train

NASTY = "a | `b`\n---\n<script>alert(1)</script>"


def test_names_from_the_data_cannot_break_out_of_the_card(tmp_path):
    table = pa.table({NASTY: ["```", "|x|", NASTY] * 10, "温度": [1.0, 2.0, 3.0] * 10, "label": [NASTY, "b"] * 15})
    trained = train(table, TrainingRequest(algorithm="decision_tree"))
    description = write_model(tmp_path, trained, name="ada/nasty")
    card = read_card((tmp_path / "README.md").read_bytes())
    assert card.warnings == ()
    assert card.metadata["pipeline_tag"] == "tabular-classification"
    rows = [line for line in card.body.splitlines() if line.startswith("| `")]
    assert len(rows) == 2
    assert all(line.count("|") == 4 for line in rows)
    again = read_card(model_card("ada/nasty", description, trained.notes, card).encode())
    assert again.body.count(BEGIN) == again.body.count(END) == 1
    assert again.body == card.body


def test_the_example_of_use_suits_the_task(tmp_path):
    for name, table in (("digits", digits(40)), ("lines", sentences())):
        algorithm = "decision_tree" if name == "digits" else "tfidf_linear"
        trained = train(table, TrainingRequest(algorithm=algorithm, validation=0))
        (tmp_path / name).mkdir()
        description = write_model(tmp_path / name, trained, name=f"ada/{name}")
        text = model_card(f"ada/{name}", description, (), EMPTY_CARD)
        assert f"Model('ada/{name}')" in text
        assert ('Path("image.png").read_bytes()' in text) is (name == "digits")
        assert len(text) < 5000
