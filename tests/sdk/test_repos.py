"""Repos through the real application: push, pull, races, refs."""

from __future__ import annotations

import os
from pathlib import Path

import httpx2
import pandas as pd
import pytest

import tholos
from tholos.app import create_app
from tholos.sdk import AsyncClient, errors
from tholos.sdk.error_codes import CommitRace, RepoExists, RepoNotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "to-push"
    (root / "data").mkdir(parents=True)
    (root / "README.md").write_text("---\nlicense: mit\n---\n# Hello\n")
    (root / "data" / "large.bin").write_bytes(os.urandom(3 << 20))
    for number in range(20):
        (root / "data" / f"small{number}.txt").write_text(f"number {number}")
    return root


def content_below(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".gitattributes"
    }


def test_what_is_pushed_comes_back(app_client, folder, tmp_path):
    model = app_client.model("admin/m")
    seen = []
    revision = model.push(folder, message="First", progress=seen.append)
    assert len(revision.id) == 40
    assert revision.message == "First"
    assert (seen[-1].files_done, seen[-1].files) == (22, 22)
    assert seen[-1].bytes_done == seen[-1].bytes
    pulled = model.pull(tmp_path / "back")
    assert content_below(pulled) == content_below(folder)
    assert model.info().head == revision.id
    assert model.card().metadata["license"] == "mit"
    assert model.read("data/small3.txt") == b"number 3"


def test_a_name_without_a_namespace_is_in_ones_own(app_client, folder):
    app_client.model("mine").push(folder / "README.md")
    assert app_client.model("mine").info().name == "admin/mine"


def test_pushing_the_same_again_commits_and_sends_nothing(app_client, folder):
    model = app_client.model("admin/m")
    first = model.push(folder)
    (folder / "README.md").write_text("# Changed\n")
    second = model.push(folder)
    assert second.parents == (first.id,)
    assert model.push(folder).id == second.id


def test_content_that_the_repo_has_is_not_sent_again(app_client, folder, monkeypatch):
    model = app_client.model("admin/m")
    model.push(folder)
    (folder / "data" / "large.bin").rename(folder / "data" / "moved.bin")
    sent = []
    real = app_client.transport.send
    monkeypatch.setattr(
        app_client.transport, "send", lambda method, path, **rest: sent.append(method) or real(method, path, **rest)
    )
    model.push(folder, mirror=True)
    assert "PUT" not in sent
    assert {entry.path for entry in model.files("data")} == {
        "data/moved.bin",
        *(f"data/small{number}.txt" for number in range(20)),
    }


