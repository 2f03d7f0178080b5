"""What this room's jobs do, in their child process: only there is a file from elsewhere ever parsed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from tholos.accounts.authorization import Action
from tholos.hub import service as hub
from tholos.hub.cards import CARD_FILE, Card
from tholos.imports import repository
from tholos.imports.card import model_card
from tholos.imports.detection import detect
from tholos.imports.errors import NotImportable
from tholos.imports.files import Files
from tholos.imports.findings import Detected
from tholos.imports.models import ModelReport
from tholos.imports.recognition import ADAPTED_ONNX
from tholos.imports.report import IMPORT_JSON, Corrections, Report
from tholos.jobs import service as jobs
from tholos.jobs.context import JobContext, Publish
from tholos.jobs.lineage import Edge
from tholos.kit.clock import utcnow
from tholos.kit.database import WriteSession
from tholos.runtimes import missing
from tholos.runtimes.model import (
    MODEL_JSON,
    MODEL_ONNX,
    AlgorithmUse,
    Artifact,
    ModelDescription,
    TrainingData,
    TrainingRecord,
)

_PARITY_JSON = "parity.json"
"""Written by compiling, with the graph beside it: neither belongs to a model that was described anew."""


@dataclass(frozen=True)
class _Subject:
    repo: hub.Repo
    revision: hub.Revision
    files: Files
    card: Card


def describe(ctx: JobContext) -> Publish:
    """Report on the model in a revision; what stands in its way is part of the report."""
    subject = _subject(ctx, Action.READ)
    ctx.progress(0.1, "reading the files")
    detected = detect(subject.files)
    _say(detected.report)

    def publish(write: WriteSession) -> dict[str, Any]:
        repository.put_report(write, _row(ctx, subject, detected.report))
        return _summary(subject, subject.revision.commit_id, detected.report)

    return publish


def import_model(ctx: JobContext) -> Publish:
    """Commit what makes the model deployable: model.json, import.json, the card, and a graph where one was made.

    A model that no runtime serves gets its card alone. Raises NotImportable, NothingToImport.
    """
    subject = _subject(ctx, Action.WRITE)
    asked = Corrections.from_json(ctx.payload["corrections"])
    corrections = asked.over(_said_before(subject))
    ctx.progress(0.1, "reading the files")
    detected = detect(subject.files, corrections)
    report = detected.report
    _say(report)
    if report.obstacle is not None and report.obstacle.code != "runtime_missing":
        raise NotImportable(report.obstacle.message, next=report.obstacle.next, reason=report.obstacle.code)
    ctx.progress(0.8, "committing")
    prepared = hub.prepare_commit(
        ctx.database,
        ctx.blobs,
        ctx.actor,
        subject.repo,
        _operations(ctx, subject, detected, corrections),
        f"Import {report.file}: {report.task or report.format}",
        parent=subject.revision.commit_id,
        job_id=ctx.job_id,
    )

    def publish(write: WriteSession) -> dict[str, Any]:
        child = hub.land(write, prepared)
        subject_row = _Subject(subject.repo, child, subject.files, subject.card)
        repository.put_report(write, _row(ctx, subject_row, report))
        label = f"model {subject.repo.full_name}@{child.commit_id[:10]}"
        jobs.add_edges(write, ctx.job_id, outputs=[Edge(child.urn, "model", label)])
        return _summary(subject, child.commit_id, report)

    return publish


def _subject(ctx: JobContext, action: Action) -> _Subject:
    with ctx.database.read() as read:
        repo = hub.get_repo_by_id(read, ctx.actor, ctx.payload["repo_id"], action)
        revision = hub.revision_of(read, repo, ctx.payload["revision"])
        hub.require_content(read, ctx.actor, repo)
        entries = hub.kept(read, repo, hub.tree(read, repo, revision.commit_id, recursive=True))
        card = hub.card_of(read, ctx.blobs, revision.tree_id)
    folder = ctx.folder / "files"
    folder.mkdir()
    return _Subject(repo, revision, Files.of(ctx.blobs, entries, folder), card)


def _said_before(subject: _Subject) -> Corrections:
    if IMPORT_JSON not in subject.files:
        return Corrections()
    earlier = Report.from_bytes(subject.files.head(IMPORT_JSON, 64 << 20))
    return earlier.corrections if earlier else Corrections()


def _operations(
    ctx: JobContext, subject: _Subject, detected: Detected, corrections: Corrections
) -> list[hub.Operation]:
    operations: list[hub.Operation] = []
    card = model_card(subject.repo.full_name, detected.report, subject.card)
    if card is not None:
        operations.append(hub.AddBytes(CARD_FILE, card.encode()))
    operations.append(hub.AddBytes(IMPORT_JSON, detected.report.to_bytes()))
    stale = [path for path in (ADAPTED_ONNX,) if path in subject.files and detected.artifact != path]
    if _PARITY_JSON in subject.files:
        stale += [path for path in (_PARITY_JSON, MODEL_ONNX) if path in subject.files]
    if detected.signature is None:
        stale += [path for path in (MODEL_JSON,) if path in subject.files]
        return [*operations, *(hub.Delete(path) for path in stale)]
    if detected.made is not None:
        operations.append(hub.AddFile(detected.artifact, detected.made))
    model = _description(ctx, subject, detected, corrections)
    operations.append(hub.AddBytes(MODEL_JSON, model.to_bytes()))
    return [*operations, *(hub.Delete(path) for path in stale)]


def _description(ctx: JobContext, subject: _Subject, detected: Detected, corrections: Corrections) -> ModelDescription:
    report, signature = detected.report, detected.signature
    assert signature is not None
    assert report.runtime is not None
    told = {fact.name: str(fact.value) for fact in report.facts}
    title = told.get("estimator") or told.get("architecture") or f"{report.format} graph"
    if detected.made is None:
        sha256 = subject.files.sha256(detected.artifact)
    else:
        with detected.made.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    data = TrainingData(repo=corrections.data or None, revision=corrections.data_revision or None)
    return ModelDescription(
        task=signature.task,
        signature=signature,
        algorithm=AlgorithmUse(name="imported", title=title),
        artifacts=(Artifact(format=report.runtime, file=detected.artifact, sha256=sha256),),
        serve=report.runtime,
        training=TrainingRecord(data=data, job_id=ctx.job_id),
    )


def _row(ctx: JobContext, subject: _Subject, report: Report) -> ModelReport:
    return ModelReport(
        repo_id=subject.repo.id,
        revision=subject.revision.commit_id,
        state="ready",
        report=report.to_json(),
        error=None,
        job_id=ctx.job_id,
        created_at=utcnow(),
    )


def _summary(subject: _Subject, revision: str, report: Report) -> dict[str, Any]:
    found = {
        "model": subject.repo.full_name,
        "revision": revision,
        "format": report.format,
        "file": report.file,
        "task": report.task,
        "runtime": report.runtime,
        "deployable": report.obstacle is None,
        "guessed": list(report.guessed),
        "lacks": lacks.message if (lacks := missing(report.runtime or "")) else "",
    }
    if report.obstacle is not None:
        found["obstacle"] = report.obstacle.message
        found["next"] = report.obstacle.next
    return found


def _say(report: Report) -> None:
    """The account for people, in the job's log."""
    lines = [f"{fact.name}: {fact.value} ({fact.how}{': ' + fact.note if fact.note else ''})" for fact in report.facts]
    if report.obstacle is not None:
        lines.append(f"not deployable: {report.obstacle.message}")
    print("\n".join(lines))  # noqa: T201 - goes to the job's log
