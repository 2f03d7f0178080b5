"""The model revision that is to be compiled: what it describes, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tholos.hub import service as hub
from tholos.hub.mirror.promises import require_here
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession
from tholos.optimization.errors import NothingToCompile
from tholos.runtimes.model import MODEL_JSON, ModelDescription

ORIGINAL = "skops"
COMPILED = "onnx"


@dataclass(frozen=True, slots=True)
class Source:
    """A model revision with its description and its files by path."""

    repo: hub.Repo
    revision: hub.Revision
    model: ModelDescription
    files: Mapping[str, hub.TreeEntry]

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.repo.full_name}@{self.revision.commit_id[:10]}"

    @property
    def is_compiled(self) -> bool:
        """Whether the revision serves a compiled graph already."""
        return self.model.serve == COMPILED

    def lay_out(self, blobs: BlobStore, folder: Path) -> None:
        """Put the description and the original pipeline into a new *folder*, as links to the blobs."""
        folder.mkdir()
        for name in (MODEL_JSON, self.model.artifact(ORIGINAL).file):
            (folder / name).symlink_to(blobs.path(self.files[name].sha256 or ""))


def source_of(read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: hub.Revision) -> Source:
    """Describe the model of a revision; the caller has authorized the repo.

    Raises NothingToCompile when it has no model.json or no original pipeline, ContentDeleted, and BrokenModel.
    """
    files = {entry.path: entry for entry in hub.tree(read, repo, revision.commit_id) if entry.type == "file"}
    require_here(read, repo.id, files.values())
    where = f"{repo.full_name} at {revision.commit_id[:10]}"
    if MODEL_JSON not in files:
        raise NothingToCompile(
            f"There is no {MODEL_JSON} in {where}, so there is no model to compile.",
            next="Train a model into the repo first: `tholos train`.",
        )
    hub.require_kept(read, repo, files[MODEL_JSON])
    model = ModelDescription.from_bytes(blobs.path(files[MODEL_JSON].sha256 or "").read_bytes())
    original = next((artifact.file for artifact in model.artifacts if artifact.format == ORIGINAL), None)
    if original not in files:
        raise NothingToCompile(
            f"The model in {where} has no scikit-learn pipeline ({ORIGINAL}) that could be compiled.",
            next="Compile a model that was trained here; one that is ONNX already needs no compiling.",
        )
    hub.require_kept(read, repo, files[original])
    return Source(repo, revision, model, files)
