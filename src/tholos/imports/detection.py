"""From a revision's files to a description of the model in them."""

from __future__ import annotations

from tholos.imports.errors import NothingToImport
from tholos.imports.files import Files
from tholos.imports.findings import Detected, Findings, Hints
from tholos.imports.graphs import read_onnx
from tholos.imports.language import read_gguf
from tholos.imports.mlflow import read_mlflow
from tholos.imports.recognition import Candidate, recognise
from tholos.imports.report import Corrections, Obstacle
from tholos.imports.scikit import read_skops
from tholos.imports.transformers import read_transformers
from tholos.kit.errors import TholosError

_LIBRARIES = {
    "mlflow": "mlflow",
    "onnx": "onnx",
    "skops": "sklearn",
    "gguf": "gguf",
    "transformers": "transformers",
    "pickle": "pickle",
}
_FORMATS = {
    "mlflow": "a folder with a file MLmodel",
    "transformers": "a folder with a file config.json",
}


def detect(files: Files, corrections: Corrections | None = None) -> Detected:
    """Describe the model; what stands in its way is part of the description. Run it in a job's child process only.

    Raises NothingToImport where there is no file of a known format.
    """
    candidate = recognise(files.entries)
    if candidate is None:
        raise nothing()
    found = Findings(
        candidate.format,
        candidate.file,
        _LIBRARIES[candidate.format],
        sha256=files.sha256(candidate.file),
        corrections=corrections or Corrections(),
    )
    found.read("format", candidate.format, _FORMATS.get(candidate.format, f"the name of {candidate.file}"))
    if candidate.others:
        found.guess("file", candidate.file, f"one of {len(candidate.others) + 1}; beside {', '.join(candidate.others)}")
    try:
        return _read(files, candidate, found)
    except TholosError as error:
        if error.status >= 500:  # a full disk says nothing of the model
            raise
        return found.blocked(error)


def _read(files: Files, candidate: Candidate, found: Findings) -> Detected:
    match candidate.format:
        case "mlflow":
            return read_mlflow(files, candidate.file, found)
        case "skops":
            return read_skops(files, candidate.file, found, Hints())
        case "onnx":
            return read_onnx(files, candidate.file, found, Hints())
        case "gguf":
            return read_gguf(files, candidate.file, found)
        case "transformers":
            return read_transformers(files, candidate.file, found)
        case "pickle":
            return found.blocked(_pickle(candidate.file))


def _pickle(path: str) -> Obstacle:
    return Obstacle(
        code="pickle_refused",
        message=f"{path} is a pickle. Loading a pickle can run any code, so it was not opened.",
        next="Save the model with skops (skops.io.dump) or as ONNX, and push that instead.",
    )


def nothing() -> NothingToImport:
    """The error for a revision without a model."""
    return NothingToImport(
        "The revision holds no model of a known format.",
        next="Push an MLflow model folder, or a .skops, .onnx or .gguf file, or a transformers folder, at the root.",
    )
