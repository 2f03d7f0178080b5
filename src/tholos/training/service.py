"""Use cases of training: start one, replay one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tholos.accounts.authorization import Action, Actor, authorize
from tholos.data import view as views
from tholos.data.columns import Column
from tholos.data.errors import SplitNotFound
from tholos.data.stored_splits import DEFAULT, list_splits
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.lineage import Edge
from tholos.jobs.models import Job, JobState
from tholos.kit.database import ReadSession
from tholos.kit.services import Services
from tholos.training import shared
from tholos.training.algorithm import Params, Shape
from tholos.training.catalogue import suited
from tholos.training.errors import NotReplayable
from tholos.training.features import check_features
from tholos.training.kinds import TRAIN
from tholos.training.request import TrainingRequest
from tholos.training.target import choose_target

DEFAULT_SUBSET = "train"
"""The subset that is trained on where the dataset has a split."""

ALL_ROWS = "all"
"""The split to ask for when every row is to be taken although there is a split."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training as a job's payload: what, on which data, into which model. Names are for people, ids decide."""

    dataset: str
    data_repo_id: str
    data_revision: str
    split: str | None
    """None takes all rows."""
    model: str
    model_repo_id: str
    request: dict[str, Any]
    """`TrainingRequest.to_json`"""
    algorithm_repo_id: str | None = None
    """None for an algorithm of the catalogue."""
    algorithm_revision: str | None = None
    replay_of: str | None = None
    """The revision of the model whose recorded trials are run again."""

    def to_payload(self) -> dict[str, Any]:
        """The order as JSON values."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Order:
        """What `to_payload` wrote."""
        return cls(**payload)


def submit_training(
    services: Services,
    actor: Actor,
    request: TrainingRequest,
    *,
    dataset: str,
    revision: str | None = None,
    split: str | None = None,
    name: str | None = None,
) -> Job:
    """Queue a training; whatever can be told without reading the data is checked first.

    `dataset` is `namespace/name`, `revision` defaults to the head of main, `split` to the subset `train` where the
    dataset has a split ("all" takes every row). `name` is the model, by default called like the dataset in the actor's
    namespace; it is created, private, where there is none.

    Raises:
        RepoNotFound, RevisionNotFound, AmbiguousRevision, SplitNotFound: the data is not there, or may not be read.
        TargetMissing, UnknownFeature, TargetAsFeature: the columns are known and do not have it.
        BrokenDescription, UnknownParameter, InvalidParameter, WrongTask: of an algorithm repo, which must be readable.
        InvalidName, Forbidden, MissingScope: the model may not be written.

    """
    with services.database.read() as read:
        data, data_revision = hub.resolve(read, actor, hub.RepoKind.DATASET, dataset, revision or hub.MAIN)
        hub.require_content(read, actor, data)
        chosen = _choose_split(read, services, data, data_revision, split)
        code = shared.resolve(read, services.blobs, actor, request.algorithm) if request.shared else None
        if code is not None:
            shared.check_out(read, code)
            request = _checked(request, code)
    _check_columns(services, data, data_revision, request)
    model = hub.ensure_repo(
        services.database, services.blobs, actor, hub.RepoKind.MODEL, name or data.full_name.partition("/")[2]
    )
    order = Order(
        dataset=data.full_name,
        data_repo_id=data.id,
        data_revision=data_revision.commit_id,
        split=chosen,
        model=model.full_name,
        model_repo_id=model.id,
        request=request.to_json(),
        algorithm_repo_id=code.repo.id if code else None,
        algorithm_revision=code.revision.commit_id if code else None,
    )
    return _enqueue(
        services,
        actor,
        order,
        f"Train {model.full_name} on {data.full_name} ({code.label if code else request.algorithm})",
        model.owner_id,
    )


def replay_training(services: Services, actor: Actor, job_id: str) -> Job:
    """Queue a training that runs the recorded trials of an earlier one again, on the same data revision.

    Raises:
        JobNotFound: there is no such job, or it may not be seen.
        NotReplayable: it is no training, or has not succeeded.
        RepoNotFound, RevisionNotFound, Forbidden: its data or its model have gone, or may not be used any more.

    """
    with services.database.read() as read:
        job = jobs.get(read, actor, job_id)
        if job.kind != TRAIN.name or job.state is not JobState.SUCCEEDED or job.result is None:
            raise NotReplayable(
                f"The job {job_id} is a {job.kind} that is {job.state}.",
                next="Replay a training.train job that succeeded: `tholos jobs` lists yours.",
                kind=job.kind,
                state=job.state.value,
            )
        earlier = Order.from_payload(job.payload)
        data = hub.get_repo_by_id(read, actor, earlier.data_repo_id)
        hub.require_content(read, actor, data)
        model = hub.get_repo_by_id(read, actor, earlier.model_repo_id, Action.WRITE)
        hub.revision_of(read, data, earlier.data_revision)
        made = hub.revision_of(read, model, job.result["revision"])
        if earlier.algorithm_repo_id is not None and earlier.algorithm_revision is not None:
            shared.pinned(read, services.blobs, actor, earlier.algorithm_repo_id, earlier.algorithm_revision)
    order = Order(**{**earlier.to_payload(), "replay_of": made.commit_id})
    return _enqueue(services, actor, order, f"Replay the training of {order.model} on {order.dataset}", model.owner_id)


def _enqueue(services: Services, actor: Actor, order: Order, title: str, owner_id: str) -> Job:
    edges = [_edge(order.data_repo_id, order.data_revision, "data", f"dataset {order.dataset}")]
    if order.algorithm_repo_id is not None and order.algorithm_revision is not None:
        name = str(order.request["algorithm"]).partition("@")[0]
        edges.append(_edge(order.algorithm_repo_id, order.algorithm_revision, "algorithm", f"algorithm {name}"))
    if order.replay_of is not None:
        edges.append(_edge(order.model_repo_id, order.replay_of, "model", f"model {order.model}"))
    with services.database.write() as write:
        job = jobs.enqueue(write, actor, TRAIN, order.to_payload(), title=title, inputs=edges, about=owner_id)
        authorize(actor, Action.WRITE, job)  # a token that may only read starts no jobs
    return job


def _checked(request: TrainingRequest, code: shared.SharedAlgorithm) -> TrainingRequest:
    """The request, which names the revision by its commit and has parameters that the algorithm takes."""
    entry = code.entry(_never_built)
    if request.task is not None:
        suited(entry, request.task)
    return replace(request, algorithm=code.name, params=entry.check(request.params))


def _never_built(_params: Params, _shape: Shape, _seed: int) -> Any:
    raise AssertionError("code of a repo is built in its job alone")


def _edge(repo_id: str, commit_id: str, role: str, label: str) -> Edge:
    return Edge(f"rev:{repo_id}@{commit_id}", role, f"{label}@{commit_id[:10]}")


def _choose_split(
    read: ReadSession, services: Services, data: hub.Repo, revision: hub.Revision, asked: str | None
) -> str | None:
    """The subset to train on, in the words of `data.view.load`."""
    if asked == ALL_ROWS:
        return None
    splits = {item.name: item for item in list_splits(read, services.blobs, data, revision)}
    name, _, subset = (asked or DEFAULT_SUBSET).rpartition("/")
    found = splits.get(name or DEFAULT)
    # A split that was pushed without its description has no counts; reading it will tell.
    if found is not None and (not found.counts or subset in found.counts):
        return asked or DEFAULT_SUBSET
    if asked is None and found is None:
        return None
    known = [f"{item.name}/{subset}" for item in splits.values() for subset in item.counts]
    raise SplitNotFound(
        f"{data.label} has no split {asked or DEFAULT_SUBSET!r} at this revision."
        + (f" It has {', '.join(known)}." if known else ""),
        next=f"Make one with `tholos data split {data.full_name}`, or train on every row with the split {ALL_ROWS!r}.",
        splits=known,
    )


def _check_columns(services: Services, data: hub.Repo, revision: hub.Revision, request: TrainingRequest) -> None:
    """What the view, where it was made already, tells about target and features."""
    view = views.find(services, data, revision)
    if view is None:
        return
    columns = [Column.from_json(item) for item in view.columns or ()]
    types = {column.name: column.type for column in columns}
    target = choose_target(types, request.target)
    check_features(types, target, request.features)
