"""Artifact formats: detect, load, infer.

`load(folder)` is the one door: it reads `model.json`, picks the runtime of the artifact that serves, and loads it.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from tholos.runtimes.base import LoadedModel, Runtime
from tholos.runtimes.checkpoint import is_opened
from tholos.runtimes.errors import RuntimeNotInstalled, UnknownFormat
from tholos.runtimes.model import MODEL_JSON, ModelDescription
from tholos.runtimes.pickles import pickle_in, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "EXTRAS",
    "RUNTIMES",
    "LoadedModel",
    "ModelDescription",
    "Runtime",
    "load",
    "missing",
    "opened_files",
    "require",
    "runtime",
]

RUNTIMES: Mapping[str, str] = {
    "skops": "tholos.runtimes.skops:SkopsRuntime",
    "onnx": "tholos.runtimes.onnx:OnnxRuntime",
    "gguf": "tholos.runtimes.gguf:GgufRuntime",
    "transformers": "tholos.runtimes.transformers:TransformersRuntime",
}
"""Where each format's runtime lives; imported when first asked for, with the library that it needs."""

EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "gguf": ("llm", ("xllamacpp",)),
    "transformers": ("transformers", ("transformers", "torch")),
}
"""Formats whose libraries an installation may lack: the extra of this package, and the modules that it brings."""


def opened_files(model: ModelDescription, paths: Iterable[str]) -> set[str]:
    """Which of a revision's files the runtime opens by itself; what an ONNX graph names comes on top."""
    opened = {MODEL_JSON, model.artifact().file}
    return opened | set(filter(is_opened, paths)) if model.serve == "transformers" else opened


def missing(format: str) -> RuntimeNotInstalled | None:  # noqa: A002 - the file's own word
    """Why nothing here runs this format, where a library is not installed. Imports nothing."""
    extra, modules = EXTRAS.get(format, ("", ()))
    absent = [module for module in modules if importlib.util.find_spec(module) is None]
    if not absent:
        return None
    return RuntimeNotInstalled(
        f"This installation lacks {' and '.join(absent)}, which runs {format} models.",
        next=f"Install it where the server runs, `pip install 'tholos[{extra}]'`, start the server again, and deploy.",
        extra=extra,
    )


def require(format: str) -> None:  # noqa: A002 - the file's own word
    """Raise RuntimeNotInstalled where nothing here runs this format for want of a library."""
    if (problem := missing(format)) is not None:
        raise problem


def runtime(format: str) -> Runtime:  # noqa: A002 - the file's own word
    """The runtime that loads artifacts of this format.

    Raises:
        UnknownFormat: there is none.
        RuntimeNotInstalled: the library that it needs is not there.

    """
    place = RUNTIMES.get(format)
    if place is None:
        raise UnknownFormat(
            f"No runtime loads the format {format!r}.", next=f"Formats that load: {', '.join(sorted(RUNTIMES))}."
        )
    require(format)
    module, _, name = place.partition(":")
    loaded: Runtime = getattr(importlib.import_module(module), name)()
    return loaded


def load(folder: Path, *, format: str | None = None) -> LoadedModel:  # noqa: A002 - the file's own word
    """Load the model whose files lie in `folder`; `format` chooses another artifact than the one that serves.

    Raises:
        ModelFileMissing: `model.json` or the artifact is not there.
        BrokenModel, UntrustedTypes, PickleRefused, UnknownFormat: see `tholos.runtimes.errors`.

    """
    if not (folder / MODEL_JSON).exists() and (found := pickle_in(folder)):
        raise refuse(found)
    model = ModelDescription.read(folder)
    return runtime(format or model.serve).load(folder, model)
