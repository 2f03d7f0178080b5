"""Roles and limited tokens where things run: jobs, deployments, and what a Xet client may build on."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from roles_world import TABLE, World

from tholos.accounts.authorization import Action, Actor, may
from tholos.accounts.errors import MissingScope
from tholos.accounts.service import namespace_for
from tholos.app import create_app
from tholos.data import kinds
from tholos.hub import service as hub
from tholos.hub.names import RepoKind
from tholos.hub.xet import repository as xet
from tholos.jobs import service as jobs
from tholos.jobs.models import Job
from tholos.kit.blobs import XorbIndex
from tholos.kit.clock import utcnow
from tholos.kit.errors import Forbidden, NotFound
from tholos.serving.models import Deployment


def start(world: World, who: str, repo: str) -> Job:
    """A job of that person's that works on a repo."""
    actor = world.actors[who]
    with world.services.database.write() as write:
        found = hub.get_repo(write, actor, RepoKind.MODEL, repo)
        payload = {"repo_id": found.id}
        return jobs.enqueue(write, actor, kinds.VIEW, payload, title=repo, about=found.owner_id)


def acting(world: World, job: Job) -> Actor:
    with world.services.database.read() as read:
        return jobs.acting_for(read, jobs.get(read, world.actors["admin"], job.id))


def test_a_job_on_an_organizations_repo_belongs_to_it_where_its_starter_may_write_there(world: World) -> None:
    owners = {}
    for who in ("org_read", "org_contributor", "org_write", "org_admin", "admin"):
        job = start(world, who, "acme/model")
        owners[who] = world.clients["admin"].get(f"/api/v1/jobs/{job.id}").json()["owner"]
        assert acting(world, job).name == who
    assert owners == {
        "org_read": "org_read",
        "org_contributor": "org_contributor",
        "org_write": "acme",
        "org_admin": "acme",
        "admin": "acme",
    }
    assert len(world.clients["org_read"].get("/api/v1/jobs").json()["items"]) == 4  # its own, and acme's
    assert len(world.clients["org_read"].get("/api/v1/jobs", params={"owner": "ACME"}).json()["items"]) == 3
    assert world.clients["stranger"].get("/api/v1/jobs", params={"owner": "acme"}).status_code == 404


def test_an_organizations_job_is_seen_by_members_and_stopped_by_those_who_may_write(world: World) -> None:
    for who, row in TABLE.items():
        job = start(world, "org_admin", "acme/model")
        whole = "repo" not in who  # a token for one repo does not reach what others started on it
        seen, stopped = (
            world.clients[who].get(f"/api/v1/jobs/{job.id}"),
            world.clients[who].post(f"/api/v1/jobs/{job.id}/cancel"),
        )
        if who == "anonymous":
            assert (seen.status_code, stopped.status_code) == (401, 401)
        elif row[1] == 0 or not whole:
            assert (seen.status_code, stopped.status_code) == (404, 404), who
        else:
            assert seen.status_code == 200, who
            assert stopped.status_code == (200 if row[1] >= 2 else 403), who


def test_a_job_has_the_rights_of_who_started_it_as_they_are_when_it_runs(world: World) -> None:
    job = start(world, "org_write", "acme/model")
    assert acting(world, job).memberships
    assert world.clients["org_admin"].delete("/api/v1/organizations/acme/members/org_write").status_code == 204
    actor = acting(world, job)
    with world.services.database.read() as read, pytest.raises(NotFound):
        hub.get_repo(read, actor, RepoKind.MODEL, "acme/model")


def test_a_job_of_a_limited_token_stays_within_its_limits(world: World) -> None:
    who = "ada, to write the repo"
    job = start(world, who, "ada/penguins")
    limited = acting(world, job)
    with world.services.database.read() as read:
        assert hub.get_repo(read, limited, RepoKind.MODEL, "ada/penguins", Action.WRITE)
        with pytest.raises(NotFound):
            hub.get_repo(read, limited, RepoKind.MODEL, "ada/others")
    assert [item["id"] for item in world.clients[who].get("/api/v1/jobs").json()["items"]] == [job.id]
    assert world.clients[who].get(f"/api/v1/jobs/{job.id}").status_code == 200
    for other in ("ada, to read the repo", "ada, elsewhere"):
        assert world.clients[other].get(f"/api/v1/jobs/{job.id}").status_code == 404
        assert world.clients[other].get("/api/v1/jobs").json()["items"] == []
    assert world.clients["ada"].get(f"/api/v1/jobs/{job.id}").status_code == 200
    assert world.clients["ada"].delete(f"/api/v1/keys/{world.actors[who].key_id}").status_code == 204
    assert acting(world, job).limits == limited.limits  # a revoked key frees nothing


