"""What the job `training.train` runs: read the data, train, write the model's files, publish."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tholos.accounts.authorization import Action
from tholos.data import view as views
from tholos.hub import service as hub
from tholos.hub.cards import CARD_FILE, Card
from tholos.jobs import service as jobs
from tholos.jobs.context import JobContext, Publish
from tholos.jobs.lineage import Edge
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.hardware import hardware
from tholos.runtimes.model import MODEL_JSON, MODEL_ONNX, MODEL_SKOPS
from tholos.tasks.task import task
from tholos.training import shared
from tholos.training.auto import Trial
from tholos.training.catalogue import algorithm
from tholos.training.model_folder import TRAINING_JSON, Source, write_model
from tholos.training.request import TrainingRequest
from tholos.training.service import Order
from tholos.training.trainer import Recorded, Trained
from tholos.training.trainer import train as train_table

FILES = (MODEL_SKOPS, MODEL_JSON, TRAINING_JSON, CARD_FILE)
"""What a training writes."""

DERIVED = (MODEL_ONNX, "parity.json")
"""What was made from the model before: it does not belong to the new one."""

_SHOWN_FIGURES = 4


@dataclass(frozen=True)
class _Subject:
    """What the order names, as it is now."""

    data: hub.Repo
    data_revision: hub.Revision
    model: hub.Repo
    head: hub.Revision
    card: Card
    derived: tuple[str, ...]
    """Files at the head that belong to the model that was there before."""
    recorded: Recorded | None


def train(ctx: JobContext) -> Publish:
    """Train as the order in the payload says, and commit the model to its repo."""
    order = Order.from_payload(ctx.payload)
    with ctx.database.read() as read:
        subject = _subject(read, ctx, order)
        code = _code(read, ctx, order)
    entry = shared.confined(ctx, *code) if code is not None else None
    ctx.progress(0.0, "reading the data")
    table = views.load(ctx, subject.data, subject.data_revision, split=order.split)
    print(f"{len(table)} rows and {table.num_columns} columns of {order.dataset} ({order.split or 'all rows'})")  # noqa: T201 - goes to the job's log
    trained = train_table(
        table,
        TrainingRequest.from_json(order.request),
        entry=entry,
        recorded=subject.recorded,
        progress=lambda fraction, step: ctx.progress(0.05 + 0.85 * fraction, step),
        metric=ctx.metric,
    )
    _log(trained)
    ctx.progress(0.92, "writing the model")
    folder = ctx.folder / "model"
    folder.mkdir()
    source = Source(repo=order.dataset, revision=order.data_revision, split=order.split)
    write_model(folder, trained, name=order.model, source=source, job_id=ctx.job_id, present=subject.card)
    prepared = hub.prepare_commit(
        ctx.database,
        ctx.blobs,
        ctx.actor,
        subject.model,
        [*(hub.AddFile(name, folder / name) for name in FILES), *(hub.Delete(name) for name in subject.derived)],
        f"Train {trained.chosen.algorithm.title.lower()} on {order.dataset}@{order.data_revision[:10]}",
        parent=subject.head.commit_id,
        job_id=ctx.job_id,
    )
    ctx.progress(1.0, "done")
    return lambda write: _publish(write, ctx, order, trained, prepared)


def _subject(read: ReadSession, ctx: JobContext, order: Order) -> _Subject:
    data = hub.get_repo_by_id(read, ctx.actor, order.data_repo_id)
    hub.require_content(read, ctx.actor, data)
    model = hub.get_repo_by_id(read, ctx.actor, order.model_repo_id, Action.WRITE)
    head = hub.revision_of(read, model, hub.MAIN)
    present = {entry.path for entry in hub.tree(read, model, head.commit_id) if entry.type == "file"}
    recorded = None
    if order.replay_of is not None:
        entry = hub.file(read, model, order.replay_of, TRAINING_JSON)
        hub.require_all_kept(read, model, [entry])
        assert entry.sha256 is not None
        with ctx.blobs.open(entry.sha256) as file:
            recorded = Recorded.from_json(json.load(file))
    return _Subject(
        data=data,
        data_revision=hub.revision_of(read, data, order.data_revision),
        model=model,
        head=head,
        card=hub.card_of(read, ctx.blobs, head.tree_id),
        derived=tuple(name for name in DERIVED if name in present),
        recorded=recorded,
    )


def _code(
    read: ReadSession, ctx: JobContext, order: Order
) -> tuple[shared.SharedAlgorithm, list[tuple[str, str]]] | None:
    """The algorithm repo's revision that the order names, with its files; None for an algorithm of the catalogue."""
    if order.algorithm_repo_id is None or order.algorithm_revision is None:
        return None
    found = shared.pinned(read, ctx.blobs, ctx.actor, order.algorithm_repo_id, order.algorithm_revision)
    return found, shared.check_out(read, found)


