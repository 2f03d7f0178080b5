from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.models import Repo, Revision
from tholos.hub.operations import AddBytes
from tholos.kit.services import Services

MEASUREMENTS = "/api/v1/models/ada/penguins/measurements"


def record(services: Services, repo: Repo, revision: Revision, metric: str, value: float, **more) -> None:
    with services.database.write() as write:
        hub.record_fact(
            write,
            repo_id=repo.id,
            revision=revision.commit_id,
            metric=metric,
            value=value,
            hardware="one core",
            **more,
        )


def test_measurements_belong_to_a_revision(
    services: Services, repo: Repo, commit: Callable[..., Revision], as_ada: TestClient
):
    first, second = commit(AddBytes("a", b"1")), commit(AddBytes("a", b"2"))
    record(
        services, repo, first, "accuracy", 0.9, low=0.8, high=0.95, split="test", job_id="job_1", details={"rows": 5}
    )
    record(services, repo, second, "latency_p50", 12.5, unit="µs")
    both = as_ada.get(MEASUREMENTS).json()["items"]
    assert [(item["metric"], item["value"], item["unit"]) for item in both] == [
        ("accuracy", 0.9, ""),
        ("latency_p50", 12.5, "µs"),
    ]
    only = as_ada.get(MEASUREMENTS, params={"revision": first.commit_id[:9]}).json()["items"]
    assert len(only) == 1
    assert (only[0]["low"], only[0]["high"], only[0]["job_id"], only[0]["details"]) == (0.8, 0.95, "job_1", {"rows": 5})
    assert as_ada.get(MEASUREMENTS, params={"revision": "nope"}).status_code == 404


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_could_not_be_computed_is_not_recorded(services: Services, repo: Repo, value: float):
    with services.database.read() as read:
        head = hub.revision_of(read, repo, "main")
    with pytest.raises(ValueError, match="finite"):
        record(services, repo, head, "auc", value)
    with pytest.raises(ValueError, match="finite"):
        record(services, repo, head, "auc", 0.5, low=value)


def test_private_data_behind_a_public_model_stays_nameless(
    services: Services, ada: Actor, repo: Repo, as_ada: TestClient, as_bob: TestClient
):
    secret = hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.DATASET, "ada/top-secret")
    with services.database.write() as write:
        hub.update_repo(write, ada, repo.kind, repo.full_name, visibility="public")
    with services.database.read() as read:
        head = hub.revision_of(read, repo, "main")
        data = hub.revision_of(read, secret, "main")
    record(
        services, repo, head, "accuracy", 0.9, data_repo_id=secret.id, data_revision=data.commit_id, split="test",
        job_id="job_1", details={"dataset": "ada/top-secret"},
    )  # fmt: skip
    mine = as_ada.get(MEASUREMENTS).json()["items"][0]
    assert mine["data"] == {"repo": "ada/top-secret", "revision": data.commit_id, "split": "test"}
    theirs = as_bob.get(MEASUREMENTS)
    assert theirs.json()["items"][0]["value"] == 0.9
    assert theirs.json()["items"][0]["data"] == {"repo": None, "revision": None, "split": None}
    for leak in ("top-secret", data.commit_id, secret.id, "job_1"):
        assert leak not in theirs.text