def test_who_runs_a_job_again_lends_it_their_own_rights(world: World) -> None:
    job = start(world, "ada", "ada/penguins")
    whole = "ada, to write her namespace"
    assert world.clients[whole].post(f"/api/v1/jobs/{job.id}/cancel").status_code == 200
    assert world.clients[whole].post(f"/api/v1/jobs/{job.id}/retry").status_code == 200
    again = acting(world, job)
    assert (again.name, again.limits is None) == ("ada", False)
    world.clients["admin"].post(f"/api/v1/jobs/{job.id}/cancel").raise_for_status()
    world.clients["admin"].post(f"/api/v1/jobs/{job.id}/retry").raise_for_status()
    assert acting(world, job).name == "ada"


def test_an_administrators_job_has_no_powers_that_its_token_had_not(world: World) -> None:
    made = world.clients["admin"].post("/api/v1/keys", json={"name": "plain"}).json()
    world.add("plain", made["secret"])
    with world.services.database.write() as write:
        job = jobs.enqueue(write, world.actors["plain"], kinds.VIEW, {}, title="x")
    assert not acting(world, job).has_admin_power
    with world.services.database.write() as write:
        job = jobs.enqueue(write, world.actors["admin"], kinds.VIEW, {}, title="x")
    assert acting(world, job).has_admin_power


def deployment(world: World, owner: str, namespace: str) -> Deployment:
    now = utcnow()
    made = Deployment(
        id=f"dep_{namespace}",
        account_id=next(iter(world.actors[owner].memberships), world.actors[owner].account_id),
        namespace=namespace,
        namespace_key=namespace,
        name="model",
        name_key="model",
        visibility="private",
        home="auto",
        wanted="stopped",
        version=1,
        previous_version=None,
        created_at=now,
        updated_at=now,
    )
    with world.services.database.write() as write:
        write.add(made)
    return made


def test_predictions_follow_the_namespace(world: World, subtests: pytest.Subtests) -> None:
    of_acme, of_ada = deployment(world, "org_admin", "acme"), deployment(world, "ada", "ada")
    own = create_app(world.services)  # a gateway keeps its own services
    members = {"org_read", "org_contributor", "org_write", "org_admin", "admin"}
    may_acme = members | {"org_write, to write the namespace", "org_read, to write the namespace"}
    may_ada = {"ada", "admin", "ada, to write her namespace"}
    for who, client in world.clients.items():
        for namespace, allowed, found in (("acme", may_acme, of_acme), ("ada", may_ada, of_ada)):
            with subtests.test(who=who, namespace=namespace):
                asked = TestClient(own, headers=dict(client.headers), raise_server_exceptions=False)
                code = asked.post(f"/predict/{namespace}/model", json={"input": 1}).json()["error"]["code"]
                if who == "anonymous":
                    assert code == "not_authenticated"
                else:
                    assert code == ("deployment_stopped" if who in allowed else "deployment_not_found")
                    assert may(world.actors[who], Action.PREDICT, found) == (who in allowed)


def test_deployments_in_an_organization_are_made_by_those_who_may_write_all_of_it(world: World) -> None:
    allowed = {"org_write", "org_admin", "admin", "org_write, to write the namespace"}
    for who, actor in world.actors.items():
        try:
            _create(world, actor)
        except Forbidden:
            assert who not in allowed
        else:
            assert who in allowed


def _create(world: World, actor: Actor) -> None:
    with world.services.database.read() as read:
        namespace_for(read, actor, "acme", Action.WRITE)  # as serving asks before it makes one


def test_a_limited_token_builds_on_the_xorbs_that_it_sent_itself(world: World) -> None:
    whole, limited = world.actors["ada"], world.actors["ada, to write the repo"]
    other = world.actors["ada, elsewhere"]
    index = XorbIndex((0, 10), (0, 20), bytes(32))
    with world.services.database.write() as write:
        for actor, xorb in ((whole, "a" * 64), (limited, "b" * 64)):
            xet.acknowledge_xorb(write, actor, xorb, index, 10)
    with world.services.database.read() as read:
        wanted = ["a" * 64, "b" * 64]
        assert set(xet.nameable_xorbs(read, whole, wanted)) == {"a" * 64}
        assert set(xet.nameable_xorbs(read, limited, wanted)) == {"b" * 64}
        assert set(xet.nameable_xorbs(read, other, wanted)) == set()


def test_a_token_without_a_scope_lists_nothing(world: World) -> None:
    made = world.clients["ada"].post("/api/v1/keys", json={"name": "x", "scopes": ["predict"]}).json()
    world.add("blind", made["secret"])
    with world.services.database.read() as read, pytest.raises(MissingScope):
        hub.list_repos(read, world.actors["blind"])
