"""What the job `evaluation.evaluate` runs: load as served, infer, measure, draw, publish."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tholos.data import view
from tholos.evaluation import charts, report
from tholos.evaluation.errors import ColumnsMissing, NothingToEvaluate
from tholos.evaluation.latency import row_latency
from tholos.evaluation.models import Evaluation
from tholos.evaluation.plots import plots
from tholos.evaluation.predictions import write_predictions
from tholos.evaluation.service import Request
from tholos.evaluation.subject import Subject, subject_of
from tholos.hub import service as hub
from tholos.jobs.context import JobContext, Publish
from tholos.kit.blobs import Blob
from tholos.kit.clock import utcnow
from tholos.kit.database import WriteSession
from tholos.kit.hardware import hardware
from tholos.kit.ids import new_id
from tholos.runtimes import LoadedModel, load
from tholos.tasks.errors import OutputNotFinite
from tholos.tasks.outcomes import ClassOutcomes, Floats, Ints, NumberOutcomes, Outcomes, class_outcomes
from tholos.tasks.signature import Outputs, Signature
from tholos.tasks.tables import batch_of, labels_of, numbers_of

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_PER_BATCH = 2_048
_IMAGES_PER_BATCH = 64
_MOST_NAMED = 5
_LIBRARIES = {"onnx": ("onnxruntime",), "skops": ("scikit-learn", "skops"), "transformers": ("torch", "transformers")}


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows that could be judged (``int64`` places in the split) and the model's answers to them."""

    rows: Ints
    outcomes: Outcomes
    notes: list[str]


def evaluate(ctx: JobContext) -> Publish:
    """Measure a model revision, loaded exactly as it is served, on one split of a data revision.

    Raises NotAModel, BrokenModel, SplitNotFound, ColumnsMissing, WrongType, BrokenImage, NothingToEvaluate,
    OutputNotFinite.
    """
    begun = time.monotonic()
    request = Request(**ctx.payload)
    ctx.progress(0.0, "loading the model")
    with ctx.database.read() as read:
        model_repo = hub.get_repo_by_id(read, ctx.actor, request.model_repo_id)
        data_repo = hub.get_repo_by_id(read, ctx.actor, request.data_repo_id)
        hub.require_content(read, ctx.actor, model_repo)
        hub.require_content(read, ctx.actor, data_repo)
        subject = subject_of(read, ctx.blobs, model_repo, request.revision)
        hub.require_kept(read, model_repo, subject.served)
        data_revision = hub.revision_of(read, data_repo, request.dataset_revision)
    folder = ctx.folder / "model"
    subject.lay_out(ctx.blobs, folder)
    model = load(folder)
    try:
        ctx.progress(0.1, "reading the data")
        table = _read(ctx, data_repo, data_revision, request.split, model.signature)
        answered = _answer(ctx, model, table)
        ctx.progress(0.7, "measuring the time of one row")
        latency = row_latency(model, batch_of(model.signature, table.slice(0, 200)))
    finally:
        model.close()
    notes = [*_origin_notes(subject, request), *answered.notes]
    for note in notes:
        print(f"note: {note}")  # noqa: T201 - goes to the job's log
    kept: list[Blob] = []
    evaluation = _evaluation(ctx, request, subject, answered, latency, kept)
    evaluation.notes = notes
    evaluation.seconds = round(time.monotonic() - begun, 3)
    ctx.progress(1.0, "done")
    return lambda write: _publish(write, ctx, evaluation, kept)


def _read(ctx: JobContext, repo: hub.Repo, revision: hub.Revision, split: str | None, signature: Signature) -> pa.Table:
    """The columns that the signature names and the target, of the rows that are asked for."""
    names = [column["name"] for column in view.ensure(ctx, repo, revision).columns or ()]
    wanted = [*signature.names, signature.output.name]
    missing = [name for name in wanted if name not in names]
    if missing:
        use = "predicts" if missing == wanted[-1:] else "needs"
        raise ColumnsMissing(
            f"{repo.full_name} lacks {_listed(missing)}, which the model {use}.",
            next=f"Evaluate on data with the columns {_listed(wanted)}.",
            missing=missing,
            columns=names[:200],
        )
    return view.load(ctx, repo, revision, split=split, columns=wanted)


