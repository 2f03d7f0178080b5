"""Real data sets as tables, and models trained on them through training's own door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets

from tholos.optimization.compiler import compile_pipeline
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.runtimes.onnx import OnnxModel, OnnxRuntime
from tholos.runtimes.skops import SkopsModel
from tholos.tasks.images import encode_png
from tholos.tasks.signature import Batch, Signature
from tholos.tasks.tables import batch_of
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train


@dataclass(frozen=True)
class Sample:
    """A trained model and the batch that it learned from."""

    pipeline: Any
    signature: Signature
    batch: Batch

    @property
    def original(self) -> SkopsModel:
        return SkopsModel(self.pipeline, self.signature)


def _sklearn(load: Callable[..., Any], labels: bool = True) -> pa.Table:
    found = load()
    columns = {name.replace(" (cm)", ""): found.data[:, place] for place, name in enumerate(found.feature_names)}
    target = [str(found.target_names[index]) for index in found.target] if labels else found.target
    return pa.table({**columns, "target": target})


def _penguins() -> pa.Table:
    import palmerpenguins

    return pa.Table.from_pandas(palmerpenguins.load_penguins().rename(columns={"species": "target"}))


def _digits() -> pa.Table:
    import base64

    found = datasets.load_digits(n_class=10)
    pictures = np.rint(found.images[:300] * 255 / 16)[..., np.newaxis]
    return pa.table(
        {
            "image": pa.array([base64.b64decode(encode_png(picture)) for picture in pictures]),
            "target": found.target[:300],
        }
    )


def _texts() -> pa.Table:
    rng = np.random.default_rng(0)
    good = ["great", "taste", "love", "Wonderful", "coffee", "café", "好吃", "很好", "İyi", "ΚΑΛΟΣ", "buy again", "ﬁne"]
    poor = [
        "stale",
        "broken",
        "awful",
        "Bitter",
        "coffee",
        "naïve",
        "难吃",
        "很差",
        "KÖTÜ",
        "κακός",
        "never again",
        "½",
    ]
    rows = [(words, label) for words, label in ((good, "good"), (poor, "poor")) for _ in range(60)]
    texts = [" ".join(rng.choice(words, size=rng.integers(1, 12))) for words, _ in rows]
    return pa.table({"text": [*texts, ""], "target": [*(label for _, label in rows), "poor"]})


TABLES: dict[str, Callable[[], pa.Table]] = {
    "penguins": _penguins,
    "iris": lambda: _sklearn(datasets.load_iris),
    "cancer": lambda: _sklearn(datasets.load_breast_cancer),
    "diabetes": lambda: _sklearn(datasets.load_diabetes, labels=False),
    "digits": _digits,
    "texts": _texts,
}


@cache
def table_of(name: str) -> pa.Table:
    return TABLES[name]()


@cache
def _trained(data: str, algorithm: str, params: tuple[tuple[str, Any], ...]) -> Sample:
    table = table_of(data)
    request = TrainingRequest(target="target", algorithm=algorithm, params=dict(params), validation=0.0)
    trained = train(table, request)
    return Sample(trained.pipeline, trained.signature, batch_of(trained.signature, table))


@pytest.fixture(scope="session")
def trained() -> Callable[..., Sample]:
    """Trains (once) an algorithm on a data set: ``trained("iris", "svm", kernel="rbf")``."""
    return lambda data, algorithm, **params: _trained(data, algorithm, tuple(sorted(params.items())))


@pytest.fixture
def load_graph(tmp_path: Path) -> Callable[..., OnnxModel]:
    """Writes a graph into a model's folder and loads it as a replica would."""

    def load(model: Any, signature: Signature) -> OnnxModel:
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        description = ModelDescription(
            task=signature.task,
            signature=signature,
            algorithm=AlgorithmUse(name="any", title="Any"),
            artifacts=(Artifact(format="onnx", file="model.onnx"),),
            serve="onnx",
        )
        return OnnxRuntime().load(tmp_path, description)

    return load


@pytest.fixture
def compiled(load_graph: Callable[..., OnnxModel]) -> Callable[[Sample], OnnxModel]:
    """Compiles a sample and loads the graph."""
    return lambda sample: load_graph(compile_pipeline(sample.pipeline, sample.signature), sample.signature)
