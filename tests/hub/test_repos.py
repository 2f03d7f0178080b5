from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tholos.accounts import service as accounts
from tholos.accounts.authorization import ANONYMOUS, Actor, Scope
from tholos.accounts.errors import AccountNotFound, InvalidName, MissingScope
from tholos.accounts.models import AuditEntry
from tholos.hub import errors
from tholos.hub import service as hub
from tholos.hub.models import Ref, Repo, RepoBlob, Revision
from tholos.hub.operations import AddBytes, Delete
from tholos.jobs import repository as job_rows
from tholos.jobs import service as jobs
from tholos.jobs.kinds import JobKind
from tholos.jobs.models import JobState
from tholos.kit.errors import Forbidden, InvalidInput
from tholos.kit.outbox import OutboxRow
from tholos.kit.paging import BadCursor
from tholos.kit.services import Services

Commit = Callable[..., Revision]
MODEL, DATASET = hub.RepoKind.MODEL, hub.RepoKind.DATASET


def create(services: Services, actor: Actor, name: str, kind: hub.RepoKind = MODEL, **options) -> Repo:
    return hub.create_repo(services.database, services.blobs, actor, kind, name, **options)


def names(services: Services, actor: Actor, **options) -> list[str]:
    with services.database.read() as read:
        return [repo.full_name for repo in hub.list_repos(read, actor, **options).items]


def test_a_repo_is_private_and_in_ones_own_namespace_by_default(services: Services, ada: Actor):
    repo = create(services, ada, "penguins")
    assert (repo.full_name, repo.visibility, repo.owner_id) == ("ada/penguins", "private", ada.account_id)


def test_one_name_serves_a_repo_of_every_kind(services: Services, ada: Actor):
    assert len({create(services, ada, "x", kind).id for kind in hub.RepoKind}) == len(hub.RepoKind) == 3
    assert names(services, ada, kind=hub.RepoKind.ALGORITHM) == ["ada/x"]


SPELLINGS = ["ada/Penguins", "ADA/penguins", "penguins"]


def test_a_taken_name_is_refused_whatever_its_case(
    services: Services, ada: Actor, repo: Repo, subtests: pytest.Subtests
):
    for taken in SPELLINGS:
        with subtests.test(case=ascii(taken)[:80]):
            with pytest.raises(errors.RepoExists) as caught:
                create(services, ada, taken)
            assert caught.value.next


def test_of_many_that_take_one_name_one_gets_it(services: Services, ada: Actor):
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            outcomes.append(create(services, ada, "contested").id)
        except errors.RepoExists as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("repo_exists") == 5