def test_a_push_that_broke_off_before_its_commit_does_not_send_large_files_again(app_client, folder, monkeypatch):
    model = app_client.model("admin/m")
    monkeypatch.setattr(model, "commit", lambda *_args, **_rest: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        model.push(folder)
    sent = []
    real = app_client.transport.send
    monkeypatch.setattr(
        app_client.transport, "send", lambda method, path, **rest: sent.append(method) or real(method, path, **rest)
    )
    app_client.model("admin/m").push(folder)
    assert sent.count("PUT") == 0
    assert sent.count("HEAD") == 1


def test_mirror_deletes_what_is_gone_and_keeps_what_lies_elsewhere(app_client, folder):
    model = app_client.model("admin/m")
    model.push(folder)
    (folder / "data" / "small0.txt").unlink()
    model.push(folder / "data", "data/", mirror=True)
    paths = {entry.path for entry in model.files()}
    assert "data/small0.txt" not in paths
    assert {"README.md", "data/small1.txt", ".gitattributes"} <= paths


def test_a_lost_race_is_raised_unless_tries_are_granted(app_client, folder, server, admin_token):
    model = app_client.model("admin/m")
    model.push(folder)
    real = model.commit

    def overtaken(*args, **rest):
        with tholos.Client(server, admin_token) as other:
            other.model("admin/m").push(folder / "README.md", f"other{len(overtakers)}.md")
        overtakers.append(1)
        model.commit = real
        return real(*args, **rest)

    overtakers = []
    (folder / "new.txt").write_text("mine")
    model.commit = overtaken
    with pytest.raises(CommitRace):
        model.push(folder)
    model.commit = overtaken
    revision = model.push(folder, races=1)
    assert model.info().head == revision.id
    assert {"new.txt", "other0.md", "other1.md"} <= {entry.path for entry in model.files()}


def test_a_commit_on_a_stale_parent_is_refused(app_client, folder):
    model = app_client.model("admin/m")
    first = model.push(folder)
    model.commit([{"op": "add", "path": "a.txt", "content_base64": "YQ=="}], message="a", parent=first.id)
    with pytest.raises(CommitRace) as caught:
        model.commit([{"op": "add", "path": "b.txt", "content_base64": "Yg=="}], message="b", parent=first.id)
    assert caught.value.next


def test_history_refs_and_pinned_revisions(app_client, folder):
    model = app_client.model("admin/m")
    first = model.push(folder, message="one")
    (folder / "README.md").write_text("two")
    second = model.push(folder, message="two")
    assert [revision.id for revision in model.revisions(limit=2)] == [second.id, first.id]
    model.set_tag("v1", first.id)
    model.set_branch("dev", first.id)
    assert {(ref.kind, ref.name, ref.revision) for ref in model.refs()} >= {
        ("tag", "v1", first.id),
        ("branch", "dev", first.id),
    }
    assert b"Hello" in app_client.model("admin/m@v1").read("README.md")
    assert app_client.model("admin/m", revision=second.id[:12]).resolve().id == second.id
    model.set_tag("v1", second.id, force=True)
    assert app_client.model("admin/m@v1").read("README.md") == b"two"
    model.delete_tag("v1")
    model.delete_branch("dev")
    with pytest.raises(errors.NotFound):
        app_client.model("admin/m@v1").resolve()


def test_repos_are_listed_changed_and_deleted(app_client):
    app_client.repos.create("model", "admin/one", description="the first")
    app_client.repos.create("dataset", "admin/two", visibility="public")
    assert [repo.name for repo in app_client.models.list()] == ["admin/one"]
    assert [repo.name for repo in app_client.datasets.list(search="TWO")] == ["admin/two"]
    assert len(app_client.repos.list()) == 2
    with pytest.raises(RepoExists):
        app_client.repos.create("model", "admin/one")
    changed = app_client.model("admin/one").update(visibility="public")
    assert (changed.visibility, changed.description) == ("public", "the first")
    app_client.model("admin/one").delete()
    with pytest.raises(RepoNotFound):
        app_client.model("admin/one").info()


def test_another_users_private_repo_is_not_there(app_client, server, ada_token, folder):
    app_client.model("admin/secret").push(folder)
    with tholos.Client(server, ada_token) as ada:
        with pytest.raises(errors.NotFound):
            ada.model("admin/secret").pull(folder)
        with pytest.raises(errors.Forbidden):
            ada.users.list()


def test_a_frame_is_pushed_as_parquet(app_client, tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    dataset = app_client.dataset("admin/d")
    dataset.push(frame)
    dataset.push(frame, "more/rows.csv")
    folder = dataset.pull(tmp_path)
    assert pd.read_parquet(folder / "data.parquet").equals(frame)
    assert (folder / "more" / "rows.csv").read_text() == "a,b\n1,x\n2,\n"
    with pytest.raises(errors.InvalidInput, match=r"rows\.xlsx"):
        dataset.push(frame, "rows.xlsx")
    with pytest.raises(errors.InvalidInput, match="A list cannot be pushed"):
        dataset.push([1, 2])


def test_the_token_decides_who_one_is(server, admin_token, app_client):
    key = app_client.keys.create("reader", scopes=["read"], expires_in_days=1)
    assert key.secret
    with tholos.Client(server, key.secret) as reader:
        assert reader.whoami().scopes == ("read",)
        with pytest.raises(errors.Forbidden):
            reader.repos.create("model", "admin/x")
    assert "reader" in [listed.name for listed in app_client.keys.list()]
    app_client.keys.revoke(key.id)
    with tholos.Client(server, key.secret) as reader, pytest.raises(errors.NotAuthenticated):
        reader.whoami()
    user = app_client.users.create("grace")
    with tholos.Client(server, user.secret) as grace:
        assert grace.whoami().name == "grace"
    assert app_client.users.update("grace", disabled=True).state == "disabled"
    assert {listed.name for listed in app_client.users.list()} == {"admin", "grace"}


async def test_the_asynchronous_client_speaks_to_the_application_without_a_port(
    services, admin_token, folder, tmp_path
):
    app = create_app(services)
    async with (
        app.router.lifespan_context(app),
        AsyncClient("http://tholos", admin_token, http_transport=httpx2.ASGITransport(app)) as client,
    ):
        revision = await client.model("admin/m").push(folder)
        pulled = await client.model(f"admin/m@{revision.id}").pull(tmp_path / "back")
        assert content_below(pulled) == content_below(folder)
        with pytest.raises(errors.NotFound):
            await client.model("admin/none").info()


async def test_the_asynchronous_client_streams_over_a_real_connection(server, admin_token, folder, tmp_path):
    async with AsyncClient(server, admin_token) as client:
        await client.model("admin/m").push(folder)
        pulled = await client.model("admin/m").pull(tmp_path / "back")
    assert content_below(pulled) == content_below(folder)
