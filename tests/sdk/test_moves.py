"""Moved repos by the client and the command line: the former name leads on."""

from __future__ import annotations

import pytest

import tholos
from tholos.cli.app import run
from tholos.sdk import RetryPolicy, errors
from tholos.sdk.error_codes import RepoExists

WHOAMI = "/api/v1/whoami"
ME = {"name": "ada", "is_admin": False, "scopes": ["read"]}


def test_a_former_name_is_pulled_pushed_and_shown(app_client, tmp_path, capsys, monkeypatch):
    (tmp_path / "a.txt").write_text("one")
    model = app_client.model("admin/old")
    model.push(tmp_path / "a.txt")
    monkeypatch.setenv("THOLOS_URL", app_client.url)
    monkeypatch.setenv("THOLOS_TOKEN", app_client.transport.server.token)
    assert run(["repos", "move", "old", "admin/new", "--json"]) == 0
    assert '"admin/new"' in capsys.readouterr().out
    assert app_client.model("admin/old").info().name == "admin/new"
    assert (app_client.model("admin/old").pull(tmp_path / "there") / "a.txt").read_text() == "one"
    (tmp_path / "big.bin").write_bytes(b"\0" * 100_000)  # too large to travel inside the commit
    app_client.model("admin/old").push(tmp_path / "big.bin")
    assert {file.path for file in app_client.model("admin/new").files()} >= {"a.txt", "big.bin"}
    assert run(["repos", "show", "admin/old"]) == 0
    assert "admin/new" in capsys.readouterr().out
    assert run(["pull", "admin/old", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "big.bin").stat().st_size == 100_000
    assert [repo.name for repo in app_client.models.list()] == ["admin/new"]


def test_the_handle_follows_its_move_and_a_taken_name_is_refused(app_client):
    model, other = app_client.dataset("one"), app_client.dataset("two")
    model.create()
    other.create()
    with pytest.raises(RepoExists):
        model.move("two")
    assert model.move("three").name == "admin/three"
    assert model.name() == "admin/three"


def test_the_token_follows_no_redirect_to_another_server(scripted, scripted_client, reply):
    for there in ("https://elsewhere.example/api/v1/whoami", "//elsewhere.example/api/v1/whoami", ""):
        scripted.script[WHOAMI] = [reply(307, headers={"Location": there})]
        with pytest.raises(errors.TholosError):
            scripted_client.whoami()


def test_redirects_come_to_an_end(scripted, reply):
    scripted.script[WHOAMI] = [reply(307, headers={"Location": WHOAMI})] * 20
    with (
        tholos.Client(scripted.url, "t", retry=RetryPolicy(retries=0)) as client,
        pytest.raises(errors.TholosError),
    ):
        client.whoami()
    assert len(scripted.seen) == 6
