"""Mirrors as they begin and end: what they tell, what they leave, and whose names they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from tholos.accounts.authorization import Actor
from tholos.accounts.models import Account, ReservedName
from tholos.community import watching
from tholos.community.models import WebhookDelivery
from tholos.data import service as data
from tholos.hub import service as hub
from tholos.hub.mirror.service import add_mirror
from tholos.hub.models import Ref, Repo
from tholos.hub.names import RepoKind
from tholos.imports import service as imports
from tholos.kit.outbox import OutboxRow, combined, dispatch, emit
from tholos.kit.services import Services
from tholos.scanning import service as scanning
from tholos.serving import admission

Begin = Callable[..., Repo]


@pytest.fixture
def begin(services: Services, admin: Actor) -> Begin:
    """A mirror of which nothing has come yet."""

    def run(namespace: str, name: str, kind: RepoKind = RepoKind.MODEL) -> Repo:
        with services.database.write() as write:
            owner = write.get_one(Account, admin.account_id)
            return add_mirror(
                write,
                owner,
                kind,
                (namespace, name),
                "https://hub.example",
                f"{namespace}/{name}",
                visibility="private",
            )

    return run


@pytest.fixture
def as_admin(anyone: TestClient, admin_token: str) -> TestClient:
    anyone.headers["authorization"] = f"Bearer {admin_token}"
    return anyone


def tell(services: Services) -> None:
    """Has every room hear what happened, as the agent does."""
    rooms = (data.HANDLERS, imports.HANDLERS, admission.HANDLERS, scanning.handlers(services.settings))
    dispatch(services.database, combined(*rooms, watching.handlers("https://hub.test")))


def reserved(services: Services) -> list[str]:
    with services.database.read() as read:
        return list(read.scalars(select(ReservedName.name_key).order_by(ReservedName.name_key)))


def test_every_room_hears_of_a_mirror_that_is_still_empty(
    services: Services, as_admin: TestClient, begin: Begin
) -> None:
    watched = [{"type": "user", "name": "admin"}]
    made = as_admin.post("/api/v1/webhooks", json={"url": "https://hooks.example/x", "watched": watched})
    assert made.status_code == 201, made.text
    for kind in (RepoKind.MODEL, RepoKind.DATASET):
        begin("admin", "copy", kind)
    tell(services)
    with services.database.read() as read:
        assert [(row.topic, row.error) for row in read.scalars(select(OutboxRow))] == []
        told = [row.payload for row in read.scalars(select(WebhookDelivery))]
    assert [(each["event"]["action"], each["repo"]["headSha"]) for each in told] == [("create", None)] * 2


def test_files_deleted_from_a_mirror_that_is_still_empty_are_no_failure(services: Services, begin: Begin) -> None:
    repo = begin("lab", "rows", RepoKind.DATASET)
    with services.database.write() as write:
        emit(write, "repo.files_deleted", {"repo_id": repo.id, "kind": "dataset"})
    tell(services)
    with services.database.read() as read:
        assert [(row.topic, row.error) for row in read.scalars(select(OutboxRow))] == []


def test_the_page_of_a_mirror_that_is_still_empty_says_so(
    as_admin: TestClient, as_bob: TestClient, begin: Begin
) -> None:
    begin("admin", "copy", RepoKind.DATASET)
    shown = as_admin.get("/datasets/admin/copy")
    assert (shown.status_code, "Nothing has come yet" in shown.text) == (200, True)
    assert "https://hub.example/admin/copy" in shown.text
    assert "Fetch what is new" in shown.text
    assert as_bob.get("/datasets/admin/copy").status_code == 404


def test_the_page_of_a_repo_without_main_leads_to_its_branches(services: Services, admin: Actor, as_admin) -> None:
    repo = hub.ensure_repo(services.database, services.blobs, admin, RepoKind.MODEL, "admin/other")
    with services.database.write() as write:
        head = write.scalar(select(Ref).where(Ref.repo_id == repo.id))
        assert head is not None
        head.name = "refs/heads/trunk"
        commit = head.commit_id
    shown = as_admin.get("/admin/other")
    assert shown.status_code == 200
    assert f'<a href="/admin/other/tree/{commit}">trunk</a>' in shown.text
    assert as_admin.get(f"/admin/other/tree/{commit}").status_code == 200


# -- what is asked before anything is made


@pytest.fixture
def upstream() -> Iterator[str]:
    """A hub that has lab/tiny, lab/empty and nothing else."""
    service = b"001e# service=git-upload-pack\n0000"
    first = b"1" * 40 + b" refs/heads/main\0side-band-64k\n"
    empty = b"0" * 40 + b" capabilities^{}\0side-band-64k\n"
    answers = {
        f"/lab/{name}/info/refs?service=git-upload-pack": service + f"{len(body) + 4:04x}".encode() + body + b"0000"
        for name, body in {"tiny": first, "empty": empty}.items()
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pull(client: TestClient, source: str, url: str) -> tuple[int, dict[str, str]]:
    answer = client.post("/api/v1/mirrors", json={"kind": "model", "source": source, "url": url})
    return answer.status_code, answer.json().get("error", {})


@pytest.mark.parametrize(
    ("source", "url", "code"),
    [
        ("foo/bar", "http://127.0.0.1:1", "upstream_unavailable"),
        ("foo/bar", "", "upstream_not_found"),
        ("lab/empty", "", "upstream_not_found"),
    ],
)
def test_what_cannot_be_mirrored_leaves_nothing(
    services: Services, as_admin: TestClient, upstream: str, source: str, url: str, code: str
) -> None:
    assert pull(as_admin, source, url or upstream)[1]["code"] == code
    assert as_admin.get(f"/api/v1/models/{source}").status_code == 404
    assert reserved(services) == []
    with services.database.read() as read:
        assert read.scalar(select(OutboxRow)) is None


def test_another_source_under_a_name_that_is_taken_is_told_how_to_free_it(as_admin: TestClient, upstream: str) -> None:
    assert pull(as_admin, "lab/tiny", upstream)[0] == 202
    status, error = pull(as_admin, "lab/tiny", "http://127.0.0.1:1")
    assert (status, error["code"]) == (409, "repo_exists")
    assert "`tholos repos delete lab/tiny`" in error["next"]
    assert "`tholos mirror detach lab/tiny`" in error["next"]


# -- names that are reserved for repos of another hub


def test_a_name_is_free_again_when_the_last_repo_under_it_is_deleted(
    services: Services, as_admin: TestClient, begin: Begin
) -> None:
    begin("Foo", "one")
    begin("foo", "two")
    taken = as_admin.post("/api/v1/users", json={"name": "foo"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "name_taken")
    assert "fetched from another hub" in taken.json()["error"]["message"]
    assert as_admin.delete("/api/v1/models/foo/one/mirror").status_code == 204
    assert as_admin.delete("/api/v1/models/foo/one").status_code == 204
    assert reserved(services) == ["foo"]
    assert as_admin.delete("/api/v1/models/foo/two").status_code == 204
    assert reserved(services) == []
    assert as_admin.post("/api/v1/users", json={"name": "foo"}).status_code == 201


def test_a_name_is_free_again_when_the_last_repo_under_it_moves_away(
    services: Services, admin: Actor, begin: Begin
) -> None:
    begin("foo", "one")
    with services.database.write() as write:
        hub.move_repo(write, admin, RepoKind.MODEL, "foo/one", "admin/one")
    assert reserved(services) == []
