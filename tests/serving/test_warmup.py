from __future__ import annotations

import numpy as np
import pytest
from model_samples import ROW, onnx_files, signature, write_folder

from tholos import runtimes
from tholos.runtimes.errors import BrokenModel, ModelFileMissing
from tholos.serving.errors import InferenceFailed, OutputMisfit
from tholos.serving.warmup import infer, load_warm, rows_of

SIGNATURE = signature(("a", "b"))
BATCH = SIGNATURE.encode([ROW, ROW, ROW])


class Faulty:
    """A model as a careless runtime might load it: what it answers is up to the test."""

    signature = SIGNATURE

    def __init__(self, answer):
        self._answer = answer
        self.closed = False

    def infer(self, batch):
        return self._answer(batch)

    def close(self):
        self.closed = True


THREE = np.zeros(3, np.int64)
MISFITS = {
    "too few rows": {"label_index": np.zeros(2, np.int64)},
    "too many rows": {"label_index": np.zeros(4, np.int64)},
    "nothing": {},
    "another task's": {"value": np.zeros(3)},
    "a class too many": {"label_index": THREE + 2},
    "a negative class": {"label_index": THREE - 1},
    "a probability too few": {"label_index": THREE, "probabilities": np.ones((3, 1))},
    "probabilities of too few rows": {"label_index": THREE, "probabilities": np.ones((2, 2))},
}


@pytest.mark.parametrize("outputs", MISFITS.values(), ids=MISFITS)
def test_output_that_does_not_fit_reaches_nobody(outputs):
    with pytest.raises(OutputMisfit):
        infer(Faulty(lambda _batch: outputs), BATCH)


def test_whatever_a_model_raises_becomes_one_sentence_without_its_insides():
    def fail(_batch):
        raise RuntimeError("secret /root/path")

    with pytest.raises(InferenceFailed) as failed:
        infer(Faulty(fail), BATCH)
    assert "secret" not in failed.value.message
    assert failed.value.status == 422


def test_warming_up_measures_a_batch_of_examples(tmp_path):
    model, warm_up = load_warm(write_folder(tmp_path, onnx_files()))
    assert warm_up.rows == 32
    assert warm_up.batch_s > 0
    assert rows_of(BATCH) == 3
    model.close()


@pytest.mark.parametrize(
    "answer",
    [lambda _batch: {}, lambda batch: {"label_index": np.full(rows_of(batch), 7)}, lambda _batch: 1 / 0],
    ids=["nothing", "a label that is none", "an exception"],
)
def test_a_model_that_fails_on_its_own_example_is_closed_again(tmp_path, monkeypatch, answer):
    model = Faulty(answer)
    monkeypatch.setattr(runtimes, "load", lambda _folder: model)
    with pytest.raises((BrokenModel, OutputMisfit)):
        load_warm(tmp_path)
    assert model.closed


def test_an_example_that_the_signature_itself_refuses_is_named(tmp_path):
    files = onnx_files()
    with pytest.raises(BrokenModel, match="example"):
        load_warm(write_folder(tmp_path, {**files, "model.json": files["model.json"].replace(b"40.5", b'"x"')}))


def test_a_library_that_breaks_in_its_own_way_is_told_without_the_servers_paths(tmp_path, monkeypatch):
    def broken(folder):
        raise KeyError(f"{folder}/model.onnx is odd")

    monkeypatch.setattr(runtimes, "load", broken)
    with pytest.raises(BrokenModel) as refused:
        load_warm(tmp_path)
    assert str(tmp_path) not in refused.value.message
    assert "model.onnx is odd" in refused.value.message


def test_an_empty_folder_is_not_a_model(tmp_path):
    with pytest.raises(ModelFileMissing):
        load_warm(tmp_path)
