"""Use cases of imports: what is the model in a revision, make it deployable; and what a push sets going."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tholos.accounts.authorization import Action, Actor, authorize
from tholos.hub import service as hub
from tholos.imports import repository
from tholos.imports.errors import NothingToImport
from tholos.imports.kinds import DETECT, IMPORT
from tholos.imports.models import ModelReport
from tholos.imports.recognition import recognise
from tholos.imports.report import IMPORT_JSON, Corrections, Report
from tholos.jobs import service as jobs
from tholos.jobs.lineage import Edge, record_link
from tholos.jobs.models import Job
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.outbox import Handlers
from tholos.kit.services import Services
from tholos.runtimes import missing
from tholos.runtimes.errors import BrokenModel, RuntimeNotInstalled
from tholos.runtimes.model import MODEL_JSON, ModelDescription

State = Literal["ready", "pending", "failed", "none"]
"""``pending``: a job has still to read the files; ``none``: there is no model of a known format in them."""

MAX_DESCRIPTION_BYTES = 64 << 20
_MAIN_REF = "refs/heads/main"
_SOURCE_LINK = "data.query"


@dataclass(frozen=True, slots=True)
class Described:
    """A model revision and what is known of the model in it."""

    repo: hub.Repo
    revision: hub.Revision
    state: State
    model: ModelDescription | None
    """What model.json says, where there is one that can be read."""
    report: Report | None
    error: Mapping[str, Any] | None
    """Why the files could not be described, where that failed."""

    @property
    def deployable(self) -> bool:
        """Whether the revision holds a description that a deployment can follow."""
        return self.model is not None

    @property
    def lacks(self) -> RuntimeNotInstalled | None:
        """What this installation has to be given before it can serve the model."""
        serves = self.model.serve if self.model else self.report.runtime if self.report else None
        return missing(serves or "")

    @property
    def importable(self) -> bool:
        """Whether importing would make it deployable."""
        return self.model is None and self.report is not None and self.report.obstacle is None


def describe(services: Services, actor: Actor, name: str, rev: str) -> Described:
    """What the model of a revision is. Raises as ``hub.resolve``, and GatedRepo."""
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.MODEL, name, rev)
        hub.require_content(read, actor, repo)
        return describe_revision(services, read, repo, revision)


def describe_revision(services: Services, read: ReadSession, repo: hub.Repo, revision: hub.Revision) -> Described:
    """What the model of a revision is; the caller has authorized the repo and its content."""
    files = {entry.path: entry for entry in hub.kept(read, repo, hub.tree(read, repo, revision.commit_id))}
    model = _model(services, files.get(MODEL_JSON))
    kept = _kept_report(services, files)
    if kept is not None:
        return Described(repo, revision, "ready", model, kept, None)
    made = repository.report_of(read, repo.id, revision.commit_id)
    if made is not None and made.state == "failed":
        return Described(repo, revision, "failed", model, None, made.error)
    if made is not None:
        return Described(repo, revision, "ready", model, Report.from_json(made.report), None)
    if model is not None:
        return Described(repo, revision, "ready", model, None, None)
    return Described(repo, revision, "none" if recognise(files) is None else "pending", None, None, None)


def start_describe(services: Services, actor: Actor, name: str, rev: str) -> Job:
    """A job that reports on a revision anew, or on one that is not the head of main.

    Raises NothingToImport, Forbidden, and as ``hub.resolve``.
    """
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.MODEL, name, rev)
        authorize(actor, Action.WRITE, repo)
        _require_model(read, repo, revision)
    with services.database.write() as write:
        return _enqueue(write, actor, repo, revision)


def start_import(services: Services, actor: Actor, name: str, rev: str, corrections: Corrections) -> Job:
    """A job that commits a description of the model, with what the user corrects, on top of the head of main.

    Raises NothingToImport, RepoNotFound and RevisionNotFound (also of the data), GatedRepo (the data), Forbidden, and
    as ``hub.resolve``.
    """
    with services.database.read() as read:
        repo, revision = hub.resolve(read, actor, hub.RepoKind.MODEL, name, rev)
        authorize(actor, Action.WRITE, repo)
        _require_model(read, repo, revision)
        data_repo_id, inputs = "", [Edge(revision.urn, "model", f"{repo.label}@{revision.commit_id[:10]}")]
        if corrections.data:
            data, data_revision = hub.resolve(
                read, actor, hub.RepoKind.DATASET, corrections.data, corrections.data_revision or hub.MAIN
            )
            hub.require_content(read, actor, data)
            corrections = replace(corrections, data=data.full_name, data_revision=data_revision.commit_id)
            data_repo_id = data.id
            inputs.append(Edge(data_revision.urn, "data", f"{data.label}@{data_revision.commit_id[:10]}"))
    payload = {
        "repo_id": repo.id,
        "revision": revision.commit_id,
        "corrections": corrections.to_json(),
        "data_repo_id": data_repo_id,
    }
    with services.database.write() as write:
        title = f"Import {repo.full_name}"
        return jobs.enqueue(write, actor, IMPORT, payload, title=title, inputs=inputs, about=repo.owner_id)


def on_commit(write: WriteSession, payload: Mapping[str, str]) -> None:
    """Outbox handler of ``repo.committed``: a model that was pushed is described; a query's rows name their source."""
    repo = write.get(hub.Repo, payload["repo_id"])
    if repo is None or payload.get("ref") != _MAIN_REF:
        return
    if repo.kind is hub.RepoKind.DATASET:
        _link_source(write, repo, payload["revision"])
    elif repo.kind is hub.RepoKind.MODEL:
        _describe_push(write, repo, payload["revision"])


