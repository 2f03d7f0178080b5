"""The files of a trained model's revision: `model.skops`, `model.json`, `training.json`, `README.md`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tholos.hub.cards import CARD_FILE, EMPTY_CARD, Card
from tholos.kit.hardware import hardware
from tholos.runtimes.model import (
    MODEL_JSON,
    MODEL_SKOPS,
    AlgorithmUse,
    Artifact,
    ModelDescription,
    TrainingData,
    TrainingRecord,
)
from tholos.runtimes.skops import save_pipeline
from tholos.training.card import model_card
from tholos.training.trainer import Trained

TRAINING_JSON = "training.json"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The data that a model learned from."""

    repo: str
    """`namespace/name`"""
    revision: str
    split: str | None


def write_model(
    folder: Path,
    trained: Trained,
    *,
    name: str,
    source: Source | None = None,
    job_id: str | None = None,
    present: Card = EMPTY_CARD,
) -> ModelDescription:
    """Write a trained model's files into an existing folder.

    `name` is the model's `namespace/name`, `present` the card that its repo has now.

    Raises:
        UntrustedTypes: the pipeline holds a type that no runtime would load again.

    """
    save_pipeline(trained.pipeline, folder / MODEL_SKOPS)
    description = describe(trained, folder / MODEL_SKOPS, source, job_id)
    (folder / MODEL_JSON).write_bytes(description.to_bytes())
    record = {
        **trained.to_json(),
        "data": msgspec.to_builtins(description.training.data),
        "hardware": hardware(),
        "job_id": job_id,
    }
    (folder / TRAINING_JSON).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    card = model_card(name, description, trained.notes, present, trained.chosen.algorithm)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    return description


def describe(trained: Trained, artifact: Path, source: Source | None, job_id: str | None) -> ModelDescription:
    """`model.json` of a trained model whose pipeline was written to `artifact`."""
    with artifact.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    chosen = trained.chosen
    data = TrainingData(rows=trained.rows)
    if source is not None:
        data = TrainingData(repo=source.repo, revision=source.revision, split=source.split, rows=trained.rows)
    return ModelDescription(
        task=trained.signature.task,
        signature=trained.signature,
        algorithm=AlgorithmUse(name=chosen.algorithm.name, title=chosen.algorithm.title, params=dict(chosen.params)),
        artifacts=(Artifact(format="skops", file=artifact.name, sha256=sha256),),
        serve="skops",
        training=TrainingRecord(
            data=data,
            seed=chosen.seed,
            duration_s=trained.duration_s,
            peak_memory_bytes=trained.peak_memory_bytes,
            versions=trained.versions,
            job_id=job_id,
        ),
    )
