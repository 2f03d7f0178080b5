"""What the job `optimization.compile` runs: compile, compare, measure, publish."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tholos.data import view
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.context import JobContext, Publish
from tholos.jobs.lineage import Edge
from tholos.kit.database import WriteSession
from tholos.kit.hardware import hardware
from tholos.optimization import parity
from tholos.optimization.cases import REAL_ROWS, groups
from tholos.optimization.compiler import compile_pipeline
from tholos.optimization.errors import NoTrainingData, NotTheHead
from tholos.optimization.latency import Latency, measure
from tholos.optimization.service import Request
from tholos.optimization.source import COMPILED, ORIGINAL, Source, source_of
from tholos.runtimes.model import MODEL_JSON, MODEL_ONNX, Artifact, ModelDescription
from tholos.runtimes.onnx import OnnxModel, OnnxRuntime
from tholos.runtimes.skops import SkopsModel, SkopsRuntime
from tholos.tasks.signature import Batch
from tholos.tasks.tables import batch_of

PARITY_JSON = "parity.json"
SEED = 0
"""Of the choice of rows: the same model gives the same report."""


def compile_model(ctx: JobContext) -> Publish:
    """Compile a model revision to ONNX and commit it as a child of that revision, if it is at parity.

    The child adds `model.onnx` and `parity.json`, serves the graph, and keeps the original pipeline. A revision that is
    compiled already is the answer itself.

    Raises NothingToCompile, NotCompilable, ParityFailed, NoTrainingData, NotTheHead, RepoNotFound (the model's or the
    data's), BrokenModel, UntrustedTypes.
    """
    request = Request(**ctx.payload)
    ctx.progress(0.0, "reading the model")
    source, compiled = _source(ctx, request)
    if compiled is not None:
        _say(f"{source.label} is compiled already: {compiled.label}")
        return lambda _write: _already(source, compiled)
    data, edge = _data(ctx, source)
    ctx.progress(0.3, "compiling")
    built = _build(ctx, source)
    ctx.progress(0.5, "comparing with the original")
    signature = source.model.signature
    report = parity.compare(built.original, built.compiled, groups(built.original.pipeline, signature, data, seed=SEED))
    _say(*report.lines())
    if report.verdict != "parity":
        _say(report.to_bytes().decode())
    report.require()
    ctx.progress(0.8, "measuring")
    times = [*measure(built.original, ORIGINAL, data), *measure(built.compiled, COMPILED, data)]
    ctx.progress(0.95, "committing")
    prepared = hub.prepare_commit(
        ctx.database,
        ctx.blobs,
        ctx.actor,
        source.repo,
        [
            hub.AddFile(MODEL_ONNX, built.path),
            hub.AddBytes(PARITY_JSON, report.to_bytes()),
            hub.AddBytes(MODEL_JSON, built.model.to_bytes()),
        ],
        f"Compile to ONNX ({report.rows} rows compared, largest difference {report.max_rel_difference:.1g})",
        parent=source.revision.commit_id,
        job_id=ctx.job_id,
    )
    return lambda write: _publish(write, ctx, source, prepared, edge, report, times)


def _source(ctx: JobContext, request: Request) -> tuple[Source, Source | None]:
    """The revision to compile, and the revision that is it compiled, where there is one already."""
    with ctx.database.read() as read:
        repo = hub.get_repo_by_id(read, ctx.actor, request.model_repo_id)
        source = source_of(read, ctx.blobs, repo, hub.revision_of(read, repo, request.revision))
        head = hub.revision_of(read, repo, hub.MAIN)
        if source.is_compiled:
            return source, source
        if head.commit_id == source.revision.commit_id:
            return source, None
        if head.parent_id == source.revision.commit_id and MODEL_JSON in source.files:
            child = source_of(read, ctx.blobs, repo, head)
            if child.is_compiled and child.model.artifact(ORIGINAL) == source.model.artifact(ORIGINAL):
                return source, child
    raise NotTheHead(
        f"{source.label} is not the head of main any more, so that nothing can be committed on top of it.",
        next=f"Compile the head: `tholos compile {repo.full_name}`; or point main at this revision first.",
        head=head.commit_id,
    )


def _data(ctx: JobContext, source: Source) -> tuple[Batch, Edge]:
    """Up to 2,000 rows that the model learned from, always the same, and the revision that they are of."""
    learned = source.model.training.data
    if learned.repo is None or learned.revision is None:
        raise NoTrainingData(
            f"{source.label} does not say which data of this hub it learned from, so there are no rows to compare on.",
            next="Train it here (`tholos train`); of an imported model say which data it learned from: "
            f"`tholos models correct {source.repo.full_name} --data NAMESPACE/DATASET`.",
        )
    with ctx.database.read() as read:
        repo, revision = hub.resolve(read, ctx.actor, hub.RepoKind.DATASET, learned.repo, learned.revision)
        hub.require_content(read, ctx.actor, repo)
    ctx.progress(0.1, "reading the training data")
    table = view.load(ctx, repo, revision, split=learned.split, columns=list(source.model.signature.names))
    if len(table) > REAL_ROWS:
        table = table.take(np.sort(np.random.default_rng(SEED).choice(len(table), size=REAL_ROWS, replace=False)))
    edge = Edge(revision.urn, "data", f"{repo.full_name}@{revision.commit_id[:10]}")
    return batch_of(source.model.signature, table), edge


@dataclass(frozen=True, slots=True)
class _Built:
    """A compiled model beside its original, both loaded as a replica would load them."""

    path: Path
    model: ModelDescription
    original: SkopsModel
    compiled: OnnxModel


def _build(ctx: JobContext, source: Source) -> _Built:
    folder = ctx.folder / "model"
    source.lay_out(ctx.blobs, folder)
    original = SkopsRuntime().load(folder, source.model)
    graph = compile_pipeline(original.pipeline, source.model.signature, metadata=_metadata(source))
    path = folder / MODEL_ONNX
    path.write_bytes(graph.SerializeToString(deterministic=True))
    artifact = Artifact(format=COMPILED, file=MODEL_ONNX, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    model = source.model.with_artifact(artifact, serve=True)
    return _Built(path, model, original, OnnxRuntime().load(folder, model))


def _metadata(source: Source) -> dict[str, str]:
    """What the graph says about itself, wherever it is copied to."""
    learned = source.model.training.data
    return {
        "model": source.repo.full_name,
        "revision": source.revision.commit_id,
        "algorithm": source.model.algorithm.name,
        "data": learned.repo or "",
        "data_revision": learned.revision or "",
    }


def _publish(
    write: WriteSession,
    ctx: JobContext,
    source: Source,
    prepared: hub.PreparedCommit,
    data: Edge,
    report: parity.Report,
    times: Sequence[Latency],
) -> dict[str, Any]:
    child = hub.land(write, prepared)
    label = f"{source.repo.full_name}@{child.commit_id[:10]}"
    jobs.add_edges(write, ctx.job_id, inputs=[data], outputs=[Edge(child.urn, "model", label)])
    for name, value, unit, details in _measurements(report, times):
        hub.record_fact(
            write,
            repo_id=source.repo.id,
            revision=child.commit_id,
            metric=name,
            value=value,
            unit=unit,
            hardware=hardware(),
            job_id=ctx.job_id,
            details=details,
        )
    return {
        "model": source.repo.full_name,
        "revision": child.commit_id,
        "parent": source.revision.commit_id,
        "already_compiled": False,
        "rows_compared": report.rows,
        "max_difference": report.max_rel_difference,
        "latency_us_per_row": {f"{each.format}, batch of {each.batch_rows}": each.us_per_row for each in times},
    }


def _measurements(report: parity.Report, times: Sequence[Latency]) -> list[tuple[str, float, str, dict[str, Any]]]:
    """Name, value, unit and details of every fact."""
    found: list[tuple[str, float, str, dict[str, Any]]] = [
        (
            f"latency.{each.format}.batch_{each.batch_rows}",
            each.us_per_row,
            "us",
            {
                "title": f"Time of a row in batches of {each.batch_rows}, {each.format}",
                "better": "lower",
                "repeats": each.repeats,
            },
        )
        for each in times
    ]
    taken = {(each.format, each.batch_rows): each.us_per_row for each in times}
    speedup = taken[ORIGINAL, 1] / taken[COMPILED, 1]
    found.append(("latency.speedup", speedup, "", {"title": "Speed-up of one row by compiling", "better": "higher"}))
    details = {"title": "Largest difference between original and compiled", "better": "lower", "rows": report.rows}
    found.append(("parity.max_difference", report.max_rel_difference, "", details))
    return found


def _already(source: Source, compiled: Source) -> dict[str, Any]:
    return {
        "model": source.repo.full_name,
        "revision": compiled.revision.commit_id,
        "parent": compiled.revision.parent_id,
        "already_compiled": True,
        "message": f"{source.label} is compiled already: {compiled.label} serves the graph.",
    }


def _say(*lines: str) -> None:
    """Tell the job's log."""
    print(*lines, sep="\n")  # noqa: T201 - standard output is the job's log