BAD_NAMES = [
    "",
    "/",
    "ada/",
    "/x",
    "a/b/c",
    "ada/.x",
    "ada/x.",
    "ada/-x",
    "ada/x-",
    "ada/a--b",
    "ada/a..b",
    "ada/x.git",
    "ada/" + "x" * 97,
    "ada/a b",
    "ada/猫",
    "ada/x\0",
    "ada/x\n",
    "ada/../x",
    "ada/x%2f",
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_bad_names_are_refused(services: Services, ada: Actor, subtests: pytest.Subtests):
    for name in BAD_NAMES:
        with subtests.test(case=ascii(name)[:80]):
            with pytest.raises(InvalidName) as caught:
                create(services, ada, name)
            assert caught.value.next


def test_nobody_creates_in_anothers_namespace(services: Services, ada: Actor, bob: Actor, admin: Actor):
    with pytest.raises(Forbidden):
        create(services, ada, "bob/x")
    with pytest.raises(AccountNotFound):
        create(services, ada, "nobody/x")
    assert create(services, admin, "bob/x").owner_id == bob.account_id


def test_ensure_makes_a_repo_once(services: Services, ada: Actor, bob: Actor):
    def ensure(actor: Actor) -> Repo:
        return hub.ensure_repo(services.database, services.blobs, actor, MODEL, "ada/new", visibility="public")

    assert ensure(ada).id == ensure(ada).id
    with pytest.raises(Forbidden):
        ensure(bob)


def test_lists_are_newest_first_filtered_and_paged(services: Services, ada: Actor, bob: Actor):
    for number in range(5):
        create(services, ada, f"m{number}", description="Birds of the SOUTH" if number % 2 else "100% _fish_")
    create(services, ada, "birds", DATASET, visibility="public", description="Élan vital")
    assert names(services, ada) == ["ada/birds", "ada/m4", "ada/m3", "ada/m2", "ada/m1", "ada/m0"]
    assert names(services, ada, kind=MODEL, search="south") == ["ada/m3", "ada/m1"]
    assert names(services, ada, search="BIRD") == ["ada/birds", "ada/m3", "ada/m1"]
    assert names(services, ada, search="élan") == ["ada/birds"]
    assert names(services, ada, search="%") == ["ada/m4", "ada/m2", "ada/m0"]
    assert names(services, ada, search="_fish") == ["ada/m4", "ada/m2", "ada/m0"]
    assert names(services, ada, owner="bob") == []
    assert names(services, bob) == names(services, ANONYMOUS) == ["ada/birds"]
    seen: list[str] = []
    cursor = None
    with services.database.read() as read:
        for _ in range(3):
            found = hub.list_repos(read, ada, cursor=cursor, limit=2)
            seen += [repo.full_name for repo in found.items]
            cursor = found.next_cursor
    assert cursor is None
    assert seen == names(services, ada)


BAD_CURSORS = ["x", "e30", "WyJhIiwiYiJd", "W10"]


def test_bad_cursors_are_refused(services: Services, ada: Actor, subtests: pytest.Subtests):
    for cursor in BAD_CURSORS:
        with subtests.test(case=ascii(cursor)[:80]), services.database.read() as read, pytest.raises(BadCursor):
            hub.list_repos(read, ada, cursor=cursor)


def test_a_key_without_the_read_scope_lists_nothing(services: Services, ada: Actor):
    blind = Actor(ada.account_id, ada.name, scopes=frozenset({Scope.PREDICT}))
    with services.database.read() as read, pytest.raises(MissingScope):
        hub.list_repos(read, blind)


BAD_SEARCHES = ["a\0b", "x" * 201, "\ud800"]


def test_searches_that_no_database_takes_are_refused(services: Services, ada: Actor, subtests: pytest.Subtests):
    for text in BAD_SEARCHES:
        with subtests.test(case=ascii(text)[:80]), services.database.read() as read, pytest.raises(InvalidInput):
            hub.list_repos(read, ada, search=text)


def test_the_card_at_the_head_of_main_is_what_lists_know(services: Services, ada: Actor, repo: Repo, commit: Commit):
    first = commit(AddBytes("README.md", b"---\nlicense: mit\ntags: [birds]\nlong: " + b"x" * 9000 + b"\n---\n# Hi"))
    assert names(services, ada, tag="license:mit") == ["ada/penguins"]
    with services.database.read() as read:
        shown = hub.view(read, [hub.get_repo(read, ada, MODEL, "penguins")])[0]
    assert (shown.head, shown.tags) == (first.commit_id, ["birds", "license:mit"])
    assert shown.repo.card == {"license": "mit", "tags": ["birds"]}
    commit(Delete("README.md"))
    assert names(services, ada, tag="birds") == []
    hub.set_ref(
        services.database, services.blobs, ada, MODEL, "penguins", ref_kind="branch", ref_name="main",
        rev=first.commit_id, force=True,
    )  # fmt: skip
    assert names(services, ada, tag="birds") == ["ada/penguins"]


def test_changes_are_the_owners(services: Services, ada: Actor, bob: Actor, repo: Repo):
    with services.database.write() as write:
        hub.update_repo(write, ada, MODEL, "penguins", description="Now described", visibility="public")
    assert names(services, bob, search="described") == ["ada/penguins"]
    for change in (
        lambda write: hub.update_repo(write, bob, MODEL, "ada/penguins", description="Mine"),
        lambda write: hub.update_repo(write, bob, MODEL, "ada/penguins", visibility="private"),
        lambda write: hub.delete_repo(write, bob, MODEL, "ada/penguins"),
    ):
        with pytest.raises(Forbidden), services.database.write() as write:
            change(write)


def test_a_deleted_repo_is_gone_with_all_of_its_own(services: Services, ada: Actor, repo: Repo, commit: Commit):
    commit(AddBytes("README.md", b"---\ntags: [a]\n---"), AddBytes("b", b"1"))
    with services.database.write() as write:
        hub.record_fact(write, repo_id=repo.id, revision="a" * 40, metric="accuracy", value=1.0, hardware="x")
    with services.database.write() as write:
        hub.delete_repo(write, ada, MODEL, "penguins")
    with services.database.read() as read:
        for table in (Repo, Ref, Revision, RepoBlob):
            assert read.query(table).count() == 0
        with pytest.raises(errors.RepoNotFound):
            hub.get_repo(read, ada, MODEL, "penguins")
    assert create(services, ada, "penguins").id != repo.id


def test_every_change_is_audited_and_announced(services: Services, ada: Actor, repo: Repo):
    with services.database.write() as write:
        hub.update_repo(write, ada, MODEL, "penguins", visibility="public")
    with services.database.write() as write:
        hub.delete_repo(write, ada, MODEL, "penguins")
    with services.database.read() as read:
        topics = [row.topic for row in read.query(OutboxRow).order_by(OutboxRow.id)]
        deeds = [row.action for row in read.query(AuditEntry).order_by(AuditEntry.id) if row.subject == repo.label]
    assert topics == ["repo.created", "repo.updated", "repo.deleted"]
    assert deeds == ["repo.create", "repo.update", "repo.delete"]


def test_repos_over_http(as_ada: TestClient, anyone: TestClient):
    made = as_ada.post("/api/v1/repos", json={"kind": "dataset", "name": "birds", "description": "Birds"})
    assert made.status_code == 201
    body = made.json()
    assert (body["name"], body["namespace"], body["kind"], body["visibility"]) == (
        "ada/birds",
        "ada",
        "dataset",
        "private",
    )
    assert len(body["head"]) == 40
    assert as_ada.get("/api/v1/datasets/ada/birds").json() == body
    assert as_ada.get("/api/v1/models/ada/birds").status_code == 404
    assert anyone.post("/api/v1/repos", json={"kind": "model", "name": "x"}).status_code == 401
    taken = as_ada.post("/api/v1/repos", json={"kind": "dataset", "name": "birds"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "repo_exists")
    patched = as_ada.patch("/api/v1/datasets/ada/birds", json={"visibility": "public"})
    assert patched.json()["visibility"] == "public"
    assert anyone.get("/api/v1/repos").json()["items"][0]["name"] == "ada/birds"
    assert as_ada.patch("/api/v1/datasets/ada/birds", json={"owner": "bob"}).status_code == 400
    assert as_ada.delete("/api/v1/datasets/ada/birds").status_code == 204
    assert as_ada.get("/api/v1/datasets/ada/birds").status_code == 404


def test_other_rooms_addresses_are_not_taken_for_repos(anyone: TestClient):
    assert anyone.get("/api/v1/algorithmz/ada/birds").json()["error"]["code"] == "route_not_found"


def test_the_namespace_keeps_the_accounts_own_spelling(services: Services, admin: Actor):
    with services.database.write() as write:
        grace, _ = accounts.create_user(write, admin, "Grace")
    actor = Actor(grace.id, grace.name)
    assert create(services, actor, "GRACE/x").full_name == "Grace/x"


def test_jobs_on_a_deleted_repo_end_with_it(services: Services, ada: Actor):
    kind = JobKind("data.view", work="tholos.data.work:read_revision")
    gone, stays = create(services, ada, "gone"), create(services, ada, "stays")
    with services.database.write() as write:
        waiting, other = (jobs.enqueue(write, ada, kind, {"repo_id": repo.id}, title="Read") for repo in (gone, stays))
        running = jobs.enqueue(write, ada, JobKind("scan.repo", work="x:y"), {"repo_id": gone.id}, title="Scan")
        assert job_rows.claim(write, "node", ["scan.repo"], 60.0) is not None
    with services.database.write() as write:
        hub.delete_repo(write, ada, MODEL, "ada/gone")
    with services.database.read() as read:
        found = {job.id: jobs.get(read, ada, job.id) for job in (waiting, other, running)}
    assert found[waiting.id].state is JobState.CANCELLED
    assert found[other.id].state is JobState.QUEUED
    assert found[running.id].state is JobState.RUNNING  # until its process has ended
    assert found[running.id].cancel_requested_at is not None
