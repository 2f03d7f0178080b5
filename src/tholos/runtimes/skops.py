"""scikit-learn pipelines in skops files: rebuilt from data of known types, never unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.runtimes.errors import BrokenModel, ModelFileMissing, UntrustedTypes
from tholos.runtimes.frames import frame_of
from tholos.runtimes.model import ModelDescription
from tholos.runtimes.pickles import is_pickle, refuse
from tholos.runtimes.soundness import check_sound
from tholos.runtimes.threads import threads_for
from tholos.runtimes.trusted import LOADERS, TYPES
from tholos.tasks.signature import Batch, Outputs, Signature

if TYPE_CHECKING:
    from tholos.runtimes.base import Runtime

MAX_UNPACKED_BYTES = 8 << 30
"""What a skops file may unpack to: it is a zip archive."""

NEXT = "Train the model again, or save it with skops.io.dump and push it."


class SkopsModel:
    """A scikit-learn pipeline in memory."""

    def __init__(self, pipeline: Any, signature: Signature) -> None:
        self.signature = signature
        self.pipeline = pipeline

    def infer(self, batch: Batch) -> Outputs:
        """Run a batch; see `LoadedModel.infer`."""
        frame = frame_of(self.signature, batch)
        if "numeric" in batch and getattr(first_step(self.pipeline), "feature_names_in_", None) is None:
            frame = frame.to_numpy()  # fitted on an array: it knows columns by their places, not by names
        return outputs_of(self.pipeline, self.signature, frame)

    def close(self) -> None:
        """Let go of the pipeline."""
        self.pipeline = None


def first_step(pipeline: Any) -> Any:
    """The part of a pipeline that sees the input: it knows how many columns there are, and maybe their names."""
    while type(pipeline).__name__ == "Pipeline":
        pipeline = next((step for _, step in pipeline.steps if step not in (None, "passthrough")), None)
    return pipeline


def outputs_of(pipeline: Any, signature: Signature, frame: Any) -> Outputs:
    """What a fitted pipeline answers on a frame, in the shape of every runtime."""
    with threads_for(len(frame)):
        if signature.output.kind == "number":
            return {"value": np.asarray(pipeline.predict(frame), dtype=np.float64).reshape(-1)}
        probabilities = np.asarray(pipeline.predict_proba(frame), dtype=np.float64)
    return {"label_index": probabilities.argmax(axis=1).astype(np.int64), "probabilities": probabilities}


class SkopsRuntime:
    """Loads artifacts of format `skops`."""

    format = "skops"

    def load(self, folder: Path, model: ModelDescription) -> SkopsModel:
        """Load the pipeline; see `Runtime.load`.

        Raises:
            ModelFileMissing, BrokenModel: the file is not there, or cannot be read, or does not fit the signature.
            UntrustedTypes: it holds types that are not on the list.
            PickleRefused: it is a pickle by another name.

        """
        artifact = model.artifact(self.format)
        path = folder / artifact.file
        if not path.is_file():
            raise ModelFileMissing(f"The model names {artifact.file}, which is not in its revision.", next=NEXT)
        pipeline = load_pipeline(path)
        check_fits(pipeline, model.signature)
        return SkopsModel(pipeline, model.signature)


def save_pipeline(pipeline: Any, path: Path) -> None:
    """Write a fitted pipeline as a skops file, and see that it can be read again.

    Raises:
        UntrustedTypes: the pipeline holds a type that is not on the list in `runtimes.trusted`.

    """
    import skops.io

    skops.io.dump(pipeline, path)
    _check_types(path)


def load_pipeline(path: Path) -> Any:
    """Rebuild a pipeline from a skops file, after every type in it was found on the list.

    Raises:
        BrokenModel: the file is not a skops file, or damaged, or leads compiled code astray.
        UntrustedTypes: it holds types that are not on the list; the error names them.
        PickleRefused: it is a pickle.

    """
    import skops.io

    _check_types(path)
    try:
        pipeline = skops.io.load(path, trusted=sorted(TYPES))
    except Exception as error:
        # skops and the constructors behind it raise whatever a damaged state makes them trip over.
        raise BrokenModel(f"{path.name} cannot be read: {type(error).__name__}: {error}.", next=NEXT) from error
    check_sound(pipeline)
    return pipeline


def _check_types(path: Path) -> None:
    if is_pickle(path):
        raise refuse(path)
    schema = _schema(path)
    unknown = sorted(
        {
            f"{node.get('__module__')}.{node['__class__']}"
            for node in _nodes(schema)
            if f"{node.get('__module__')}.{node['__class__']}" not in TYPES or node.get("__loader__") not in LOADERS
        }
    )
    if unknown:
        raise UntrustedTypes(
            f"{path.name} holds types that Tholos does not load: {', '.join(unknown[:10])}.",
            next="Use a pipeline of the types that `tholos algorithms` trains, or push the model as ONNX.",
            types=unknown[:100],
        )


def _schema(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise BrokenModel(f"{path.name} would unpack to {unpacked} bytes.", next="Push a smaller model.")
            return json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, OSError) as error:
        raise BrokenModel(f"{path.name} is not a skops file.", next=NEXT) from error


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object of the schema that names a class or a way to build one, however deep."""
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "__class__" in item or "__loader__" in item:
                yield {"__class__": None, **item}
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def check_fits(pipeline: Any, signature: Signature) -> None:
    """Whether the pipeline answers what the signature promises. Raises BrokenModel.

    Models trained here know their classes by number; others by name. Their order is that of the signature's labels.
    """
    asked = "predict" if signature.output.kind == "number" else "predict_proba"
    if not hasattr(pipeline, asked):
        raise BrokenModel(f"The pipeline cannot {asked}, which {signature.task} needs.", next=NEXT)
    labels = signature.output.labels
    if labels is not None and len(pipeline.classes_) != len(labels):
        raise BrokenModel(
            f"The pipeline tells {len(pipeline.classes_)} classes apart, the signature names {len(labels)}.", next=NEXT
        )


if TYPE_CHECKING:
    _: Runtime = SkopsRuntime()
