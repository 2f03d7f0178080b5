from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.hub import errors
from tholos.hub import service as hub
from tholos.hub.models import Repo, Revision
from tholos.jobs import service as jobs
from tholos.jobs.kinds import JobKind
from tholos.jobs.lineage import Edge, record_link
from tholos.kit.services import Services

MODEL, DATASET = hub.RepoKind.MODEL, hub.RepoKind.DATASET
TRAIN = JobKind("test.train", work="nowhere:train")
Make = Callable[..., tuple[Repo, Revision]]
Run = Callable[..., str]


@pytest.fixture
def make(services: Services) -> Make:
    def run(actor: Actor, name: str, kind: hub.RepoKind = MODEL, visibility: str = "private") -> tuple[Repo, Revision]:
        repo = hub.create_repo(services.database, services.blobs, actor, kind, name, visibility=visibility)
        with services.database.read() as read:
            return repo, hub.revision_of(read, repo, "main")

    return run


@pytest.fixture
def job(services: Services) -> Run:
    """A job that read some revisions and wrote others."""

    def run(actor: Actor, inputs: list[Revision], outputs: list[Revision]) -> str:
        with services.database.write() as write:
            queued = jobs.enqueue(
                write, actor, TRAIN, {}, title="Train", inputs=[Edge(one.urn, "data", "its label") for one in inputs]
            )
            jobs.add_edges(write, queued.id, outputs=[Edge(one.urn, "model", "its label") for one in outputs])
        return queued.id

    return run


def graph(services: Services, actor: Actor, revision: Revision, depth: int = 5) -> hub.Graph:
    with services.database.read() as read:
        return hub.lineage(read, actor, revision.urn, depth)


def labels(found: hub.Graph) -> set[str]:
    return {node.label.partition("@")[0] for node in found.nodes}


def test_the_graph_goes_both_ways(services: Services, ada: Actor, make: Make, job: Run):
    (_, data), (_, model), (_, compiled) = make(ada, "data", DATASET), make(ada, "model"), make(ada, "compiled")
    trained, built = job(ada, [data], [model]), job(ada, [model], [compiled])
    for start in (data, model, compiled):
        found = graph(services, ada, start)
        assert found.root == start.urn
        assert labels(found) == {"dataset ada/data", "model ada/model", "model ada/compiled"}
        assert {(arc.source, arc.target, arc.job_id) for arc in found.arcs} == {
            (data.urn, model.urn, trained),
            (model.urn, compiled.urn, built),
        }
        assert not found.truncated


def test_depth_bounds_the_graph(services: Services, ada: Actor, make: Make, job: Run):
    chain = [make(ada, f"m{number}")[1] for number in range(4)]
    for older, newer in pairwise(chain):
        job(ada, [older], [newer])
    near = graph(services, ada, chain[0], depth=1)
    assert labels(near) == {"model ada/m0", "model ada/m1"}
    assert near.truncated
    assert not graph(services, ada, chain[0], depth=3).truncated


def test_a_circle_ends(services: Services, ada: Actor, make: Make, job: Run):
    (_, one), (_, other) = make(ada, "one"), make(ada, "other")
    job(ada, [one], [other])
    job(ada, [other], [one])
    found = graph(services, ada, one)
    assert len(found.nodes) == len(found.arcs) == 2


def test_private_sources_have_no_name_and_nothing_behind_them(
    services: Services, ada: Actor, bob: Actor, make: Make, job: Run
):
    (_, origin), (_, secret) = make(ada, "origin", DATASET, "public"), make(ada, "secret", DATASET)
    _, model = make(ada, "model", MODEL, "public")
    made, trained = job(ada, [origin], [secret]), job(ada, [secret], [model])
    for actor in (bob, ANONYMOUS):
        found = graph(services, actor, model)
        assert labels(found) == {"model ada/model", "private"}
        shown = repr(found)
        for leak in ("secret", secret.commit_id, secret.repo_id, "origin", made, trained, "its label"):
            assert leak not in shown
    assert labels(graph(services, ada, model)) == {"model ada/model", "dataset ada/secret", "dataset ada/origin"}


def test_what_others_make_in_private_does_not_show(services: Services, ada: Actor, bob: Actor, make: Make, job: Run):
    _, data = make(ada, "data", DATASET, "public")
    _, theirs = make(bob, "theirs")
    _, shared = make(bob, "shared", MODEL, "public")
    job(bob, [data], [theirs])
    job(bob, [data], [shared])
    assert labels(graph(services, ada, data)) == {"dataset ada/data", "model bob/shared"}
    assert labels(graph(services, bob, data)) == {"dataset ada/data", "model bob/theirs", "model bob/shared"}


def test_a_deleted_source_is_private_to_all(services: Services, ada: Actor, make: Make, job: Run):
    (_, data), (_, model) = make(ada, "data", DATASET), make(ada, "model")
    job(ada, [data], [model])
    with services.database.write() as write:
        hub.delete_repo(write, ada, DATASET, "data")
    assert labels(graph(services, ada, model)) == {"model ada/model", "private"}


def test_deployments_show_to_their_owner(services: Services, ada: Actor, bob: Actor, make: Make):
    _, model = make(ada, "model", MODEL, "public")
    with services.database.write() as write:
        record_link(
            write, Edge(model.urn, "model", "model ada/model"), Edge("dep:1", "deployment", "deployment ada/live"),
            kind="deploy", owner_id=ada.account_id,
        )  # fmt: skip
    assert labels(graph(services, ada, model)) == {"model ada/model", "deployment ada/live"}
    assert labels(graph(services, bob, model)) == {"model ada/model"}
    with services.database.read() as read:
        assert hub.subject(read, ada, "deployment:ada/live") == "dep:1"
        with pytest.raises(errors.InvalidSubject):
            hub.subject(read, bob, "deployment:ada/live")


def test_lineage_over_http(as_ada: TestClient, as_bob: TestClient, ada: Actor, make: Make, job: Run):
    (_, data), (_, model) = make(ada, "data", DATASET), make(ada, "model")
    job_id = job(ada, [data], [model])
    for of in ("model:ada/model", "model:ada/model@main", f"model:ada/model@{model.commit_id[:8]}"):
        body = as_ada.get("/api/v1/lineage", params={"of": of}).json()
        assert body["root"] == model.urn
        assert body["edges"] == [{"from": data.urn, "to": model.urn, "kind": "test.train", "job_id": job_id}]
    assert as_bob.get("/api/v1/lineage", params={"of": "model:ada/model"}).json()["error"]["code"] == "repo_not_found"
    for of in ("", "model", "space:ada/x", "ada/model", "deployment:ada/x", "deployment:\0"):
        assert as_ada.get("/api/v1/lineage", params={"of": of}).json()["error"]["code"] == "invalid_subject"
