"""The model revision under evaluation: which files it has, what they describe, and a folder to load them from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tholos.evaluation.errors import NotAModel
from tholos.hub import service as hub
from tholos.hub.mirror.promises import require_here
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession
from tholos.runtimes import ModelDescription, opened_files
from tholos.runtimes.model import MODEL_JSON


@dataclass(frozen=True, slots=True)
class Subject:
    """A model revision with its description and its files by path."""

    repo: hub.Repo
    revision: str
    model: ModelDescription
    files: Mapping[str, hub.TreeEntry]

    @property
    def served(self) -> hub.TreeEntry:
        """The artifact that serves."""
        return self.files[self.model.artifact().file]

    def lay_out(self, blobs: BlobStore, folder: Path) -> None:
        """Put the description and what the runtime opens into *folder*, as links to the blobs."""
        folder.mkdir()
        for name in opened_files(self.model, self.files):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).symlink_to(blobs.path(self.files[name].sha256 or ""))


def subject_of(read: ReadSession, blobs: BlobStore, repo: hub.Repo, revision: str) -> Subject:
    """Describe the model of a revision; the caller has authorized the repo and its content.

    Raises NotAModel when it has no model.json or lacks the artifact that this names, ContentDeleted, and BrokenModel.
    """
    files = {entry.path: entry for entry in hub.tree(read, repo, revision) if entry.type == "file"}
    require_here(read, repo.id, files.values())
    if MODEL_JSON not in files:
        raise NotAModel(
            f"{repo.full_name} has no {MODEL_JSON} at {revision[:10]}, so there is no model to evaluate.",
            next=f"Train a model into it (`tholos train`), or push {MODEL_JSON} with the artifacts.",
        )
    hub.require_kept(read, repo, files[MODEL_JSON])
    model = ModelDescription.from_bytes(blobs.path(files[MODEL_JSON].sha256 or "").read_bytes())
    served = model.artifact().file
    if served not in files:
        raise NotAModel(
            f"{repo.full_name} names {served} in {MODEL_JSON} at {revision[:10]}, but has no such file.",
            next=f"Push {served} together with {MODEL_JSON}, or train the model again.",
        )
    return Subject(repo, revision, model, files)
