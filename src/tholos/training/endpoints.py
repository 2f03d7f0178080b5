"""HTTP of training."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from tholos.accounts.dependencies import CurrentActor, OptionalActor, Read
from tholos.accounts.errors import MissingScope
from tholos.data.errors import SplitNotFound
from tholos.hub.errors import AmbiguousRevision, GatedRepo, RepoNotFound, RevisionNotFound
from tholos.jobs.errors import JobNotFound
from tholos.jobs.schemas import JobOut
from tholos.kit.errors import responses
from tholos.kit.http import ServicesDep
from tholos.tasks.errors import UnknownTask
from tholos.tasks.task import trainable_task
from tholos.training import service, shared
from tholos.training.catalogue import catalogue, for_task
from tholos.training.errors import (
    BrokenDescription,
    InvalidParameter,
    NotReplayable,
    TargetAsFeature,
    TargetMissing,
    TooMuchCode,
    UnknownAlgorithm,
    UnknownFeature,
    UnknownParameter,
    WrongTask,
)
from tholos.training.request import OPTIONS
from tholos.training.schemas import AlgorithmList, AlgorithmOut, ParameterOut, SharedAlgorithmOut, TrainIn

router = APIRouter(prefix="/api/v1", tags=["training"])

_REFUSALS = [
    UnknownAlgorithm,
    UnknownParameter,
    InvalidParameter,
    WrongTask,
    UnknownTask,
    TargetMissing,
    TargetAsFeature,
    UnknownFeature,
    RepoNotFound,
    RevisionNotFound,
    AmbiguousRevision,
    SplitNotFound,
    GatedRepo,
    MissingScope,
    BrokenDescription,
    TooMuchCode,
]


@router.get("/algorithms", responses=responses([UnknownTask]))
def list_algorithms(
    task: Annotated[str | None, Query(max_length=100, description="Only those for this task.")] = None,
) -> AlgorithmList:
    """What can be trained: every algorithm with its documented, bounded hyper-parameters. Needs no token."""
    entries = catalogue().values() if task is None else for_task(trainable_task(task).id)
    return AlgorithmList(
        items=[AlgorithmOut.of(entry) for entry in entries], options=[ParameterOut.of(item) for item in OPTIONS]
    )


@router.get(
    "/algorithms/{namespace}/{name}/description",
    responses=responses([RepoNotFound, RevisionNotFound, AmbiguousRevision, BrokenDescription, GatedRepo]),
)
def describe_algorithm(
    namespace: str,
    name: str,
    actor: OptionalActor,
    read: Read,
    services: ServicesDep,
    revision: Annotated[str | None, Query(max_length=300, description="By default the head of main.")] = None,
) -> SharedAlgorithmOut:
    """What an algorithm repo says about itself in its algorithm.yaml: its tasks and its bounded parameters."""
    wanted = f"{namespace}/{name}" + (f"@{revision}" if revision else "")
    return SharedAlgorithmOut.of_repo(shared.resolve(read, services.blobs, actor, wanted))


@router.post("/train", status_code=202, responses=responses(_REFUSALS))
def train(body: TrainIn, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that trains on a dataset revision and commits the model, preprocessing included."""
    job = service.submit_training(
        services,
        actor,
        body.to_request(),
        dataset=body.dataset,
        revision=body.revision,
        split=body.split,
        name=body.name,
    )
    return JobOut.of(job)


@router.post(
    "/jobs/{job_id}/replay",
    status_code=202,
    responses=responses([JobNotFound, NotReplayable, RepoNotFound, RevisionNotFound, MissingScope]),
)
def replay(job_id: str, actor: CurrentActor, services: ServicesDep) -> JobOut:
    """Starts a job that runs a training's recorded trials again on the same data; the figures come out the same."""
    return JobOut.of(service.replay_training(services, actor, job_id))