def on_job_ended(write: WriteSession, payload: Mapping[str, str]) -> None:
    """Outbox handler of ``job.ended``: a description that its job did not survive is not waited for any longer."""
    if payload.get("kind") != DETECT.name or payload.get("state") == "succeeded":
        return
    order = repository.job_payload(write, payload["job_id"])
    if order is None or write.get(hub.Repo, order["repo_id"]) is None:
        return
    if repository.report_of(write, order["repo_id"], order["revision"]) is not None:
        return
    error = {
        "code": "description_failed",
        "message": f"Reading the files ended the job that did it ({payload['state']}).",
        "next": f"Read its log: `tholos logs {payload['job_id']}`. The files may be damaged or too large.",
    }
    report = ModelReport(
        repo_id=order["repo_id"],
        revision=order["revision"],
        state="failed",
        report=None,
        error=error,
        job_id=payload["job_id"],
        created_at=utcnow(),
    )
    repository.put_report(write, report)


HANDLERS: Handlers = {"repo.committed": (on_commit,), "job.ended": (on_job_ended,)}
"""What the outbox tells this room."""


def _describe_push(write: WriteSession, repo: hub.Repo, commit_id: str) -> None:
    if repository.report_of(write, repo.id, commit_id) is not None:
        return
    revision = hub.revision_of(write, repo, commit_id)
    files = {entry.path for entry in hub.tree(write, repo, commit_id) if entry.type == "file"}
    # What was trained here describes itself; what a job imported was described by that job.
    if recognise(files) is None or (MODEL_JSON in files and (IMPORT_JSON not in files or revision.job_id)):
        return
    _enqueue(write, Actor.system(repo.owner_id, repo.namespace), repo, revision)


def _link_source(write: WriteSession, repo: hub.Repo, revision: str) -> None:
    """The lineage of rows that a query brought: the database, as the card names it (no password is in it)."""
    told = repo.card.get("tholos")
    source = told.get("source") if isinstance(told, Mapping) else None
    url = source.get("url") if isinstance(source, Mapping) else None
    if not isinstance(url, str) or not url:
        return
    found = hub.revision_of(write, repo, revision)
    label = f"query of {url}"[:200]
    record_link(
        write,
        Edge(f"source:{repo.id}", "data", label),
        Edge(found.urn, "dataset", f"{repo.label}@{revision[:10]}"),
        kind=_SOURCE_LINK,
        owner_id=repo.owner_id,
    )


def _enqueue(write: WriteSession, actor: Actor, repo: hub.Repo, revision: hub.Revision) -> Job:
    return jobs.enqueue(
        write,
        actor,
        DETECT,
        {"repo_id": repo.id, "revision": revision.commit_id},
        title=f"Describe {repo.full_name}",
        inputs=[Edge(revision.urn, "model", f"{repo.label}@{revision.commit_id[:10]}")],
        about=repo.owner_id,
    )


def _require_model(read: ReadSession, repo: hub.Repo, revision: hub.Revision) -> None:
    files = {entry.path for entry in hub.tree(read, repo, revision.commit_id) if entry.type == "file"}
    if MODEL_JSON in files and IMPORT_JSON not in files:
        raise NothingToImport(
            f"{repo.label} has a {MODEL_JSON} that no import wrote: it describes itself.",
            next=f"Correct {MODEL_JSON} itself and push it, or train the model again.",
        )
    if recognise(files) is None:
        raise NothingToImport(
            f"{repo.label} holds no model of a known format at {revision.commit_id[:10]}.",
            next="Push an MLflow model folder, a .skops, .onnx or .gguf file, or a transformers folder, at the root.",
        )


def _model(services: Services, entry: hub.TreeEntry | None) -> ModelDescription | None:
    if entry is None or entry.sha256 is None or (entry.size or 0) > MAX_DESCRIPTION_BYTES:
        return None
    try:
        with services.blobs.open(entry.sha256) as file:
            return ModelDescription.from_bytes(file.read())
    except BrokenModel:
        return None  # deploying it says what is broken


def _kept_report(services: Services, files: Mapping[str, hub.TreeEntry]) -> Report | None:
    """The report that an import committed, as long as the file that it speaks of is still the same."""
    entry = files.get(IMPORT_JSON)
    if entry is None or entry.sha256 is None or (entry.size or 0) > MAX_DESCRIPTION_BYTES:
        return None
    with services.blobs.open(entry.sha256) as file:
        report = Report.from_bytes(file.read())
    subject = files.get(report.file) if report else None
    return report if report and subject and subject.sha256 == report.sha256 else None