def _publish(
    write: WriteSession, ctx: JobContext, order: Order, trained: Trained, prepared: hub.PreparedCommit
) -> dict[str, Any]:
    revision = hub.land(write, prepared)
    _record_facts(write, ctx, order, trained, revision)
    label = f"model {order.model}@{revision.commit_id[:10]}"
    jobs.add_edges(write, ctx.job_id, outputs=[Edge(revision.urn, "model", label)])
    return {
        "model": order.model,
        "revision": revision.commit_id,
        "task": trained.signature.task,
        "target": trained.signature.output.name,
        "algorithm": trained.chosen.algorithm.name,
        "params": dict(trained.chosen.params),
        "rows": trained.rows,
        "validation": trained.scores,
        "notes": list(trained.notes),
        "duration_s": round(trained.duration_s, 3),
        "leaderboard": leaderboard(trained),
    }


def _record_facts(write: WriteSession, ctx: JobContext, order: Order, trained: Trained, revision: hub.Revision) -> None:
    metrics = task(trained.signature.task).metrics
    facts: list[tuple[str, float, str, dict[str, Any]]] = [
        (
            f"validation.{metric.name}",
            trained.scores[metric.name],
            metric.unit,
            {
                "title": f"{metric.title}, validation",
                "better": metric.better,
                "scoring": trained.scoring and trained.scoring.to_json(),
            },
        )
        for metric in metrics
        if metric.name in trained.scores
    ]
    facts.append(("training.duration", trained.duration_s, "s", {"title": "Training time", "better": "lower"}))
    facts.append(
        (
            "training.peak_memory",
            float(trained.peak_memory_bytes),
            "B",
            {"title": "Peak memory of training", "better": "lower"},
        )
    )
    for name, value, unit, details in facts:
        hub.record_fact(
            write,
            repo_id=order.model_repo_id,
            revision=revision.commit_id,
            metric=name,
            value=value,
            unit=unit,
            data_repo_id=order.data_repo_id,
            data_revision=order.data_revision,
            split=order.split,
            hardware=hardware(),
            job_id=ctx.job_id,
            details=details,
        )


def leaderboard(trained: Trained) -> list[dict[str, Any]]:
    """The trials for people: finished ones by rank, then those that failed or were skipped with the reason."""
    entries = {metric.name: metric for metric in task(trained.signature.task).metrics}
    ranked = trained.leaderboard()
    shown = [name for name in entries if any(name in trial.scores for trial in ranked)][:_SHOWN_FIGURES]
    unfinished = [trial for trial in trained.trials if trial.state != "finished"]

    def line(rank: int | None, trial: Trial) -> dict[str, Any]:
        return {
            "rank": rank,
            "algorithm": trial.algorithm,
            **{name: _rounded(trial.scores.get(name)) for name in shown},
            "seconds": round(trial.duration_s, 2),
            "state": trial.state,
            "note": trial.notes[0] if trial.notes else "",
            "params": _own_params(trial),
        }

    return [
        *(line(rank, trial) for rank, trial in enumerate(ranked, start=1)),
        *(line(None, trial) for trial in unfinished),
    ]


def _own_params(trial: Trial) -> dict[str, Any]:
    """The hyper-parameters that differ from the algorithm's defaults."""
    defaults = algorithm(trial.algorithm).defaults
    return {name: value for name, value in trial.params.items() if value != defaults[name]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _log(trained: Trained) -> None:
    """The account for people, in the job's log."""
    lines = [f"note: {note}" for note in trained.notes]
    lines.append(f"fitted {trained.chosen.algorithm.name} on {trained.rows} rows in {trained.fit_s:.2f} s")
    lines.extend(f"validation {name} = {value:.6g}" for name, value in trained.scores.items())
    print("\n".join(lines))  # noqa: T201 - goes to the job's log
