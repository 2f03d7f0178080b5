"""Which model format the files of a revision are, told from their paths alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from tholos.imports.report import FormatName
from tholos.runtimes.model import MODEL_ONNX, MODEL_SKOPS
from tholos.runtimes.pickles import SUFFIXES

MLMODEL = "MLmodel"
CONFIG_JSON = "config.json"
ADAPTED_ONNX = "serving.onnx"
"""The graph that importing writes beside an ONNX file whose tensors are named otherwise than the runtime's."""

_BY_SUFFIX: tuple[tuple[str, FormatName, str], ...] = (
    (".skops", "skops", MODEL_SKOPS),
    (".onnx", "onnx", MODEL_ONNX),
    (".gguf", "gguf", ""),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The file that holds a model, or tells where it is."""

    format: FormatName
    file: str
    others: tuple[str, ...] = ()
    """Files of the same format beside it."""


def recognise(paths: Iterable[str]) -> Candidate | None:
    """The model among a revision's files: an MLflow folder, then skops, ONNX, transformers, GGUF, at last a pickle.

    Only files at the root count. Of several of one format the one with the usual name is taken, else the first.
    """
    root = sorted(path for path in paths if "/" not in path)
    if MLMODEL in root:
        return Candidate("mlflow", MLMODEL)
    for suffix, name, usual in _BY_SUFFIX[:2]:
        if found := [path for path in root if path.lower().endswith(suffix) and path != ADAPTED_ONNX]:
            return _choice(name, found, usual)
    if CONFIG_JSON in root:
        return Candidate("transformers", CONFIG_JSON)
    suffix, name, usual = _BY_SUFFIX[2]
    if found := [path for path in root if path.lower().endswith(suffix)]:
        return _choice(name, found, usual)
    if found := [path for path in root if PurePosixPath(path).suffix.lower() in SUFFIXES]:
        return _choice("pickle", found, "model.pkl")
    return None


def _choice(name: FormatName, found: list[str], usual: str) -> Candidate:
    chosen = usual if usual in found else found[0]
    return Candidate(name, chosen, tuple(path for path in found if path != chosen))
