"""Gates, storage, licences and histories through the client and the command line, against the real application."""

from __future__ import annotations

import json

import pytest

import tholos
from tholos.cli.app import run
from tholos.kit.logs import configure_logs
from tholos.sdk.error_codes import GatedRepo

WEIGHTS = b"\0" * 20_000


@pytest.fixture(autouse=True)
def _logs() -> None:
    configure_logs("ERROR")  # the server is in this process, and would print among the answers


@pytest.fixture
def gated(app_client, tmp_path):
    """The administrator's gated model, and a client of another user."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").write_bytes(WEIGHTS)
    (folder / "README.md").write_text("---\nlicense: mti\nextra_gated_fields: {Why: text, I agree: checkbox}\n---\n")
    model = app_client.model("admin/m")
    model.push(folder)
    model.update(visibility="public", gated="manual")
    secret = app_client.users.create("reader").secret
    with tholos.Client(app_client.url, secret) as other:
        yield model, other.model("admin/m")


def test_asking_and_answering(gated):
    mine, theirs = gated
    assert mine.info().gated == "manual"
    with pytest.raises(GatedRepo):
        theirs.read("w.bin")
    assert [question["label"] for question in theirs.access.show().form["questions"]] == ["Why", "I agree"]
    assert theirs.access.request({"Why": "to learn", "I agree": True}).state == "pending"
    (asked,) = mine.access.requests("pending")
    assert (asked.account, asked.fields["Why"]) == ("reader", "to learn")
    mine.access.accept("reader")
    assert theirs.read("w.bin") == WEIGHTS
    assert mine.access.reject("reader", "enough").reason == "enough"
    assert theirs.access.show().state == "rejected"
    mine.access.cancel("reader")
    theirs.access.withdraw()
    assert mine.access.requests() == []
    assert mine.update(gated=False).gated is False
    assert theirs.access.show().allowed


def test_storage_licences_and_histories(gated, app_client):
    model, _ = gated
    assert model.usage().logical_bytes > len(WEIGHTS)
    assert app_client.users.set_quota("admin", max_bytes=10**9, max_repos=7).max_repos == 7
    assert app_client.users.usage("admin").largest[0].name == "admin/m"
    assert app_client.usage().logical_bytes >= model.usage().logical_bytes
    assert [finding.level for finding in model.licence().findings] == ["unknown"]
    (large,) = model.lfs_files()
    app_client.model("admin/copy").create()
    assert model.copy_lfs_files("model", "admin/copy", [large.sha256]) == []
    squashed = model.squash(message="One")
    assert [revision.id for revision in model.revisions()] == [squashed.id]
    assert model.delete_lfs_files([large.sha256]) == 1
    assert "w.bin" not in [entry.path for entry in model.files()]


def test_the_commands(gated, app_client, admin_token, monkeypatch, capsys):
    monkeypatch.setenv("THOLOS_URL", app_client.url)
    monkeypatch.setenv("THOLOS_TOKEN", admin_token)

    def call(*arguments: str) -> str:
        capsys.readouterr()
        assert run(list(arguments)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    assert "manual" in call("access", "show", "m")
    assert json.loads(call("access", "accept", "m", "reader", "--json"))["state"] == "accepted"
    assert "reader" in call("access", "list", "m")
    call("access", "reject", "m", "reader", "--reason", "no")
    call("access", "cancel", "m", "reader")
    call("repos", "gate", "m", "auto")
    assert "auto" in call("repos", "show", "m")
    assert "mti" in call("repos", "licence", "m")
    assert "logical" in call("repos", "usage", "m")
    assert json.loads(call("users", "quota", "reader", "--bytes", "1.5GiB", "--json"))["max_bytes"] == 3 << 29
    assert run(["users", "quota", "reader", "--bytes", "plenty"]) == 2
    assert "admin/m" in call("users", "usage")
    assert "stored" in call("users", "usage", "--total")
    (large,) = json.loads(call("repos", "lfs-files", "m", "--json"))
    call("repos", "squash", "m", "--yes")
    call("repos", "delete-files", "m", large["sha256"], "--yes")
    assert json.loads(call("repos", "lfs-files", "m", "--json")) == []
