"""Whether a revision can be served, and where: told from its files before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from tholos.imports.recognition import Candidate, recognise
from tholos.kit.blobs import BlobStore
from tholos.runtimes import RUNTIMES, ModelDescription
from tholos.runtimes.errors import BrokenModel, PickleRefused
from tholos.runtimes.model import MODEL_JSON
from tholos.runtimes.pickles import SUFFIXES, is_pickle
from tholos.serving.errors import NotInlineable, NotServable
from tholos.serving.models import Home, Place
from tholos.serving.placement import ModelFile

INLINE_FORMAT = "onnx"
_MAX_DESCRIPTION_BYTES = 64 << 20
_TRAIN = "Train or import a model into this repo, and deploy that revision."


def describe(blobs: BlobStore, files: Sequence[ModelFile]) -> ModelDescription:
    """What the revision with these files serves. Reads model.json and a few bytes of the artifact; loads nothing.

    Raises PickleRefused, NotServable and BrokenModel, each naming the file and what to do.
    """
    by_path = {file.path: file for file in files}
    description_file = by_path.get(MODEL_JSON)
    if description_file is None:
        found = recognise(by_path)
        if found is not None and found.format != "pickle":
            raise _not_imported(found)
        pickle = next((file.path for file in files if PurePosixPath(file.path).suffix.lower() in SUFFIXES), None)
        if pickle is not None:
            raise _pickle(pickle)
        raise NotServable(
            f"This revision has no {MODEL_JSON}, so there is nothing to serve.",
            next=_TRAIN,
            files=sorted(by_path)[:20],
        )
    if description_file.size > _MAX_DESCRIPTION_BYTES:
        raise BrokenModel(f"{MODEL_JSON} has {description_file.size:,} bytes.", next="Leave data out of it.")
    model = ModelDescription.from_bytes(blobs.path(description_file.sha256).read_bytes())
    artifact = model.artifact()
    stored = by_path.get(artifact.file)
    if stored is None:
        raise NotServable(f"{MODEL_JSON} names {artifact.file}, which the revision does not have.", next=_TRAIN)
    if PurePosixPath(artifact.file).suffix.lower() in SUFFIXES or is_pickle(blobs.path(stored.sha256)):
        raise _pickle(artifact.file)
    if artifact.format not in RUNTIMES:
        raise NotServable(
            f"No runtime serves the format {artifact.format!r}.", next=f"Formats served: {', '.join(sorted(RUNTIMES))}."
        )
    if artifact.sha256 is not None and artifact.sha256 != stored.sha256:
        raise BrokenModel(
            f"{artifact.file} is not the file that {MODEL_JSON} describes: its SHA-256 differs.",
            next="Push the artifact and model.json of one training together.",
            expected=artifact.sha256,
            actual=stored.sha256,
        )
    return model


def place_for(model: ModelDescription, home: Home) -> Place:
    """Where a model runs that its owner wants in ``home``. Raises NotInlineable."""
    inlineable = model.serve == INLINE_FORMAT
    if home == "inline" and not inlineable:
        raise NotInlineable(
            f"Only ONNX models run inside the gateway; this one is {model.serve}.",
            next="Compile the model and deploy the compiled revision, or choose the home 'process' or 'auto'.",
        )
    return "inline" if inlineable and home != "process" else "process"


def _not_imported(found: Candidate) -> NotServable:
    """The error for a model of a known format that says nothing of itself."""
    return NotServable(
        f"{found.file} is recognised as {found.format}, but was only pushed: it has no {MODEL_JSON} yet.",
        next="Import it: `tholos models correct NAMESPACE/NAME`, or the button on its page; then deploy it.",
        format=found.format,
    )


def _pickle(path: str) -> PickleRefused:
    return PickleRefused(
        f"{path} is a pickle. Loading a pickle can run any code, so it was not opened.",
        next="Save the model with skops (skops.io.dump) or as ONNX, or train it here, and push that instead.",
        file=path,
    )