def _answer(ctx: JobContext, model: LoadedModel, table: pa.Table) -> Answered:
    signature = model.signature
    numeric = signature.output.kind == "number"
    truth: list[Any] | Floats = numbers_of(signature.output, table) if numeric else labels_of(signature.output, table)
    judged = [place for place, value in enumerate(truth) if not _is_missing(value)]
    if not judged:
        raise NothingToEvaluate(
            f"None of the {len(table)} rows has a value in {signature.output.name!r}, which the model predicts.",
            next="Choose another split, or data whose target is filled in.",
        )
    rows = np.array(judged, dtype=np.int64)
    notes = _gap_notes(signature, table, len(table) - len(rows))
    outputs = _infer(ctx, model, table.take(rows))
    if numeric:
        return Answered(rows, NumberOutcomes(np.asarray(truth)[rows], outputs["value"]), notes)
    outcomes = class_outcomes(
        signature.output.labels or (),
        [truth[place] for place in rows],
        outputs["label_index"],
        outputs["probabilities"],
    )
    return Answered(rows, outcomes, [*notes, *_unseen_notes(outcomes)])


def _infer(ctx: JobContext, model: LoadedModel, table: pa.Table) -> Outputs:
    """Run every row in batches; float64 outputs as a runtime names them. Raises OutputNotFinite."""
    images = model.signature.inputs[0].dtype == "image"
    size = _IMAGES_PER_BATCH if images else _ROWS_PER_BATCH
    parts: list[Outputs] = []
    for start in range(0, len(table), size):
        ctx.progress(0.15 + 0.55 * start / len(table), f"row {start:,} of {len(table):,}")
        parts.append(model.infer(batch_of(model.signature, table.slice(start, size))))
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    floats = outputs["value" if "value" in outputs else "probabilities"].astype(np.float64).reshape(len(table), -1)
    wild = np.flatnonzero(~np.isfinite(floats).all(axis=1))
    if wild.size:
        raise OutputNotFinite(
            f"The model answered {wild.size} of {len(table)} rows with NaN or infinity, first in row {wild[0]}.",
            next="Look for extreme values in these rows, or train on data like them.",
            rows=wild[:20].tolist(),
        )
    return outputs


def _evaluation(
    ctx: JobContext,
    request: Request,
    subject: Subject,
    answered: Answered,
    latency: dict[str, Any],
    kept: list[Blob],
) -> Evaluation:
    """``kept`` gets what it puts into the store."""
    signature, served = subject.model.signature, subject.served
    ctx.progress(0.75, "computing figures and intervals")
    metrics = report.figures(answered.outcomes)
    details = ctx.blobs.put_bytes(json.dumps(report.details(answered.outcomes), allow_nan=False).encode())
    path = ctx.folder / "predictions.parquet"
    write_predictions(path, answered.rows, answered.outcomes)
    predictions = ctx.blobs.put_file(path)
    kept += [details, predictions]
    return Evaluation(
        id=new_id("eval"),
        model_repo_id=request.model_repo_id,
        model_revision=request.revision,
        data_repo_id=request.data_repo_id,
        data_revision=request.dataset_revision,
        split=request.split,
        task=signature.task,
        target=signature.output.name,
        rows=len(answered.outcomes),
        metrics=metrics,
        latency=latency,
        artifact={"format": subject.model.serve, "file": served.path, "size": served.size},
        hardware=hardware(),
        versions=_versions(subject.model.serve),
        plots=_draw(ctx, answered.outcomes, signature.output.name, kept),
        report_sha256=details.sha256,
        predictions_sha256=predictions.sha256,
        job_id=ctx.job_id,
        created_at=utcnow(),
    )


