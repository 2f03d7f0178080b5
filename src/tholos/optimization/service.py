"""Use cases of compiling."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tholos.accounts.authorization import Action, Actor, authorize
from tholos.hub import service as hub
from tholos.jobs import service as jobs
from tholos.jobs.lineage import Edge
from tholos.jobs.models import Job
from tholos.kit.services import Services
from tholos.optimization.kinds import COMPILE
from tholos.optimization.source import source_of


@dataclass(frozen=True, slots=True)
class Request:
    """What a job is to compile: its payload. The name is for people, the id decides."""

    model: str
    model_repo_id: str
    revision: str
    """40 hex digits."""


def start(services: Services, actor: Actor, *, model: str, revision: str = hub.MAIN) -> Job:
    """Queue the compilation of a model revision; the compiled one becomes its child on the branch main.

    Raises as `hub.resolve`, Forbidden without the right to write the repo, NothingToCompile and BrokenModel.
    """
    with services.database.read() as read:
        repo, found = hub.resolve(read, actor, hub.RepoKind.MODEL, model, revision)
        hub.require_content(read, actor, repo)
        authorize(actor, Action.WRITE, repo)
        source = source_of(read, services.blobs, repo, found)
    request = Request(model=repo.full_name, model_repo_id=repo.id, revision=found.commit_id)
    edge = Edge(found.urn, "model", source.label)
    with services.database.write() as write:
        return jobs.enqueue(
            write, actor, COMPILE, asdict(request), title=f"Compile {source.label}", inputs=[edge], about=repo.owner_id
        )
