"""`model.json`: what a model revision is, beside its artifacts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from tholos.runtimes.errors import BrokenModel, ModelFileMissing
from tholos.tasks.errors import BrokenSignature
from tholos.tasks.signature import Signature, TaskId

MODEL_JSON = "model.json"
MODEL_SKOPS = "model.skops"
MODEL_ONNX = "model.onnx"

NEXT = "Train the model again, or correct model.json and push it."


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file of the revision in a known format."""

    format: str
    file: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlgorithmUse:
    """The algorithm that trained the model, with every hyper-parameter."""

    name: str
    title: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What the model learned from."""

    repo: str | None = None
    """`namespace/name` of the dataset; None when trained outside the hub."""
    revision: str | None = None
    split: str | None = None
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How the model came to be, in short; `training.json` has the whole account."""

    data: TrainingData = field(default_factory=TrainingData)
    seed: int = 0
    duration_s: float = 0.0
    peak_memory_bytes: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """The content of `model.json`."""

    format: Literal[1] = 1
    task: TaskId
    signature: Signature
    algorithm: AlgorithmUse
    artifacts: tuple[Artifact, ...]
    serve: str
    """The format of the artifact that serves."""
    training: TrainingRecord = field(default_factory=TrainingRecord)

    def artifact(self, format: str | None = None) -> Artifact:  # noqa: A002 - the file's own word
        """The artifact of this format, by default the one that serves.

        Raises:
            BrokenModel: the model has none.

        """
        wanted = format or self.serve
        for artifact in self.artifacts:
            if artifact.format == wanted:
                return artifact
        raise BrokenModel(f"The model has no artifact of format {wanted!r}.", next=NEXT)

    def with_artifact(self, artifact: Artifact, *, serve: bool) -> ModelDescription:
        """A copy that names one artifact more (in place of one of the same format), served if asked."""
        others = tuple(item for item in self.artifacts if item.format != artifact.format)
        return replace(self, artifacts=(*others, artifact), serve=artifact.format if serve else self.serve)

    def to_bytes(self) -> bytes:
        """The file's content: indented JSON, UTF-8, with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> ModelDescription:
        """Read the file's content.

        Raises:
            BrokenModel: it is no JSON, lacks something, or contradicts itself.

        """
        try:
            raw = msgspec.json.decode(data)
            signature = Signature.from_json(raw["signature"])
            description = msgspec.convert(raw, cls)
        except BrokenSignature as error:
            raise BrokenModel(f"model.json: {error.message}", next=NEXT) from error
        except (msgspec.MsgspecError, RecursionError, TypeError, LookupError) as error:
            raise BrokenModel(f"model.json cannot be read: {error}.", next=NEXT) from error
        if description.task != signature.task:
            raise BrokenModel(
                f"model.json names the task {description.task!r} but its signature {signature.task!r}.", next=NEXT
            )
        for artifact in description.artifacts:
            if artifact.file != Path(artifact.file).name or artifact.file in ("", ".", ".."):
                raise BrokenModel(
                    f"model.json names the artifact {artifact.file!r}, which is not a file beside it.", next=NEXT
                )
        description.artifact()
        return description

    @classmethod
    def read(cls, folder: Path) -> ModelDescription:
        """Read `model.json` from a folder.

        Raises:
            ModelFileMissing: there is none.
            BrokenModel: it cannot be read.

        """
        try:
            data = (folder / MODEL_JSON).read_bytes()
        except FileNotFoundError as error:
            raise ModelFileMissing(
                "This revision has no model.json, so it is not a model that can be loaded.",
                next="Train a model into this repo, or push model.json with the artifacts.",
            ) from error
        return cls.from_bytes(data)