def _draw(ctx: JobContext, outcomes: Outcomes, target: str, kept: list[Blob]) -> dict[str, dict[str, str]]:
    drawn: dict[str, dict[str, str]] = {}
    specs = plots(outcomes, target)
    for place, (name, spec) in enumerate(specs.items()):
        ctx.progress(0.8 + 0.2 * place / len(specs), f"drawing {name.replace('_', ' ')}")
        source = ctx.blobs.put_bytes(json.dumps(spec, allow_nan=False).encode())
        picture = ctx.blobs.put_bytes(charts.render(spec).encode())
        kept += [source, picture]
        drawn[name] = {"title": spec["title"]["text"], "spec": source.sha256, "svg": picture.sha256}
    return drawn


def _publish(write: WriteSession, ctx: JobContext, evaluation: Evaluation, kept: list[Blob]) -> dict[str, Any]:
    repo = hub.get_repo_by_id(write, ctx.actor, evaluation.model_repo_id)  # it may have gone in the meantime
    for blob in sorted(kept, key=lambda blob: blob.sha256):
        hub.record_upload(write, repo, blob)
    write.add(evaluation)
    figures = {name: metric for name, metric in evaluation.metrics.items() if metric["value"] is not None}
    if evaluation.latency is not None:
        figures["latency_ms"] = {**evaluation.latency, "unit": "ms", "title": "Latency of one row", "better": "lower"}
    for name, metric in figures.items():
        hub.record_fact(
            write,
            repo_id=evaluation.model_repo_id,
            revision=evaluation.model_revision,
            metric=name,
            value=metric["value"],
            low=metric["low"],
            high=metric["high"],
            unit=metric["unit"],
            data_repo_id=evaluation.data_repo_id,
            data_revision=evaluation.data_revision,
            split=evaluation.split,
            hardware=evaluation.hardware,
            job_id=ctx.job_id,
            details={"evaluation": evaluation.id, "title": metric["title"], "better": metric["better"]},
        )
    return {
        "evaluation": evaluation.id,
        "rows": evaluation.rows,
        "metrics": {name: metric["value"] for name, metric in figures.items()},
        "notes": evaluation.notes,
    }


# -- notes: what a reader of the figures should know -------------------------------------------------------------------


def _origin_notes(subject: Subject, request: Request) -> list[str]:
    data = subject.model.training.data
    same_revision = (data.repo, data.revision) == (request.dataset, request.dataset_revision)
    if same_revision and (data.split is None or request.split in (None, data.split)):
        return ["The model learned from these rows or from some of them: the figures flatter it."]
    return []


def _gap_notes(signature: Signature, table: pa.Table, without_target: int) -> list[str]:
    left_out = f"{without_target:,} of {len(table):,} rows have no value in {signature.output.name!r}: left out."
    gaps = {field.name: table.column(field.name).null_count for field in signature.inputs if not field.missing}
    answered = (
        f"{count:,} rows have no value in {name!r}, which was complete in training: answered here, "
        "but a deployment refuses such a row."
        for name, count in gaps.items()
        if count
    )
    return [*([left_out] if without_target else []), *answered]


def _unseen_notes(outcomes: ClassOutcomes) -> list[str]:
    unseen = int(np.count_nonzero(outcomes.unseen))
    if not unseen:
        return []
    named = _listed([str(label) for label in outcomes.labels[outcomes.known :]])
    return [f"{unseen:,} rows carry a label that the model never saw ({named}): they count as wrong."]


def _is_missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not np.isfinite(value))


def _versions(runtime: str) -> dict[str, str]:
    libraries = ("tholos", "numpy", *_LIBRARIES.get(runtime, ()))
    return {"python": platform.python_version(), **{library: version(library) for library in libraries}}


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
