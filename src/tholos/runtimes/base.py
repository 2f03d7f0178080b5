"""What every runtime offers: load an artifact, run batches, let go."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tholos.runtimes.model import ModelDescription
from tholos.tasks.signature import Batch, Outputs, Signature


class LoadedModel(Protocol):
    """A model in memory. `infer` may be called from one thread at a time."""

    @property
    def signature(self) -> Signature:
        """The typed inputs and outputs."""
        ...

    def infer(self, batch: Batch) -> Outputs:
        """Run a batch of any number of rows, at least one; never changes `batch`.

        Answers `label_index` int64 [rows] and `probabilities` float [rows, labels], or `value` float64 [rows].
        """
        ...

    def close(self) -> None:
        """Let go of memory and files. `infer` must not be called afterwards."""
        ...


class Runtime(Protocol):
    """What loads artifacts of one format."""

    format: str

    def load(self, folder: Path, model: ModelDescription) -> LoadedModel:
        """Load the artifact of this runtime's format that `model` names, from a model revision's files in `folder`.

        Raises:
            ModelFileMissing: the artifact is not there.
            BrokenModel: it cannot be read, or does not fit the signature.

        """
        ...
